package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Names that belong to MXJob.
const (
	MXJobKind = "MXJob"
	// MXJobContainer is the container that runs MXNet or BytePS.
	MXJobContainer = "mxnet"
	// MXJobPortName is the port that replicas call each other on.
	MXJobPortName = "mxjob-port"
	// MXJobPort is that port's number unless the container says another.
	MXJobPort = 9091
)

// Replica types of an MXJob.
const (
	// MXReplicaScheduler decides for a job that trains.
	MXReplicaScheduler ReplicaType = "Scheduler"
	MXReplicaServer    ReplicaType = "Server"
	MXReplicaWorker    ReplicaType = "Worker"
	// MXReplicaTuner decides for a job that tunes.
	MXReplicaTuner        ReplicaType = "Tuner"
	MXReplicaTunerTracker ReplicaType = "TunerTracker"
	MXReplicaTunerServer  ReplicaType = "TunerServer"
)

// An MXJobMode is what an MXJob is for.
type MXJobMode string

// Modes of an MXJob.
const (
	MXTrain MXJobMode = "MXTrain"
	MXTune  MXJobMode = "MXTune"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=mxjobs,singular=mxjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// An MXJob runs an MXNet or BytePS program over several replicas.
type MXJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec MXJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// MXJobSpec is what the user asks for.
type MXJobSpec struct {
	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	OldRunPolicy `json:",inline"`

	// JobMode is what the job is for: MXTrain or MXTune.
	// +optional
	JobMode MXJobMode `json:"jobMode,omitempty"`

	// MXReplicaSpecs are the pods by type: Scheduler, Server and Worker, or TunerTracker, TunerServer and Tuner.
	MXReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"mxReplicaSpecs"`
}

// +kubebuilder:object:root=true

// MXJobList is a list of MXJobs.
type MXJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MXJob `json:"items"`
}

// Policy says how the job is run.
func (j *MXJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *MXJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.MXReplicaSpecs }

// Report is what is known of the job.
func (j *MXJob) Report() *JobStatus { return &j.Status }

// mxnet is what sets the defaults and rules of an MXJob apart.
var mxnet = kind{
	field: "mxReplicaSpecs",
	types: []ReplicaType{
		MXReplicaScheduler, MXReplicaServer, MXReplicaWorker, MXReplicaTunerTracker, MXReplicaTunerServer, MXReplicaTuner,
	},
	container: MXJobContainer, portName: MXJobPortName, port: MXJobPort,
	restart: RestartNever,
}

// Default fills in what the job leaves open, in memory only.
func (j *MXJob) Default() {
	j.Spec.OldRunPolicy.fold(&j.Spec.RunPolicy)
	mxnet.complete(j)
}

// Validate says what is wrong with an MXJob, each in a sentence. An empty list
// means nothing is.
func (j *MXJob) Validate() field.ErrorList {
	problems := append(mxnet.check(j), j.Spec.OldRunPolicy.check(&j.Spec.RunPolicy)...)
	if m := j.Spec.JobMode; m != "" && m != MXTrain && m != MXTune {
		problems = append(problems, field.NotSupported(field.NewPath("spec", "jobMode"), m, []MXJobMode{MXTrain, MXTune}))
	}
	return append(problems, mxnet.checkOne(j, MXReplicaScheduler)...)
}
