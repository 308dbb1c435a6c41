package job

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A Framework is what sets one kind of training job apart from the others. Its
// methods are functions of what they are given: they read nothing and keep
// nothing. The jobs they are given are valid and have their defaults.
type Framework[J training.Job] interface {
	// Traits are the names that belong to the kind.
	Traits() Traits

	// New is an empty job of the kind.
	New() J

	// Master tells whether a replica is the one that the others look to.
	Master(j J, r Replica) bool

	// Connect tells a replica's pod how to find its peers. The pod has its
	// labels already, which a framework may change.
	Connect(j J, r Replica, pod *corev1.PodTemplateSpec)

	// Judge says how the job stands, given its replicas.
	Judge(j J, seen Seen) Verdict
}

// Traits are the names that belong to a kind of job.
type Traits struct {
	// Kind is the kind, as TFJob. Reasons of conditions and events begin so.
	Kind string
	// Operator is the value of the label of that name, as tfjob-controller.
	Operator string
	// Name is the framework's name in metrics, as tensorflow.
	Name string
	// Metrics is how metrics begin that count the jobs of this kind alone, as
	// mpi_operator. Empty is none.
	Metrics string
	// Container is the container that runs the framework. Its exit code
	// counts, and its ports are the service's.
	Container string
	// Scaled kinds have a scale subresource, and say which pods it counts.
	Scaled bool
	// Unserved kinds have no service for each replica.
	Unserved bool
	// Delegate is a type of replica whose pods a batch Job makes, which is
	// furniture of the name that the replica's pod would have. The Job keeps
	// the limits of the run policy too. Empty is none.
	Delegate training.ReplicaType
}

// A Chooser is a Framework that takes some of the jobs of its kind only.
type Chooser[J training.Job] interface {
	Takes(j J) bool
}

// A Speaker is a Framework with words of its own for what every job is: Created,
// Suspended, Resumed, and Unseen for one that ended before it was seen running.
// No words are the usual ones.
type Speaker[J training.Job] interface {
	Speak(j J, of string) string
}

// A Replica is a place in a job that one pod at a time fills.
type Replica struct {
	Type  training.ReplicaType
	Index int
}

// A Verdict is what a framework makes of a job's replicas: JobRunning,
// JobSucceeded, JobFailed or nothing yet, and a sentence on it.
type Verdict struct {
	Condition training.JobConditionType
	Message   string
	// Reason is the condition's, of a job that has failed, if it is not the
	// usual one.
	Reason string
	// Restarts are sentences on the replicas that are replaced, if there is
	// more to say than that some are.
	Restarts []string
}

// Seen is what there is of a job's replicas.
type Seen struct {
	pods   map[Replica]*corev1.Pod
	fates  map[Replica]fate
	counts map[training.ReplicaType]Count
	// delegated are the pods of the type that a batch Job runs.
	delegated []*corev1.Pod
	// furniture is what there is of it, each with its kind.
	furniture []client.Object
}

// A Count counts the pods of one type of replica.
type Count struct {
	// Wanted is how many there should be.
	Wanted int32
	// Active pods are running, Succeeded have ended well.
	Active, Succeeded int32
	// Failed pods have ended badly, and stay so.
	Failed int32
	// Refused are those of them whose exit code forbids another try.
	Refused int32
	// Restarting pods have ended badly, and are replaced.
	Restarting int32
	// Evicted are those of the failed that their node sent away.
	Evicted int32
}

// types are the types of replicas there should be, in order.
func (s Seen) types() []training.ReplicaType { return slices.Sorted(maps.Keys(s.counts)) }

// Count counts the pods of a type.
func (s Seen) Count(t training.ReplicaType) Count { return s.counts[t] }

// Pod is the pod of a replica; nil if there is none.
func (s Seen) Pod(r Replica) *corev1.Pod { return s.pods[r] }

// Delegated are the pods of the type that a batch Job runs.
func (s Seen) Delegated() []*corev1.Pod { return s.delegated }

// Succeeded tells whether a replica has ended well.
func (s Seen) Succeeded(r Replica) bool { return s.fates[r] == succeeded }
