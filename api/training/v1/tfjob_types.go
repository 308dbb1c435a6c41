package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names that belong to TFJob.
const (
	TFJobKind = "TFJob"
	// TFJobContainer is the container that runs TensorFlow.
	TFJobContainer = "tensorflow"
	// TFJobPortName is the port that replicas call each other on.
	TFJobPortName = "tfjob-port"
	// TFJobPort is that port's number unless the container says another.
	TFJobPort = 2222
)

// Replica types of a TFJob.
const (
	TFReplicaPS     ReplicaType = "PS"
	TFReplicaWorker ReplicaType = "Worker"
	// TFReplicaChief decides for the job. Without one, worker 0 does.
	TFReplicaChief ReplicaType = "Chief"
	// TFReplicaMaster is an older name for the chief.
	TFReplicaMaster    ReplicaType = "Master"
	TFReplicaEvaluator ReplicaType = "Evaluator"
)

// A SuccessPolicy says when a TFJob without a chief has succeeded.
type SuccessPolicy string

const (
	// SuccessDefault is when worker 0 has, or all workers have.
	SuccessDefault SuccessPolicy = ""
	// SuccessAllWorkers is when all workers have.
	SuccessAllWorkers SuccessPolicy = "AllWorkers"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=tfjobs,singular=tfjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// A TFJob runs a TensorFlow program over several replicas.
type TFJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec TFJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// TFJobSpec is what the user asks for.
type TFJobSpec struct {
	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	OldRunPolicy `json:",inline"`

	// SuccessPolicy says when a job without a chief has succeeded: "" (when
	// worker 0 has, or all workers have) or AllWorkers.
	// +optional
	SuccessPolicy *SuccessPolicy `json:"successPolicy,omitempty"`

	// TFReplicaSpecs are the pods by type: Chief (or Master), Worker, PS and
	// Evaluator.
	TFReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"tfReplicaSpecs"`

	// EnableDynamicWorker lets workers come, go and fail while the job runs:
	// each is told of itself and the parameter servers only.
	// +optional
	EnableDynamicWorker bool `json:"enableDynamicWorker,omitempty"`
}

// +kubebuilder:object:root=true

// TFJobList is a list of TFJobs.
type TFJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TFJob `json:"items"`
}

// Policy says how the job is run.
func (j *TFJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *TFJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.TFReplicaSpecs }

// Report is what is known of the job.
func (j *TFJob) Report() *JobStatus { return &j.Status }

// HasChief tells whether a chief, by either name, decides for the job.
func (j *TFJob) HasChief() bool {
	return j.Spec.TFReplicaSpecs[TFReplicaChief] != nil || j.Spec.TFReplicaSpecs[TFReplicaMaster] != nil
}
