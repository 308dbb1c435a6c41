package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Kinds of this package.
const (
	TrainJobKind               = "TrainJob"
	TrainingRuntimeKind        = "TrainingRuntime"
	ClusterTrainingRuntimeKind = "ClusterTrainingRuntime"
)

// Who may look after a TrainJob.
const (
	ManagerTrainJobController = "trainer.kubeflow.org/trainjob-controller"
	ManagerMultiKueue         = "kueue.x-k8s.io/multikueue"
)

// Types of conditions of a TrainJob.
const (
	// TrainJobSuspended: it is stopped, and can go on.
	TrainJobSuspended = "Suspended"
	// TrainJobComplete: it has ended well.
	TrainJobComplete = "Complete"
	// TrainJobFailed: it has ended badly.
	TrainJobFailed = "Failed"
	// TrainJobResourcesCreated: what it is made of could be made, or not and why.
	// It is there only once something could not.
	TrainJobResourcesCreated = "ResourcesCreated"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=trainjobs,singular=trainjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="pods and services are called after the TrainJob: use lower-case letters, digits and '-', beginning with a letter"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be no more than 63 characters"

// A TrainJob trains by a runtime: the runtime says how, the TrainJob what.
type TrainJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec TrainJobSpec `json:"spec,omitzero"`
	// Status is what is known of the job.
	// +optional
	Status TrainJobStatus `json:"status,omitzero"`
}

// TrainJobSpec is what the user asks for.
type TrainJobSpec struct {
	// RuntimeRef names the runtime.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="field is immutable"
	RuntimeRef RuntimeRef `json:"runtimeRef"`

	// Initializer fetches a dataset and a model before the training starts.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="field is immutable"
	Initializer *Initializer `json:"initializer,omitempty"`

	// Trainer says what is run, on how many nodes.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="field is immutable"
	Trainer *Trainer `json:"trainer,omitempty"`

	// Labels are put on the JobSet (2.0 and 2.1).
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations are put on the JobSet (2.0 and 2.1).
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// PodSpecOverrides change the pods of some of the runtime's jobs (2.0).
	// +optional
	// +listType=atomic
	PodSpecOverrides []PodSpecOverride `json:"podSpecOverrides,omitempty"`

	// PodTemplateOverrides change the pods of some of the runtime's jobs (2.1).
	// +optional
	// +listType=atomic
	PodTemplateOverrides []PodTemplateOverride `json:"podTemplateOverrides,omitempty"`

	// RuntimePatches change the runtime for this job, each in the name of one
	// manager (since 2.2). They can be changed while the job is suspended.
	// +optional
	// +listType=map
	// +listMapKey=manager
	// +kubebuilder:validation:MaxItems=16
	RuntimePatches []RuntimePatch `json:"runtimePatches,omitempty"`

	// Suspend stops the job: its pods are deleted, and made again when it is
	// taken back.
	// +optional
	// +kubebuilder:default=false
	Suspend *bool `json:"suspend,omitempty"`

	// ActiveDeadlineSeconds is how long the job may run, from when it was made
	// or last resumed.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="field is immutable"
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// ManagedBy names the controller that looks after the job.
	// +optional
	// +kubebuilder:default="trainer.kubeflow.org/trainjob-controller"
	// +kubebuilder:validation:XValidation:rule="self in ['trainer.kubeflow.org/trainjob-controller', 'kueue.x-k8s.io/multikueue']",message="ManagedBy must be trainer.kubeflow.org/trainjob-controller or kueue.x-k8s.io/multikueue if set"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="field is immutable"
	ManagedBy *string `json:"managedBy,omitempty"`
}

// A RuntimeRef names a runtime.
type RuntimeRef struct {
	// Name is its name. A TrainingRuntime is in the job's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// APIGroup is its group.
	// +optional
	// +kubebuilder:default="trainer.kubeflow.org"
	// +kubebuilder:validation:MaxLength=253
	APIGroup *string `json:"apiGroup,omitempty"`

	// Kind is ClusterTrainingRuntime or TrainingRuntime.
	// +optional
	// +kubebuilder:default="ClusterTrainingRuntime"
	// +kubebuilder:validation:MaxLength=253
	Kind *string `json:"kind,omitempty"`
}

// An Initializer fetches what the training needs.
type Initializer struct {
	// Dataset is fetched to /workspace/dataset.
	// +optional
	Dataset *Fetch `json:"dataset,omitempty"`

	// Model is fetched to /workspace/model.
	// +optional
	Model *Fetch `json:"model,omitempty"`
}

// A Fetch says where something is to be had. It applies to the container of the
// runtime that is called dataset-initializer or model-initializer.
type Fetch struct {
	// StorageURI is where it is: s3://bucket/folder, https://host/file,
	// hf://owner/repository.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^[A-Za-z][A-Za-z0-9+.-]*://.+$')",message="storageUri may be empty, or it must be a valid URI (scheme://...)"
	// +kubebuilder:validation:MaxLength=2048
	StorageURI *string `json:"storageUri,omitempty"`

	// Env are variables of the container, which win over the runtime's.
	// +optional
	// +listType=map
	// +listMapKey=name
	Env []corev1.EnvVar `json:"env,omitempty"`

	// SecretRef is a Secret with credentials, which become variables.
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`
}

// A Trainer says what is run. It applies to the container of the runtime that is
// called node, in the job that is labelled trainer.
type Trainer struct {
	// Image is the image.
	// +optional
	// +kubebuilder:validation:MaxLength=500
	Image *string `json:"image,omitempty"`

	// Command is the program.
	// +optional
	// +listType=atomic
	Command []string `json:"command,omitempty"`

	// Args are its arguments.
	// +optional
	// +listType=atomic
	Args []string `json:"args,omitempty"`

	// Env are variables, which win over the runtime's.
	// +optional
	// +listType=map
	// +listMapKey=name
	Env []corev1.EnvVar `json:"env,omitempty"`

	// NumNodes is how many nodes, each a pod, train together.
	// +optional
	// +kubebuilder:validation:Minimum=0
	NumNodes *int32 `json:"numNodes,omitempty"`

	// ResourcesPerNode is what each node asks for.
	// +optional
	ResourcesPerNode *corev1.ResourceRequirements `json:"resourcesPerNode,omitempty"`

	// NumProcPerNode is how many processes each node has: a number, or for
	// torch also auto, cpu or gpu.
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 : self in ['auto', 'cpu', 'gpu']",message="numProcPerNode must be 1 or more, or auto, cpu or gpu"
	NumProcPerNode *intstr.IntOrString `json:"numProcPerNode,omitempty"`
}

// TrainJobStatus is what is known of a TrainJob.
type TrainJobStatus struct {
	// Conditions are Suspended, Complete and Failed.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// JobsStatus counts the jobs of each of the JobSet's groups.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	JobsStatus []JobStatus `json:"jobsStatus,omitempty"`

	// TrainerStatus is what the training program says of itself.
	// +optional
	TrainerStatus *TrainerStatus `json:"trainerStatus,omitempty"`
}

// A JobStatus counts the jobs of one group.
type JobStatus struct {
	// Name is the group's.
	Name string `json:"name"`
	// Ready jobs have all their pods ready or ended well.
	// +kubebuilder:validation:Minimum=0
	Ready int32 `json:"ready"`
	// Succeeded jobs have ended well.
	// +kubebuilder:validation:Minimum=0
	Succeeded int32 `json:"succeeded"`
	// Failed jobs have ended badly.
	// +kubebuilder:validation:Minimum=0
	Failed int32 `json:"failed"`
	// Active jobs have a pod that waits or runs.
	// +kubebuilder:validation:Minimum=0
	Active int32 `json:"active"`
	// Suspended jobs are stopped.
	// +kubebuilder:validation:Minimum=0
	Suspended int32 `json:"suspended"`
}

// TrainerStatus is what a training program says of itself.
//
// +kubebuilder:validation:XValidation:rule="has(self.lastUpdatedTime)",message="lastUpdatedTime is required when trainerStatus is present"
type TrainerStatus struct {
	// ProgressPercentage is how much is done.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	ProgressPercentage *int32 `json:"progressPercentage,omitempty"`

	// EstimatedRemainingSeconds is how long it will take yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EstimatedRemainingSeconds *int32 `json:"estimatedRemainingSeconds,omitempty"`

	// Metrics are the latest values.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Metrics []Metric `json:"metrics,omitempty"`

	// LastUpdatedTime is when this was so.
	// +optional
	LastUpdatedTime *metav1.Time `json:"lastUpdatedTime,omitempty"`
}

// A Metric is a value with a name.
type Metric struct {
	// Name is the name, as loss.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Name string `json:"name"`
	// Value is the value, as text.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value"`
}

// An UpdateTrainJobStatusRequest is what a training program sends.
//
// +kubebuilder:object:generate=false
type UpdateTrainJobStatusRequest struct {
	TrainerStatus *TrainerStatus `json:"trainerStatus,omitempty"`
}

// +kubebuilder:object:root=true

// TrainJobList is a list of TrainJobs.
type TrainJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrainJob `json:"items"`
}
