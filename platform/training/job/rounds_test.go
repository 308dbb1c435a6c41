package job

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// What becomes of a job whose replicas start anew together.
func TestRounds(t *testing.T) {
	const killed, all = "mnist-worker-1 failed with exit code 137 (OOMKilled)", ": all replicas are started again in "
	ok := worker(0, phase(corev1.PodRunning))
	cases := map[string]struct {
		why     string
		job     *training.TFJob
		pods    []*corev1.Pod
		state   string // the last condition that is true
		says    string
		rounds  training.Rounds
		creates int
		removes string
		wake    time.Duration
	}{
		"AllWell": {
			why: "While none fails, nothing is different.",
			job: jobOf(workers(2), whole), pods: []*corev1.Pod{ok, worker(1, phase(corev1.PodRunning))},
			state: "Running", says: "busy",
		},
		"OneFails": {
			why: "A replica that is not restarted itself ends the round; nothing is deleted before that is stored.",
			job: jobOf(workers(2), whole), pods: []*corev1.Pod{ok, fallen(1, 137, 5)},
			state: "Restarting", says: killed + all + "10s (restart 1 of 3).", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(2000)},
		},
		"OneOfThoseReplaced": {
			why: "Nor is a single pod replaced, as its own policy would.",
			job: jobOf(workers(2), whole, restart(training.RestartExitCode)), pods: []*corev1.Pod{ok, fallen(1, 137, 5)},
			state: "Restarting", says: killed + all + "10s (restart 1 of 3).", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(2000)},
		},
		"Permanent": {
			why: "An exit code that forbids another try does so.",
			job: jobOf(workers(2), whole, restart(training.RestartExitCode)), pods: []*corev1.Pod{ok, fallen(1, 2, 5)},
			state: "Failed", says: `job "mnist" is failing because "Worker" replica(s) failed.`,
		},
		"DraggedAlong": {
			why: "Who failed first counts: its peer says 1 since it was left alone.",
			job: jobOf(workers(2), whole, restart(training.RestartExitCode)), pods: []*corev1.Pod{fallen(0, 1, 6), fallen(1, 137, 5)},
			state: "Restarting", says: killed + all + "10s (restart 1 of 3).", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(2000)},
		},
		"InOneSecond": {
			why: "Within a second nobody can tell, and another try does no harm.",
			job: jobOf(workers(2), whole, restart(training.RestartExitCode)), pods: []*corev1.Pod{fallen(0, 1, 5), fallen(1, 137, 5)},
			state: "Restarting", says: killed + all + "10s (restart 1 of 3).", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(2000)},
		},
		"Deleted": {
			why: "A running pod that somebody or its node takes away is lost as well.",
			job: jobOf(workers(2), whole), pods: []*corev1.Pod{ok, worker(1, phase(corev1.PodRunning), leaving())},
			state: "Restarting", says: "mnist-worker-1 was deleted" + all + "10s (restart 1 of 3).", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(2000)},
		},
		"Succeeded": {
			why: "Once those who decide are done, the rest may fail.",
			job: jobOf(workers(2), whole), pods: []*corev1.Pod{worker(0, phase(corev1.PodSucceeded)), fallen(1, 137, 5)},
			state: "Succeeded", says: "done",
		},
		"OldPodsGo": {
			why: "The pods of the round before go, and none is made beside them.",
			job: jobOf(workers(2), whole, inRound(1, 1, 1900)), pods: []*corev1.Pod{ok, fallen(1, 137, 5)},
			state: "Created", says: "TFJob mnist is created.", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(1900)}, removes: "mnist-worker-0 mnist-worker-1",
		},
		"Rests": {
			why:   "Then the job rests, and wakes by itself.",
			job:   jobOf(workers(2), whole, inRound(2, 2, 1995)),
			state: "Created", says: "TFJob mnist is created.", rounds: training.Rounds{Round: 2, Restarts: 2, Since: unix(1995)}, wake: 15 * time.Second,
		},
		"RestsBeforeTheDeadline": {
			why:   "A deadline that is nearer counts on.",
			job:   jobOf(workers(2), whole, inRound(2, 2, 1995), started(1990), deadline(13)),
			state: "Created", says: "TFJob mnist is created.", rounds: training.Rounds{Round: 2, Restarts: 2, Since: unix(1995)}, wake: 3 * time.Second,
		},
		"Begins": {
			why:   "After it, all begin anew, in a round of their own.",
			job:   jobOf(workers(2), whole, inRound(2, 2, 1980)),
			state: "Created", says: "TFJob mnist is created.", rounds: training.Rounds{Round: 2, Restarts: 2, Since: unix(1980)}, creates: 2,
		},
		"ReadLate": {
			why: "A status that is older than its pods touches none.",
			job: jobOf(workers(2), whole), pods: []*corev1.Pod{worker(0, phase(corev1.PodFailed), ofRoundNumber(1))},
			state: "Created", says: "TFJob mnist is created.", creates: 2,
		},
		"LimitReached": {
			why: "After the last restart, the next failure is the job's.",
			job: jobOf(workers(2), whole, inRound(3, 3, 1000)), pods: []*corev1.Pod{worker(0, phase(corev1.PodRunning), ofRoundNumber(3)), fallen(1, 137, 5, ofRoundNumber(3))},
			state: "Failed", says: "TFJob mnist has failed: " + killed + ", after 3 restarts of all replicas.", rounds: training.Rounds{Round: 3, Restarts: 3, Since: unix(1000)},
		},
		"LimitSaid": {
			why: "The job may say how many.",
			job: jobOf(workers(2), whole, annotated(training.AnnotationRestartLimit, "5"), inRound(3, 3, 1000)), pods: []*corev1.Pod{fallen(1, 137, 5, ofRoundNumber(3))},
			state: "Restarting", says: killed + all + "1m20s (restart 4 of 5).", rounds: training.Rounds{Round: 4, Restarts: 4, Since: unix(2000)},
		},
		"BackoffLimit": {
			why: "Without a word of its own, the backoff limit says how many; it counts nothing else.",
			job: jobOf(workers(2), whole, backoff(0)), pods: []*corev1.Pod{ok, fallen(1, 137, 5)},
			state: "Failed", says: "TFJob mnist has failed: " + killed + ", after 0 restarts of all replicas.",
		},
		"LongestRest": {
			why: "Rests do not grow for ever.",
			job: jobOf(workers(2), whole, annotated(training.AnnotationRestartLimit, "99"), inRound(40, 40, 1000)), pods: []*corev1.Pod{fallen(1, 137, 5, ofRoundNumber(40))},
			state: "Restarting", says: killed + all + "5m0s (restart 41 of 99).", rounds: training.Rounds{Round: 41, Restarts: 41, Since: unix(2000)},
		},
		"NotAsked": {
			why: "Without the annotation, a job is as it always was.",
			job: jobOf(workers(2)), pods: []*corev1.Pod{ok, fallen(1, 137, 5)},
			state: "Failed", says: "broken",
		},
		"Suspended": {
			why: "A suspended job has no pods, of whatever round.",
			job: jobOf(workers(2), whole, suspend, inRound(1, 1, 1999)), pods: []*corev1.Pod{ok, worker(1, phase(corev1.PodRunning), ofRoundNumber(1))},
			state: "Suspended", says: "TFJob mnist is suspended.", rounds: training.Rounds{Round: 1, Restarts: 1, Since: unix(1999)}, removes: "mnist-worker-0 mnist-worker-1",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			w := world{pods: tc.pods}
			for i := range 2 {
				if tc.creates == 0 && !strings.Contains(tc.removes, "mnist") {
					w = with(w, "mnist-worker-"+strconv.Itoa(i))
				}
			}
			d := decide(plain{}, "", tc.job, w, now)

			last := training.JobCondition{}
			for _, c := range d.status.Conditions {
				if c.Status == corev1.ConditionTrue {
					last = c
				}
			}
			var removes []string
			for _, r := range d.remove {
				if _, pod := r.object.(*corev1.Pod); pod {
					removes = append(removes, r.object.GetName())
				}
			}
			rounds := training.Rounds{}
			if d.status.Rounds != nil {
				rounds = *d.status.Rounds
			}
			for what, pair := range map[string][2]any{
				"state": {tc.state, string(last.Type)}, "says": {tc.says, last.Message}, "rounds": {tc.rounds, rounds},
				"creates": {tc.creates, len(d.create)}, "removes": {tc.removes, strings.Join(removes, " ")}, "wake": {tc.wake, d.wake},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s\n%s: -want, +got:\n%s", tc.why, what, diff)
				}
			}
		})
	}
}

// The kubelet does not start the containers of such a job again by itself, and
// pods say which round they are of.
func TestPodsOfARound(t *testing.T) {
	j := jobOf(workers(1), whole, restart(training.RestartAlways), inRound(7, 7, 1000))
	j.Default()
	pod := newPod(plain{}, j, Replica{"Worker", 0})
	if pod.Labels[training.LabelRound] != "7" || pod.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("labels %v, restart policy %s", pod.Labels, pod.Spec.RestartPolicy)
	}
}

func whole(j *training.TFJob) { annotated(training.AnnotationRestart, training.RestartJob)(j) }

func annotated(name, value string) func(*training.TFJob) {
	return func(j *training.TFJob) { metav1.SetMetaDataAnnotation(&j.ObjectMeta, name, value) }
}

func backoff(n int32) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.RunPolicy.BackoffLimit = &n }
}

func inRound(round, restarts int32, since int64) func(*training.TFJob) {
	return func(j *training.TFJob) {
		j.Status.Rounds = &training.Rounds{Round: round, Restarts: restarts, Since: unix(since)}
	}
}

func unix(s int64) *metav1.Time { return &metav1.Time{Time: time.Unix(s, 0)} }

func ofRoundNumber(n int) podOption {
	return func(p *corev1.Pod) { p.Labels = map[string]string{training.LabelRound: strconv.Itoa(n)} }
}

// fallen is a worker whose program ended at a second with an exit code.
func fallen(i int, code int32, at int64, opts ...podOption) *corev1.Pod {
	p := worker(i, append(opts, phase(corev1.PodFailed), exitedIn(training.TFJobContainer, code))...)
	t := p.Status.ContainerStatuses[0].State.Terminated
	t.FinishedAt, t.Reason = *unix(at), "Error"
	if code == 137 {
		t.Reason = "OOMKilled"
	}
	return p
}
