package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Names that belong to JAXJob.
const (
	JAXJobKind = "JAXJob"
	// JAXJobContainer is the container that runs JAX.
	JAXJobContainer = "jax"
	// JAXJobPortName is the port that processes find each other by.
	JAXJobPortName = "jaxjob-port"
	// JAXJobPort is that port's number unless the container says another.
	JAXJobPort = 6666
)

// JAXReplicaWorker is the one replica type of a JAXJob. Worker 0 is the
// coordinator.
const JAXReplicaWorker ReplicaType = "Worker"

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.jaxReplicaSpecs.Worker.replicas,statuspath=.status.replicaStatuses.Worker.active,selectorpath=.status.replicaStatuses.Worker.selector
// +kubebuilder:resource:path=jaxjobs,singular=jaxjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// A JAXJob runs a JAX program as several processes.
type JAXJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec JAXJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// JAXJobSpec is what the user asks for.
type JAXJobSpec struct {
	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// JAXReplicaSpecs are the pods by type: Worker.
	JAXReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"jaxReplicaSpecs"`
}

// +kubebuilder:object:root=true

// JAXJobList is a list of JAXJobs.
type JAXJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []JAXJob `json:"items"`
}

// Policy says how the job is run.
func (j *JAXJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *JAXJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.JAXReplicaSpecs }

// Report is what is known of the job.
func (j *JAXJob) Report() *JobStatus { return &j.Status }

// jax is what sets the defaults and rules of a JAXJob apart.
var jax = kind{
	field:     "jaxReplicaSpecs",
	types:     []ReplicaType{JAXReplicaWorker},
	container: JAXJobContainer, portName: JAXJobPortName, port: JAXJobPort,
	restart: RestartNever,
}

// Default fills in what the job leaves open, in memory only.
func (j *JAXJob) Default() { jax.complete(j) }

// Validate says what is wrong with a JAXJob, each in a sentence. An empty list
// means nothing is.
func (j *JAXJob) Validate() field.ErrorList { return jax.check(j) }
