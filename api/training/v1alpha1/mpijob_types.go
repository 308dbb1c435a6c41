package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=mpijobs,singular=mpijob
// +kubebuilder:deprecatedversion:warning="kubeflow.org/v1alpha1 is deprecated; use kubeflow.org/v1"
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// An MPIJob runs mpirun in one pod, and the processes that it starts in others.
type MPIJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec MPIJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status MPIJobStatus `json:"status,omitempty"`
}

// MPIJobSpec is what the user asks for: processing units, spread over as many
// workers as it takes, or a number of workers.
type MPIJobSpec struct {
	// GPUs is an older name for processingUnits of nvidia.com/gpu.
	// +optional
	GPUs *int32 `json:"gpus,omitempty"`
	// GPUsPerNode is an older name for processingUnitsPerNode.
	// +optional
	GPUsPerNode *int32 `json:"gpusPerNode,omitempty"`
	// ProcessingUnits is how many units all workers have together.
	// +optional
	ProcessingUnits *int32 `json:"processingUnits,omitempty"`
	// ProcessingUnitsPerNode is how many a worker has at most. The default is 1.
	// +optional
	ProcessingUnitsPerNode *int32 `json:"processingUnitsPerNode,omitempty"`
	// ProcessingResourceType is nvidia.com/gpu (the default) or cpu.
	// +optional
	ProcessingResourceType string `json:"processingResourceType,omitempty"`
	// SlotsPerWorker is how many processes a worker takes. The default is the
	// units it has.
	// +optional
	SlotsPerWorker *int32 `json:"slotsPerWorker,omitempty"`
	// LauncherOnMaster has the launcher run on a node of the control plane.
	// +optional
	LauncherOnMaster bool `json:"launcherOnMaster,omitempty"`
	// BackoffLimit is how many restarts of containers are borne before the job
	// is failed.
	// +optional
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`
	// ActiveDeadlineSeconds is how long the job may run.
	// +optional
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`
	// Replicas is how many workers there are, in place of processing units.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Template is every pod, launcher and workers.
	// +optional
	Template corev1.PodTemplateSpec `json:"template,omitempty"`
}

// MPIJobStatus is what is known of a job: what v1alpha1 says, and what v1 says.
type MPIJobStatus struct {
	training.JobStatus `json:",inline"`
	// LauncherStatus is Active, Succeeded or Failed.
	// +optional
	LauncherStatus string `json:"launcherStatus,omitempty"`
	// WorkerReplicas is how many workers run.
	// +optional
	WorkerReplicas int32 `json:"workerReplicas,omitempty"`
}
