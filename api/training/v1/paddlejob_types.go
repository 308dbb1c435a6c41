package v1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Names that belong to PaddleJob.
const (
	PaddleJobKind = "PaddleJob"
	// PaddleJobContainer is the container that runs PaddlePaddle.
	PaddleJobContainer = "paddle"
	// PaddleJobPortName is the port that replicas find each other by.
	PaddleJobPortName = "master"
	// PaddleJobPort is that port's number unless the container says another.
	PaddleJobPort = 36543
)

// Replica types of a PaddleJob.
const (
	// PaddleReplicaMaster is a parameter server. With any, they decide for the
	// job; without, the workers do.
	PaddleReplicaMaster ReplicaType = "Master"
	PaddleReplicaWorker ReplicaType = "Worker"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.paddleReplicaSpecs.Worker.replicas,statuspath=.status.replicaStatuses.Worker.active,selectorpath=.status.replicaStatuses.Worker.selector
// +kubebuilder:resource:path=paddlejobs,singular=paddlejob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// A PaddleJob runs a PaddlePaddle program over several replicas.
type PaddleJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec PaddleJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// PaddleJobSpec is what the user asks for.
type PaddleJobSpec struct {
	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// ElasticPolicy lets the number of workers change while the job runs.
	// +optional
	ElasticPolicy *PaddleElasticPolicy `json:"elasticPolicy,omitempty"`

	// PaddleReplicaSpecs are the pods by type: Master (a parameter server) and Worker.
	PaddleReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"paddleReplicaSpecs"`
}

// +kubebuilder:object:root=true

// PaddleJobList is a list of PaddleJobs.
type PaddleJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PaddleJob `json:"items"`
}

// Policy says how the job is run.
func (j *PaddleJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *PaddleJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.PaddleReplicaSpecs }

// Report is what is known of the job.
func (j *PaddleJob) Report() *JobStatus { return &j.Status }

// A PaddleElasticPolicy lets the number of workers change while a job runs.
// People change it, by kubectl scale: nothing acts on the metrics.
type PaddleElasticPolicy struct {
	// MinReplicas is how many workers there are at least.
	// +optional
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	// MaxReplicas is how many workers there are at most.
	// +optional
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
	// MaxRestarts is how often a pod may be restarted.
	// +optional
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`
	// Metrics are not acted on.
	// +optional
	Metrics []autoscalingv2.MetricSpec `json:"metrics,omitempty"`
}

// paddle is what sets the defaults and rules of a PaddleJob apart.
var paddle = kind{
	field:     "paddleReplicaSpecs",
	types:     []ReplicaType{PaddleReplicaMaster, PaddleReplicaWorker},
	container: PaddleJobContainer, portName: PaddleJobPortName, port: PaddleJobPort,
	restart: RestartOnFailure,
}

// Default fills in what the job leaves open, in memory only.
func (j *PaddleJob) Default() { paddle.complete(j) }

// Validate says what is wrong with a PaddleJob, each in a sentence. An empty
// list means nothing is.
func (j *PaddleJob) Validate() field.ErrorList {
	problems := paddle.check(j)
	if e := j.Spec.ElasticPolicy; e != nil {
		problems = append(problems, checkBounds(e.MinReplicas, e.MaxReplicas, field.NewPath("spec", "elasticPolicy"))...)
	}
	return problems
}
