package job

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// delegating has a batch Job run its PS.
type delegating struct{ plain }

func (delegating) Traits() Traits {
	t := plain{}.Traits()
	t.Delegate, t.Unserved = "PS", true
	return t
}

func (delegating) Furniture() []Furniture { return []Furniture{{Kind: batchJob}} }

func (delegating) Furnish(j *training.TFJob, seen Seen) []client.Object {
	if there := runnerOf(delegating{}.Traits(), j, seen.furniture); there != nil {
		return []client.Object{there.DeepCopy()}
	}
	return []client.Object{runner()}
}

// What becomes of a batch Job that runs some of the replicas.
func TestRunner(t *testing.T) {
	policy := func(p training.CleanPodPolicy) func(*training.TFJob) {
		return func(j *training.TFJob) { j.Spec.RunPolicy.CleanPodPolicy = &p }
	}
	up := func(opts ...podOption) []*corev1.Pod {
		return []*corev1.Pod{worker(0, append(opts, phase(corev1.PodRunning))...)}
	}
	cases := map[string]struct {
		why      string
		job      *training.TFJob
		pods     []*corev1.Pod
		runner   *batchv1.Job
		its      []*corev1.Pod // the runner's pods
		writes   string
		removes  string
		creates  int
		restarts int32
		state    string
	}{
		"Made": {
			why: "It is made with the pods.",
			job: jobOf(workers(1), servers(1, "1")), writes: "tries 6, deadline 60s, OnFailure", creates: 1, state: "Created",
		},
		"TriesOnce": {
			why: "In a job that starts anew as a whole, its next try is the next round.",
			job: jobOf(workers(1), servers(1, "1"), whole, inRound(2, 0, 1000)), writes: "round 2, tries 0, Never", creates: 1, state: "Created",
		},
		"Gated": {
			why: "Its pods wait like the others.",
			job: jobOf(workers(1), servers(1, "1"), inOne), writes: "tries 6, deadline 60s, OnFailure, gated", creates: 1, state: "Created",
		},
		"ItFails": {
			why: "When one of its pods fails, the round is over.",
			job: jobOf(workers(1), servers(1, "1"), whole), pods: up(), runner: runner(), its: []*corev1.Pod{podOf(phase(corev1.PodFailed), exited(1))},
			restarts: 1, state: "Restarting",
		},
		"Relic": {
			why: "It goes with its round, and nothing is made before it has gone.",
			job: jobOf(workers(1), servers(1, "1"), whole, inRound(1, 1, 1000)), runner: runner(), its: []*corev1.Pod{podOf(phase(corev1.PodFailed), exited(1))},
			removes: "Job", restarts: 1, state: "Created",
		},
		"RelicWhileSuspended": {
			why: "Nor beside one that is suspended.",
			job: jobOf(workers(1), servers(1, "1"), whole, inRound(1, 1, 1000), suspend), runner: runner(),
			removes: "Job", restarts: 1, state: "Suspended",
		},
		"ReadLate": {
			why: "One that is newer than the status stays.",
			job: jobOf(workers(1), servers(1, "1"), whole), pods: up(ofRoundNumber(1)), runner: runner(1), its: []*corev1.Pod{podOf(ofRoundNumber(1), phase(corev1.PodFailed))},
			creates: 1, state: "Created",
		},
		"OwnDeadline": {
			why: "The deadline of such a job is kept here, since it is of all rounds.",
			job: jobOf(workers(1), servers(1, "1"), whole, started(1000), deadline(60)), pods: up(), runner: runner(), state: "Failed",
		},
		"ItsDeadline": {
			why: "Any other is the batch Job's.",
			job: jobOf(workers(1), servers(1, "1"), started(1000), deadline(60)), pods: up(), runner: runner(), state: "Running",
		},
		"Halted": {
			why: "When the job has failed of something else, it ends its pods.",
			job: jobOf(workers(1), servers(1, "1"), failedJob, policy(training.CleanPodRunning)), runner: runner(), writes: "suspended, tries 6, deadline 60s, OnFailure", state: "Failed",
		},
		"GoesOn": {
			why: "Unless nothing of it is taken away.",
			job: jobOf(workers(1), servers(1, "1"), failedJob, policy(training.CleanPodNone)), runner: runner(), state: "Failed",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			w := world{pods: tc.pods, delegated: tc.its}
			if tc.runner != nil {
				w.furniture = []client.Object{tc.runner}
			}
			d := decide(delegating{}, "", tc.job, w, now)
			var writes, removes []string
			for _, o := range d.furnish {
				writes = append(writes, describe(o.(*batchv1.Job)))
			}
			for _, r := range d.remove {
				removes = append(removes, r.object.GetObjectKind().GroupVersionKind().Kind)
			}
			state := ""
			for _, c := range d.status.Conditions {
				if c.Status == corev1.ConditionTrue {
					state = string(c.Type)
				}
			}
			for what, pair := range map[string][2]any{
				"writes": {tc.writes, strings.Join(writes, "; ")}, "removes": {tc.removes, strings.Join(removes, " ")}, "creates": {tc.creates, len(d.create)},
				"restarts": {tc.restarts, restartsOf(&d.status)}, "state": {tc.state, state},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s\n%s: -want, +got:\n%s", tc.why, what, diff)
				}
			}
		})
	}
}

// Who waits at the door with pods that a batch Job makes.
func TestRunnersPodsAtTheDoor(t *testing.T) {
	closed := func(opts ...podOption) *corev1.Pod { return podOf(append(opts, phase(corev1.PodPending), withGate)...) }
	workers := []*corev1.Pod{worker(0, phase(corev1.PodPending), withGate), worker(1, phase(corev1.PodPending), withGate)}
	cases := map[string]struct {
		why         string
		round       int32
		pods        []*corev1.Pod
		runner      []client.Object
		its         []*corev1.Pod
		asks, later int
	}{
		"NotAll":    {"They ask when there are all.", 0, workers[:1], nil, nil, 0, 0},
		"Later":     {"Room is asked for those that come when the others run.", 0, workers, nil, nil, 2, 1},
		"ItsToCome": {"Those that are about to come are waited for.", 0, workers, []client.Object{runner()}, nil, 0, 0},
		"All":       {"With them there are all.", 0, workers, []client.Object{runner()}, []*corev1.Pod{closed()}, 3, 0},
		"Tried":     {"A try that has ended is none of them.", 0, workers, []client.Object{runner()}, []*corev1.Pod{podOf(phase(corev1.PodFailed)), closed()}, 3, 0},
		"Inside":    {"One that is inside does not ask.", 0, workers, []client.Object{runner()}, []*corev1.Pod{podOf(phase(corev1.PodPending))}, 0, 0},
		"Relic":     {"While the batch Job of the round before is there, there is more to wait for.", 1, []*corev1.Pod{closed(ofRoundNumber(1), at(0)), closed(ofRoundNumber(1), at(1))}, []client.Object{runner()}, nil, 0, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := jobOf(func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Replicas = new(int32(2)) }, servers(1, "1"), inOne, inRound(tc.round, 0, 1000))
			j.Default()
			pods, later := gang("").atTheDoor(delegating{}.Traits(), j, world{pods: tc.pods, furniture: tc.runner, delegated: tc.its})
			if len(pods) != tc.asks || len(later) != tc.later || needed(j) != 3 {
				t.Errorf("%s\n%d pods ask, %d come later, %d are needed; want %d, %d and 3", tc.why, len(pods), len(later), needed(j), tc.asks, tc.later)
			}
		})
	}
}

// runner is the batch Job of delegating's PS, of a round.
func runner(round ...int) *batchv1.Job {
	o := &batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: metav1.ObjectMeta{Name: "mnist-ps-0"}}
	o.Spec.BackoffLimit, o.Spec.ActiveDeadlineSeconds = new(int32(6)), new(int64(60))
	o.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	for _, n := range round {
		o.Labels = map[string]string{training.LabelRound: strconv.Itoa(n)}
	}
	return o
}

// describe says what is decided of a batch Job.
func describe(o *batchv1.Job) string {
	var words []string
	if o.Spec.Suspend != nil && *o.Spec.Suspend {
		words = append(words, "suspended")
	}
	if n := o.Labels[training.LabelRound]; n != "" && n == o.Spec.Template.Labels[training.LabelRound] {
		words = append(words, "round "+n)
	}
	words = append(words, "tries "+strconv.Itoa(int(*o.Spec.BackoffLimit)))
	if s := o.Spec.ActiveDeadlineSeconds; s != nil {
		words = append(words, "deadline "+strconv.Itoa(int(*s))+"s")
	}
	words = append(words, string(o.Spec.Template.Spec.RestartPolicy))
	if gated(&corev1.Pod{Spec: o.Spec.Template.Spec}) {
		words = append(words, "gated")
	}
	return strings.Join(words, ", ")
}

// at is a place among the workers.
func at(i int) podOption { return func(p *corev1.Pod) { p.Name = "mnist-worker-" + strconv.Itoa(i) } }

func failedJob(j *training.TFJob) {
	j.Status.Conditions = []training.JobCondition{is("Failed", true, "", 0, 0)}
}
