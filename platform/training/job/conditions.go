package job

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// setCondition says something of a job, at the end of the list: kubectl shows
// the last condition as the job's state. It tells whether anything changed.
//
// A job that has failed stays as it is. Running and Restarting take each
// other's place, and a job that has ended no longer runs, whatever else was
// said of its running.
func setCondition(s *training.JobStatus, t training.JobConditionType, is bool, reason, message string, now time.Time) bool {
	if s.Is(training.JobFailed) {
		return false
	}
	c := training.JobCondition{
		Type: t, Status: corev1.ConditionFalse, Reason: reason, Message: message,
		LastUpdateTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
	if is {
		c.Status = corev1.ConditionTrue
	}

	var rest []training.JobCondition
	for _, old := range s.Conditions {
		switch {
		case old.Type == t:
			if old.Status == c.Status && old.Reason == c.Reason {
				return false
			}
			if old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
			continue
		case exclude(old.Type, t):
			continue
		case old.Type == training.JobRunning && (t == training.JobSucceeded || t == training.JobFailed):
			old.Status = corev1.ConditionFalse
		}
		rest = append(rest, old)
	}
	s.Conditions = append(rest, c)
	return true
}

// dropCondition forgets what was said.
func dropCondition(s *training.JobStatus, t training.JobConditionType) {
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c training.JobCondition) bool { return c.Type == t })
}

// exclude tells whether two conditions cannot both be there.
func exclude(a, b training.JobConditionType) bool {
	return a == training.JobRunning && b == training.JobRestarting ||
		a == training.JobRestarting && b == training.JobRunning
}
