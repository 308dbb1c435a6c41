package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	training "github.com/weir-ml/weir/api/training/v1"
)

// plain is a framework in which worker 0 decides and nobody is told anything.
type plain struct{}

func (plain) Traits() Traits {
	return Traits{Kind: "TFJob", Operator: "plain-controller", Name: "plain", Container: training.TFJobContainer}
}
func (plain) New() *training.TFJob                                      { return &training.TFJob{} }
func (plain) Master(_ *training.TFJob, r Replica) bool                  { return r.Index == 0 }
func (plain) Connect(*training.TFJob, Replica, *corev1.PodTemplateSpec) {}
func (plain) Judge(_ *training.TFJob, seen Seen) Verdict {
	c := seen.Count("Worker")
	switch {
	case seen.Succeeded(Replica{"Worker", 0}):
		return Verdict{Condition: training.JobSucceeded, Message: "done"}
	case c.Failed > 0:
		return Verdict{Condition: training.JobFailed, Message: "broken"}
	case c.Active > 0:
		return Verdict{Condition: training.JobRunning, Message: "busy"}
	}
	return Verdict{}
}

var now = time.Unix(2000, 0)

// What decide creates and deletes, by name; what it says of the job; and when
// it wants to look again.
func TestDecide(t *testing.T) {
	cases := map[string]struct {
		why     string
		job     *training.TFJob
		world   world
		create  []string
		remove  []string
		state   string
		wake    time.Duration
		expired bool
	}{
		"New": {
			why: "A new job gets one pod, with its service, so that the next job's turn comes soon.",
			job: jobOf(workers(3)), state: "Created",
			create: []string{"Pod/mnist-worker-0", "Service/mnist-worker-0"},
		},
		"Begun": {
			why: "Once that is seen, it gets a service and a pod for each other replica.",
			job: jobOf(workers(3)), state: "Created",
			world:  worldOf(worker(0, phase(corev1.PodPending))),
			create: []string{"Pod/mnist-worker-1", "Pod/mnist-worker-2", "Service/mnist-worker-1", "Service/mnist-worker-2"},
		},
		"AllThere": {
			why: "When all is there and runs, there is nothing to do.",
			job: jobOf(workers(2)), state: "Created Running",
			world: worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodRunning))),
		},
		"PodGone": {
			why: "A pod that somebody deleted is made again.",
			job: jobOf(workers(2)), state: "Created Running",
			world:  with(worldOf(worker(0, phase(corev1.PodRunning))), "mnist-worker-1"),
			create: []string{"Pod/mnist-worker-1"},
		},
		"PodLeaving": {
			why: "A pod on its way out still holds its name.",
			job: jobOf(workers(1)), state: "Created",
			world: worldOf(worker(0, phase(corev1.PodRunning), leaving())),
		},
		"FewerReplicas": {
			why: "A replica that the job no longer has goes, with its service.",
			job: jobOf(workers(1)), state: "Created Running",
			world:  worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodRunning))),
			remove: []string{"Pod/mnist-worker-1", "Service/mnist-worker-1"},
		},
		"Replaced": {
			why: "A pod that asks for another try makes room for it.",
			job: jobOf(workers(2), restart(training.RestartExitCode)), state: "Created Restarting",
			world:  worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodFailed), exitedIn(training.TFJobContainer, 130))),
			remove: []string{"Pod/mnist-worker-1"},
		},
		"ReplacedLeaving": {
			why: "It is deleted once, and the job restarts until it is gone.",
			job: jobOf(workers(2), restart(training.RestartExitCode)), state: "Created Restarting",
			world: worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodFailed), leaving())),
		},
		"Refused": {
			why: "A pod that forbids another try fails the job.",
			job: jobOf(workers(2), restart(training.RestartExitCode)), state: "Created Failed",
			world: worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodFailed), exitedIn(training.TFJobContainer, 1))),
		},
		"Failed": {
			why: "A pod that is not restarted fails the job; nothing is made any more.",
			job: jobOf(workers(3)), state: "Created Failed",
			world: worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodFailed))),
		},
		"SucceededAndFailed": {
			why: "Once those who decide are done, the rest may fall over.",
			job: jobOf(workers(2)), state: "Created Succeeded",
			world: worldOf(worker(0, phase(corev1.PodSucceeded)), worker(1, phase(corev1.PodFailed))),
		},
		"FinishedNone": {
			why: "By default all pods of a finished job stay.",
			job: jobOf(workers(1), finished), state: "Succeeded",
			world: worldOf(worker(0, phase(corev1.PodRunning))),
		},
		"FinishedRunning": {
			why: "Running: what has not ended goes with its service, what has stays with its own.",
			job: jobOf(workers(4), finished, clean(training.CleanPodRunning)), state: "Succeeded",
			world:  worldOf(worker(0, phase(corev1.PodSucceeded)), worker(1, phase(corev1.PodRunning)), worker(2, phase(corev1.PodPending)), worker(3, phase(corev1.PodFailed))),
			remove: []string{"Pod/mnist-worker-1", "Pod/mnist-worker-2", "Service/mnist-worker-1", "Service/mnist-worker-2"},
		},
		"FinishedAll": {
			why: "All: everything goes.",
			job: jobOf(workers(2), finished, clean(training.CleanPodAll)), state: "Succeeded",
			world:  worldOf(worker(0, phase(corev1.PodSucceeded)), worker(1, phase(corev1.PodRunning))),
			remove: []string{"Pod/mnist-worker-0", "Pod/mnist-worker-1", "Service/mnist-worker-0", "Service/mnist-worker-1"},
		},
		"KeptAWhile": {
			why: "A finished job with a time to live is looked at again when it is over.",
			job: jobOf(workers(1), finished, ttl(60)), state: "Succeeded", wake: 50 * time.Second,
		},
		"Expired": {
			why: "Then it goes.",
			job: jobOf(workers(1), finished, ttl(10)), state: "Succeeded", expired: true,
		},
		"Suspended": {
			why: "A suspended job keeps nothing, whatever its clean-up policy.",
			job: jobOf(workers(1), suspend), state: "Created Suspended",
			world:  worldOf(worker(0, phase(corev1.PodRunning))),
			remove: []string{"Pod/mnist-worker-0", "Service/mnist-worker-0"},
		},
		"WakesAtTheDeadline": {
			why: "The deadline passes even if nothing else happens.",
			job: jobOf(workers(1), started(1990), deadline(15)), state: "Created", wake: 5 * time.Second,
			world: worldOf(worker(0, phase(corev1.PodPending))),
		},
		"PastTheDeadline": {
			why: "Past it, the job has failed.",
			job: jobOf(workers(1), started(1990), deadline(10)), state: "Created Failed",
			world: worldOf(worker(0, phase(corev1.PodRunning))),
		},
		"SuspendedPastTheDeadline": {
			why: "A suspended job's clock stands still.",
			job: jobOf(workers(1), suspend, started(1990), deadline(10)), state: "Created Suspended",
		},
		"Invalid": {
			why: "A job that came in past the webhook says what is wrong with it.",
			job: jobOf(func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Cook"] = j.Spec.TFReplicaSpecs["Worker"] }), state: "Created Failed",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			d := decide(plain{}, "", tc.job, tc.world, now)

			var create, remove []string
			for _, o := range d.create {
				create = append(create, o.GetObjectKind().GroupVersionKind().Kind+"/"+o.GetName())
			}
			for _, r := range d.remove {
				remove = append(remove, kindOf(r.object).Kind+"/"+r.object.GetName())
			}
			slices.Sort(create)
			slices.Sort(remove)
			var state []string
			for _, c := range d.status.Conditions {
				if c.Status == corev1.ConditionTrue {
					state = append(state, string(c.Type))
				}
			}
			for what, pair := range map[string][2]any{
				"create": {tc.create, create}, "remove": {tc.remove, remove}, "state": {tc.state, strings.Join(state, " ")},
				"wake": {tc.wake, d.wake}, "expired": {tc.expired, d.expired},
			} {
				if diff := gocmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s\n%s: -want, +got:\n%s", tc.why, what, diff)
				}
			}
			if d.status.Finished() != (d.status.CompletionTime != nil) {
				t.Errorf("finished %t, completion time %v: a job that has ended, and only one, says when", d.status.Finished(), d.status.CompletionTime)
			}
		})
	}
}

// A look that finds nothing new writes nothing.
func TestDecideSettles(t *testing.T) {
	j := jobOf(workers(2))
	j.Default()
	w := worldOf(worker(0, phase(corev1.PodRunning)), worker(1, phase(corev1.PodRunning)))
	j.Status = decide(plain{}, "", j, w, now).status

	d := decide(plain{}, "", j, w, now.Add(time.Hour))
	if diff := gocmp.Diff(j.Status, d.status); diff != "" || len(d.changes) > 0 || len(d.create) > 0 || len(d.remove) > 0 {
		t.Errorf("the second look changes something: %s, says %v, creates %v, removes %v", diff, d.changes, d.create, d.remove)
	}
}

// The makers below say only what a case is about; all else is a plain job.

func jobOf(opts ...func(*training.TFJob)) *training.TFJob {
	j := &training.TFJob{Spec: training.TFJobSpec{TFReplicaSpecs: map[training.ReplicaType]*training.ReplicaSpec{"Worker": {}}}}
	j.Namespace, j.Name, j.UID = "ada", "mnist", "job-1"
	j.Spec.TFReplicaSpecs["Worker"].Template.Spec.Containers = []corev1.Container{{Name: training.TFJobContainer, Image: "x"}}
	for _, o := range opts {
		o(j)
	}
	return j
}

func workers(n int32) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].Replicas = &n }
}

func restart(p training.RestartPolicy) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Worker"].RestartPolicy = p }
}

func clean(p training.CleanPodPolicy) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.RunPolicy.CleanPodPolicy = &p }
}

func ttl(seconds int32) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.RunPolicy.TTLSecondsAfterFinished = &seconds }
}

func deadline(seconds int64) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Spec.RunPolicy.ActiveDeadlineSeconds = &seconds }
}

func started(at int64) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Status.StartTime = &metav1.Time{Time: time.Unix(at, 0)} }
}

func suspend(j *training.TFJob) { j.Spec.RunPolicy.Suspend = new(true) }

func finished(j *training.TFJob) {
	j.Status.CompletionTime = &metav1.Time{Time: now.Add(-10 * time.Second)}
	j.Status.Conditions = []training.JobCondition{is("Succeeded", true, "TFJobSucceeded", 1990, 1990)}
}

func exitedIn(container string, code int32) podOption { return endedContainer(container, code) }

func worker(i int, opts ...podOption) *corev1.Pod {
	p := podOf(opts...)
	p.Namespace, p.Name, p.UID = "ada", fmt.Sprintf("mnist-worker-%d", i), types.UID(fmt.Sprintf("pod-%d", i))
	return p
}

// worldOf is pods and their services.
func worldOf(pods ...*corev1.Pod) world {
	w := world{pods: pods}
	for _, p := range pods {
		w = with(w, p.Name)
	}
	return w
}

func with(w world, services ...string) world {
	for _, s := range services {
		w.services = append(w.services, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ada", Name: s}})
	}
	slices.SortFunc(w.services, func(a, b *metav1.PartialObjectMetadata) int { return cmp.Compare(a.Name, b.Name) })
	return w
}
