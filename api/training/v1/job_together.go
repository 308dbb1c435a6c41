package v1

import (
	"fmt"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Annotations of a job by which its replicas are treated as one.
const (
	// AnnotationRestart has all replicas started again when one fails, if its
	// value is RestartJob.
	AnnotationRestart = "weir-ml.github.io/restart"
	// AnnotationRestartLimit is how often that is borne.
	AnnotationRestartLimit = "weir-ml.github.io/restart-limit"
	// AnnotationGang has no replica started until all fit, if it is "true".
	AnnotationGang = "weir-ml.github.io/gang"
)

// RestartJob is the one value of AnnotationRestart.
const RestartJob = "job"

// DefaultRestartLimit is how often all replicas are started again where nobody
// says.
const DefaultRestartLimit = 3

// LabelRound tells the pods of one round from those of the one before. Those of
// the first have none.
const LabelRound = "weir-ml.github.io/round"

// GangGate is the scheduling gate of a pod that waits until all of its job fit.
const GangGate = "weir-ml.github.io/gang"

// JobWaiting: no replica is started, since not all fit. Only jobs with
// AnnotationGang wait.
const JobWaiting JobConditionType = "Waiting"

// Rounds counts how often all replicas of a job were started anew.
type Rounds struct {
	// Round counts from 0.
	// +optional
	Round int32 `json:"round,omitempty"`
	// Restarts are the rounds that began because a replica had failed.
	// +optional
	Restarts int32 `json:"restarts,omitempty"`
	// Since is when the round began.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// LetIn is when its pods were let in, if they are started together.
	// +optional
	LetIn *metav1.Time `json:"letIn,omitempty"`
}

// RestartsWhole tells whether all replicas are started again when one fails.
func RestartsWhole(j Job) bool { return j.GetAnnotations()[AnnotationRestart] == RestartJob }

// RestartLimit is how often all replicas are started again.
func RestartLimit(j Job) int32 {
	if n, ok := RestartLimitOf(j); ok {
		return n
	}
	if limit := j.Policy().BackoffLimit; limit != nil {
		return *limit
	}
	return DefaultRestartLimit
}

// RestartLimitOf is how often an object says that all its replicas are started
// again, if it does.
func RestartLimitOf(o metav1.Object) (int32, bool) {
	n, err := strconv.ParseInt(o.GetAnnotations()[AnnotationRestartLimit], 10, 32)
	return int32(n), err == nil
}

// IsGang tells whether no replica is started until all fit.
func IsGang(j Job) bool { return j.GetAnnotations()[AnnotationGang] == "true" }

// ValidateTogether holds the annotations of this file to what they may say.
func ValidateTogether(j metav1.Object) field.ErrorList {
	at := field.NewPath("metadata", "annotations")
	var problems field.ErrorList
	for _, a := range []struct {
		name string
		may  []string
	}{{AnnotationRestart, []string{RestartJob}}, {AnnotationGang, []string{"true", "false"}}} {
		if value, there := j.GetAnnotations()[a.name]; there && !slices.Contains(a.may, value) {
			problems = append(problems, field.NotSupported(at.Key(a.name), value, a.may))
		}
	}
	value, there := j.GetAnnotations()[AnnotationRestartLimit]
	if n, err := strconv.ParseInt(value, 10, 32); there && (err != nil || n < 0) {
		problems = append(problems, field.Invalid(at.Key(AnnotationRestartLimit), value,
			fmt.Sprintf("give how often all replicas may be started again, 0 or more, or leave it out for %d", DefaultRestartLimit)))
	}
	return problems
}
