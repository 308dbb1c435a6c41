package job

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestSetCondition(t *testing.T) {
	const then, now = 100, 200
	type set struct {
		condition training.JobConditionType
		is        bool
		reason    string
	}
	cases := map[string]struct {
		why    string
		before []training.JobCondition
		set    set
		want   []training.JobCondition
		news   bool
	}{
		"First": {
			why: "A job begins with one condition.",
			set: set{"Created", true, "TFJobCreated"}, news: true,
			want: []training.JobCondition{is("Created", true, "TFJobCreated", now, now)},
		},
		"Same": {
			why:    "What is known already changes nothing, not even a time.",
			before: []training.JobCondition{is("Running", true, "TFJobRunning", then, then)},
			set:    set{"Running", true, "TFJobRunning"},
			want:   []training.JobCondition{is("Running", true, "TFJobRunning", then, then)},
		},
		"MovesToTheEnd": {
			why:    "The last condition is what kubectl shows.",
			before: []training.JobCondition{is("Suspended", true, "TFJobSuspended", then, then), is("Running", false, "TFJobSuspended", then, then)},
			set:    set{"Suspended", false, "TFJobResumed"}, news: true,
			want: []training.JobCondition{is("Running", false, "TFJobSuspended", then, then), is("Suspended", false, "TFJobResumed", now, now)},
		},
		"OtherReason": {
			why:    "A new reason for the same status is an update, not a transition.",
			before: []training.JobCondition{is("Running", false, "TFJobFailed", then, then)},
			set:    set{"Running", false, "TFJobSuspended"}, news: true,
			want: []training.JobCondition{is("Running", false, "TFJobSuspended", now, then)},
		},
		"RestartingForRunning": {
			why:    "A job that restarts does not run.",
			before: []training.JobCondition{is("Created", true, "TFJobCreated", then, then), is("Running", true, "TFJobRunning", then, then)},
			set:    set{"Restarting", true, "TFJobRestarting"}, news: true,
			want: []training.JobCondition{is("Created", true, "TFJobCreated", then, then), is("Restarting", true, "TFJobRestarting", now, now)},
		},
		"RunningForRestarting": {
			why:    "A job that runs again has restarted.",
			before: []training.JobCondition{is("Restarting", true, "TFJobRestarting", then, then)},
			set:    set{"Running", true, "TFJobRunning"}, news: true,
			want: []training.JobCondition{is("Running", true, "TFJobRunning", now, now)},
		},
		"End": {
			why:    "A job that has ended does not run, for the reason it was last said to.",
			before: []training.JobCondition{is("Running", true, "TFJobRunning", then, then)},
			set:    set{"Succeeded", true, "TFJobSucceeded"}, news: true,
			want: []training.JobCondition{is("Running", false, "TFJobRunning", then, then), is("Succeeded", true, "TFJobSucceeded", now, now)},
		},
		"FailedForGood": {
			why:    "Nothing is said of a failed job any more.",
			before: []training.JobCondition{is("Failed", true, "TFJobFailed", then, then)},
			set:    set{"Succeeded", true, "TFJobSucceeded"},
			want:   []training.JobCondition{is("Failed", true, "TFJobFailed", then, then)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := training.JobStatus{Conditions: tc.before}
			news := setCondition(&s, tc.set.condition, tc.set.is, tc.set.reason, "", time.Unix(now, 0))
			if diff := cmp.Diff(tc.want, s.Conditions); diff != "" {
				t.Errorf("%s\nsetCondition(): -want, +got:\n%s", tc.why, diff)
			}
			if news != tc.news {
				t.Errorf("%s\nsetCondition() = %t, want %t", tc.why, news, tc.news)
			}
		})
	}
}

func is(t training.JobConditionType, status bool, reason string, updated, changed int64) training.JobCondition {
	c := training.JobCondition{
		Type: t, Status: corev1.ConditionFalse, Reason: reason,
		LastUpdateTime: metav1.Unix(updated, 0), LastTransitionTime: metav1.Unix(changed, 0),
	}
	if status {
		c.Status = corev1.ConditionTrue
	}
	return c
}
