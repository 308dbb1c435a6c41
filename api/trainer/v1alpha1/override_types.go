package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A PodSpecOverride changes the pods of some of a runtime's jobs.
type PodSpecOverride struct {
	// TargetJobs are the jobs, by name.
	// +listType=atomic
	TargetJobs []TargetJob `json:"targetJobs"`

	PodSpecPatch `json:",inline"`
}

// A PodTemplateOverride changes the pods of some of a runtime's jobs.
type PodTemplateOverride struct {
	// TargetJobs are the jobs, by name.
	// +listType=atomic
	TargetJobs []TargetJob `json:"targetJobs"`

	// Metadata are labels and annotations of the pods.
	// +optional
	Metadata *metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is changed.
	// +optional
	Spec *PodSpecPatch `json:"spec,omitempty"`
}

// A TargetJob names one of a runtime's jobs.
type TargetJob struct {
	Name string `json:"name"`
}

// A RuntimePatch changes the runtime of one TrainJob.
type RuntimePatch struct {
	// Manager is whose patch it is, with a domain: kueue.x-k8s.io/manager.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Manager string `json:"manager"`

	// Time is when it was last changed. It is set on the way in.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// TrainingRuntimeSpec is what is changed.
	// +optional
	TrainingRuntimeSpec *TrainingRuntimeSpecPatch `json:"trainingRuntimeSpec,omitempty"`
}

// The types below are those parts of a runtime that may be changed, each under
// the name it has there.

// A TrainingRuntimeSpecPatch changes a runtime.
type TrainingRuntimeSpecPatch struct {
	// +optional
	Template *JobSetTemplatePatch `json:"template,omitempty"`
}

// A JobSetTemplatePatch changes a runtime's JobSet.
type JobSetTemplatePatch struct {
	// Metadata are labels and annotations.
	// +optional
	Metadata *metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec *JobSetSpecPatch `json:"spec,omitempty"`
}

// A JobSetSpecPatch changes jobs of a JobSet.
type JobSetSpecPatch struct {
	// +optional
	// +listType=map
	// +listMapKey=name
	ReplicatedJobs []ReplicatedJobPatch `json:"replicatedJobs,omitempty"`
}

// A ReplicatedJobPatch changes one of a JobSet's jobs.
type ReplicatedJobPatch struct {
	// Name is the job's.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// +optional
	Template *JobTemplatePatch `json:"template,omitempty"`
}

// A JobTemplatePatch changes a job.
type JobTemplatePatch struct {
	// Metadata are labels and annotations.
	// +optional
	Metadata *metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec *JobSpecPatch `json:"spec,omitempty"`
}

// A JobSpecPatch changes a job's pods.
type JobSpecPatch struct {
	// +optional
	Template *PodTemplatePatch `json:"template,omitempty"`
}

// A PodTemplatePatch changes pods.
type PodTemplatePatch struct {
	// Metadata are labels and annotations.
	// +optional
	Metadata *metav1.ObjectMeta `json:"metadata,omitempty"`
	// +optional
	Spec *PodSpecPatch `json:"spec,omitempty"`
}

// A PodSpecPatch is what of a pod may be changed.
type PodSpecPatch struct {
	// +optional
	ServiceAccountName *string `json:"serviceAccountName,omitempty"`
	// Volumes are added, or replace those of their names.
	// +optional
	// +listType=map
	// +listMapKey=name
	Volumes []corev1.Volume `json:"volumes,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	InitContainers []ContainerPatch `json:"initContainers,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	Containers []ContainerPatch `json:"containers,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// +optional
	SecurityContext *corev1.PodSecurityContext `json:"securityContext,omitempty"`
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	SchedulingGates []corev1.PodSchedulingGate `json:"schedulingGates,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty"`
}

// A ContainerPatch changes one of the runtime's containers.
type ContainerPatch struct {
	// Name is the container's. The runtime must have it.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Env are variables. Those of node and of the initializers are set through
	// spec.trainer and spec.initializer.
	// +optional
	// +listType=map
	// +listMapKey=name
	Env []corev1.EnvVar `json:"env,omitempty"`
	// VolumeMounts are added.
	// +optional
	// +listType=atomic
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
	// +optional
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
}
