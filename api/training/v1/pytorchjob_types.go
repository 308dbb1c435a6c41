package v1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names that belong to PyTorchJob.
const (
	PyTorchJobKind = "PyTorchJob"
	// PyTorchJobContainer is the container that runs PyTorch.
	PyTorchJobContainer = "pytorch"
	// PyTorchJobPortName is the port that replicas find each other by.
	PyTorchJobPortName = "pytorchjob-port"
	// PyTorchJobPort is that port's number unless the container says another.
	PyTorchJobPort = 23456
)

// Replica types of a PyTorchJob.
const (
	// PyTorchReplicaMaster decides for the job. Without one, the workers do.
	PyTorchReplicaMaster ReplicaType = "Master"
	PyTorchReplicaWorker ReplicaType = "Worker"
)

// NProcAuto lets torchrun find out how many processes a node has room for.
const NProcAuto = "auto"

// A RendezvousBackend is where the members of an elastic job find each other.
type RendezvousBackend string

// Rendezvous backends that torchrun knows.
const (
	RendezvousC10d   RendezvousBackend = "c10d"
	RendezvousEtcd   RendezvousBackend = "etcd"
	RendezvousEtcdV2 RendezvousBackend = "etcd-v2"
	RendezvousStatic RendezvousBackend = "static"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.pytorchReplicaSpecs.Worker.replicas,statuspath=.status.replicaStatuses.Worker.active,selectorpath=.status.replicaStatuses.Worker.selector
// +kubebuilder:resource:path=pytorchjobs,singular=pytorchjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// A PyTorchJob runs a PyTorch program over several replicas.
type PyTorchJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec PyTorchJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// PyTorchJobSpec is what the user asks for.
type PyTorchJobSpec struct {
	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	OldRunPolicy `json:",inline"`

	// ElasticPolicy lets the number of workers change while the job runs.
	// +optional
	ElasticPolicy *ElasticPolicy `json:"elasticPolicy,omitempty"`

	// PyTorchReplicaSpecs are the pods by type: Master and Worker.
	PyTorchReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"pytorchReplicaSpecs"`

	// NProcPerNode is how many processes torchrun starts in each replica: auto
	// (the default), cpu, gpu or a number.
	// +optional
	NProcPerNode *string `json:"nprocPerNode,omitempty"`
}

// An ElasticPolicy lets the number of workers change while a job runs.
type ElasticPolicy struct {
	// MinReplicas is how many workers there are at least. The default is
	// MaxReplicas, or the number of workers.
	// +optional
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// MaxReplicas is how many workers there are at most. The default is
	// MinReplicas, or the number of workers.
	// +optional
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// RendezvousBackend is where workers find each other: c10d (the default),
	// etcd, etcd-v2 or static.
	// +optional
	RendezvousBackend *RendezvousBackend `json:"rdzvBackend,omitempty"`

	// RendezvousPort is that place's port. The default is the port of worker 0.
	// +optional
	RendezvousPort *int32 `json:"rdzvPort,omitempty"`

	// RendezvousHost is that place's host. The default is worker 0.
	// +optional
	RendezvousHost *string `json:"rdzvHost,omitempty"`

	// RendezvousID tells this job from others that meet in the same place.
	// +optional
	RendezvousID *string `json:"rdzvId,omitempty"`

	// RendezvousConf are further settings of the backend.
	// +optional
	RendezvousConf []RendezvousSetting `json:"rdzvConf,omitempty"`

	// Standalone has each replica meet with itself alone.
	// +optional
	Standalone *bool `json:"standalone,omitempty"`

	// NProcPerNode is an older place for spec.nprocPerNode.
	// +optional
	NProcPerNode *int32 `json:"nProcPerNode,omitempty"`

	// MaxRestarts is how often torchrun starts a replica's processes again.
	// +optional
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`

	// Metrics decide how many workers there are. Without any, only people do.
	// +optional
	Metrics []autoscalingv2.MetricSpec `json:"metrics,omitempty"`
}

// A RendezvousSetting is one setting of a rendezvous backend.
type RendezvousSetting struct {
	// +optional
	Key string `json:"key,omitempty"`
	// +optional
	Value string `json:"value,omitempty"`
}

// +kubebuilder:object:root=true

// PyTorchJobList is a list of PyTorchJobs.
type PyTorchJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PyTorchJob `json:"items"`
}

// Policy says how the job is run.
func (j *PyTorchJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *PyTorchJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.PyTorchReplicaSpecs }

// Report is what is known of the job.
func (j *PyTorchJob) Report() *JobStatus { return &j.Status }
