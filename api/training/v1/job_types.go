package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A Job is what every kind in this package is, whatever its framework. The
// maps and pointers lead into the job itself: to change them changes the job.
//
// +kubebuilder:object:generate=false
type Job interface {
	metav1.Object
	runtime.Object

	// Policy says how the job is run, cleaned up and given up.
	Policy() *RunPolicy
	// Replicas says which pods the job is made of.
	Replicas() map[ReplicaType]*ReplicaSpec
	// Report is what is known of the job.
	Report() *JobStatus

	// Default fills in what the job leaves open, in memory only.
	Default()
	// Validate says what is wrong with the job.
	Validate() field.ErrorList
}

// Labels that every pod and service of a job carries.
const (
	// LabelOperatorName names the controller, as tfjob-controller.
	LabelOperatorName = "training.kubeflow.org/operator-name"
	// LabelJobName is the name of the job.
	LabelJobName = "training.kubeflow.org/job-name"
	// LabelReplicaType is the replica's type in lower case, as worker.
	LabelReplicaType = "training.kubeflow.org/replica-type"
	// LabelReplicaIndex counts the replicas of one type from 0.
	LabelReplicaIndex = "training.kubeflow.org/replica-index"
	// LabelJobRole is RoleMaster on the replica that the others look to.
	LabelJobRole = "training.kubeflow.org/job-role"
)

// RoleMaster is the one value of LabelJobRole.
const RoleMaster = "master"

// Values of RunPolicy.ManagedBy.
const (
	// ManagerTrainingOperator means this controller, as no value does.
	ManagerTrainingOperator = "kubeflow.org/training-operator"
	// ManagerMultiKueue means Kueue, which runs the job on another cluster.
	ManagerMultiKueue = "kueue.x-k8s.io/multikueue"
)

// A ReplicaType names the part that a pod plays in a job, as Worker.
type ReplicaType string

// A RestartPolicy says what becomes of a replica whose process has ended.
type RestartPolicy string

const (
	// RestartAlways runs the process again, however it ended.
	RestartAlways RestartPolicy = "Always"
	// RestartOnFailure runs the process again if it failed.
	RestartOnFailure RestartPolicy = "OnFailure"
	// RestartNever leaves it.
	RestartNever RestartPolicy = "Never"
	// RestartExitCode replaces the pod if the process was killed or says so
	// by an exit code of 128 or more, and fails the job on 1 to 127.
	RestartExitCode RestartPolicy = "ExitCode"
)

// A CleanPodPolicy says which pods are deleted once a job has finished.
type CleanPodPolicy string

const (
	// CleanPodUndefined is what old files say for none.
	CleanPodUndefined CleanPodPolicy = "Undefined"
	// CleanPodNone keeps every pod and service.
	CleanPodNone CleanPodPolicy = "None"
	// CleanPodRunning deletes the pods that have not ended, with their services.
	CleanPodRunning CleanPodPolicy = "Running"
	// CleanPodAll deletes all pods and services.
	CleanPodAll CleanPodPolicy = "All"
)

// A RunPolicy says how a job is run, cleaned up and given up.
type RunPolicy struct {
	// CleanPodPolicy says which pods are deleted once the job has finished:
	// None (the default), Running or All.
	// +optional
	CleanPodPolicy *CleanPodPolicy `json:"cleanPodPolicy,omitempty"`

	// TTLSecondsAfterFinished is how long a finished job is kept. Without it,
	// for ever.
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// ActiveDeadlineSeconds is how long the job may run, from its start time,
	// before it is failed.
	// +optional
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// BackoffLimit is how many restarts of containers are borne before the job
	// is failed.
	// +optional
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`

	// SchedulingPolicy is for schedulers that place a job's pods together.
	// +optional
	SchedulingPolicy *SchedulingPolicy `json:"schedulingPolicy,omitempty"`

	// Suspend stops the job: its pods are deleted, and made again when it is
	// taken back.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// ManagedBy names the controller that looks after the job. It cannot be
	// changed.
	// +optional
	ManagedBy *string `json:"managedBy,omitempty"`
}

// A SchedulingPolicy is for schedulers that place a job's pods together.
type SchedulingPolicy struct {
	// MinAvailable is how many pods must find a place before any is started.
	// +optional
	MinAvailable *int32 `json:"minAvailable,omitempty"`

	// Queue is the queue the job waits in. It cannot be changed.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.runPolicy.schedulingPolicy.queue is immutable"
	Queue string `json:"queue,omitempty"`

	// MinResources is what must be free before any pod is started.
	// +optional
	MinResources *map[corev1.ResourceName]resource.Quantity `json:"minResources,omitempty"`

	// PriorityClass orders the queue.
	// +optional
	PriorityClass string `json:"priorityClass,omitempty"`

	// ScheduleTimeoutSeconds is how long the pods may wait for each other.
	// +optional
	ScheduleTimeoutSeconds *int32 `json:"scheduleTimeoutSeconds,omitempty"`
}

// A ReplicaSpec says how many pods of one type there are, and what they run.
type ReplicaSpec struct {
	// Replicas is how many. The default is 1.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Template is the pod. Its own restartPolicy is not used; see RestartPolicy.
	// +optional
	Template corev1.PodTemplateSpec `json:"template,omitempty"`

	// RestartPolicy is Always, OnFailure, Never or ExitCode.
	// +optional
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty"`
}

// A JobConditionType names something that is, or is not, the case with a job.
type JobConditionType string

const (
	// JobCreated: the job has been seen.
	JobCreated JobConditionType = "Created"
	// JobRunning: the replica that decides is running.
	JobRunning JobConditionType = "Running"
	// JobRestarting: a replica has failed and is being replaced.
	JobRestarting JobConditionType = "Restarting"
	// JobSucceeded: the job has ended well.
	JobSucceeded JobConditionType = "Succeeded"
	// JobFailed: the job has ended badly.
	JobFailed JobConditionType = "Failed"
	// JobSuspended: the job is stopped, and can go on.
	JobSuspended JobConditionType = "Suspended"
)

// A JobCondition is one thing known of a job.
type JobCondition struct {
	Type   JobConditionType       `json:"type"`
	Status corev1.ConditionStatus `json:"status"`
	// Reason is one word for machines.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message is a sentence for people.
	// +optional
	Message string `json:"message,omitempty"`
	// LastUpdateTime is when anything in the condition changed.
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`
	// LastTransitionTime is when the status changed.
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}

// A ReplicaStatus counts the pods of one type.
type ReplicaStatus struct {
	// Active is how many are running.
	// +optional
	Active int32 `json:"active,omitempty"`
	// Succeeded is how many have ended well.
	// +optional
	Succeeded int32 `json:"succeeded,omitempty"`
	// Failed is how many have ended badly.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// LabelSelector is no longer set; Selector is.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// Selector finds the pods of this type, for kinds that can be scaled.
	// +optional
	Selector string `json:"selector,omitempty"`
}

// JobStatus is what is known of a job.
type JobStatus struct {
	// Conditions are in the order in which they last changed.
	// +optional
	Conditions []JobCondition `json:"conditions,omitempty"`
	// ReplicaStatuses counts the pods of each type.
	// +optional
	ReplicaStatuses map[ReplicaType]*ReplicaStatus `json:"replicaStatuses,omitempty"`
	// StartTime is when the job was first taken up, or last resumed.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// CompletionTime is when the job ended, well or badly.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`
	// LastReconcileTime is not set; it is here for clients that read it.
	// +optional
	LastReconcileTime *metav1.Time `json:"lastReconcileTime,omitempty"`
	// Rounds counts how often all replicas were started anew, for jobs that ask
	// to be treated as one.
	// +optional
	Rounds *Rounds `json:"rounds,omitempty"`
	// Progress is how far the job says in its logs that it has come. It is not
	// part of Kubeflow's own kinds.
	// +optional
	Progress *Progress `json:"progress,omitempty"`
}

// A Progress is what a job's logs, and the events that it writes for
// TensorBoard, said last.
type Progress struct {
	// Replica is the one that this is about, as worker-0: the one that decides,
	// if it says anything.
	// +optional
	Replica string `json:"replica,omitempty"`
	// Epoch and Step count as the program does; Epochs and Steps are how many
	// it says there will be.
	// +optional
	Epoch int64 `json:"epoch,omitempty"`
	// +optional
	Epochs int64 `json:"epochs,omitempty"`
	// +optional
	Step int64 `json:"step,omitempty"`
	// +optional
	Steps int64 `json:"steps,omitempty"`
	// Percent is how much of it is done, where that can be told.
	// +optional
	Percent *int32 `json:"percent,omitempty"`
	// RemainingSeconds is how long the rest takes at the rate so far.
	// +optional
	RemainingSeconds *int64 `json:"remainingSeconds,omitempty"`
	// Values are the last of each name, as loss: "0.4101".
	// +optional
	Values map[string]string `json:"values,omitempty"`
	// LastUpdateTime is when the last of this was said.
	// +optional
	LastUpdateTime *metav1.Time `json:"lastUpdateTime,omitempty"`
}

// Is tells whether a condition is there and true.
func (s *JobStatus) Is(t JobConditionType) bool {
	for _, c := range s.Conditions {
		if c.Type == t {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Finished tells whether the job has ended, well or badly.
func (s *JobStatus) Finished() bool { return s.Is(JobSucceeded) || s.Is(JobFailed) }
