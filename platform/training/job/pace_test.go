package job

import (
	"testing"
	"time"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestOnlyCounts(t *testing.T) {
	cases := map[string]struct {
		why    string
		change func(*decision)
		want   bool
	}{
		"Counts": {
			why:    "How many pods run may be told a little later.",
			change: func(d *decision) { d.status.ReplicaStatuses["Worker"].Active = 2 },
			want:   true,
		},
		"Nothing": {
			why:    "What is said already is not told again.",
			change: func(*decision) {},
		},
		"Condition": {
			why: "That a job runs is told at once, with the counts.",
			change: func(d *decision) {
				d.status.ReplicaStatuses["Worker"].Active = 1
				setCondition(&d.status, training.JobRunning, true, "TFJobRunning", "It runs.", time.Unix(100, 0))
			},
		},
		"Start": {
			why:    "So is when it started.",
			change: func(d *decision) { (&reporter{decision: d, now: time.Unix(100, 0)}).started() },
		},
		"Change": {
			why:    "What is told by an event is written before.",
			change: func(d *decision) { d.changes = []notice{{reason: "TFJobFailed"}} },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := training.JobStatus{ReplicaStatuses: map[training.ReplicaType]*training.ReplicaStatus{"Worker": {Active: 1}}}
			d := decision{status: *before.DeepCopy()}
			tc.change(&d)
			if got := onlyCounts(&before, d); got != tc.want {
				t.Errorf("%s\nonlyCounts() = %t, want %t", tc.why, got, tc.want)
			}
		})
	}
}

// A small job is looked at whenever something happens to it; a large one ten
// times a second, however large.
func TestPauseAfter(t *testing.T) {
	for pods, want := range map[int]time.Duration{0: 0, 3: 0, 20: 0, 200: 20 * time.Millisecond, 1000: 100 * time.Millisecond, 5000: 100 * time.Millisecond} {
		if got := pauseAfter(pods); got != want {
			t.Errorf("after a look at %d pods comes a pause of %s, want %s", pods, got, want)
		}
	}
}
