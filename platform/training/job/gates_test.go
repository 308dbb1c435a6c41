package job

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/room"
)

// Whose gates are lifted, and what is said of those who wait.
func TestKeepDoor(t *testing.T) {
	const short = "starts when all 2 pods fit: there is room for 1; missing: 1 cpu."
	closed := func(i int) *corev1.Pod { return worker(i, phase(corev1.PodPending), withGate) }
	cases := map[string]struct {
		why   string
		job   *training.TFJob
		pods  []*corev1.Pod
		door  *answer
		asks  bool
		lifts string
		state string
		says  string
		round int32
		wake  time.Duration
	}{
		"NotAll": {
			why: "A job asks once all of its pods are there, and none is lifted before.",
			job: jobOf(workers(2), inOne), pods: []*corev1.Pod{closed(0)},
			state: "Created", says: "TFJob mnist is created.",
		},
		"LetIn": {
			why: "When they fit, they are let in, in the order they should be placed.",
			job: jobOf(workers(2), inOne), pods: []*corev1.Pod{closed(0), closed(1)}, asks: true,
			door: &answer{order: []*corev1.Pod{closed(1), closed(0)}}, lifts: "mnist-worker-1 mnist-worker-0",
			state: "Created", says: "TFJob mnist is created.",
		},
		"Waits": {
			why: "When they do not, the job says what is missing.",
			job: jobOf(workers(2), inOne), pods: []*corev1.Pod{closed(0), closed(1)}, asks: true,
			door: &answer{shortage: short}, state: "Waiting", says: "TFJob mnist " + short,
		},
		"HalfLifted": {
			why: "A controller that stopped in the middle goes on: the job is inside.",
			job: jobOf(workers(2), inOne), pods: []*corev1.Pod{worker(0, phase(corev1.PodPending)), closed(1)},
			lifts: "mnist-worker-1", state: "Created", says: "TFJob mnist is created.",
		},
		"NoLongerAsked": {
			why: "Who takes the annotation back does not wait.",
			job: jobOf(workers(2)), pods: []*corev1.Pod{closed(0), closed(1)},
			lifts: "mnist-worker-0 mnist-worker-1", state: "Created", says: "TFJob mnist is created.",
		},
		"StrandedAWhile": {
			why: "The scheduler is given a while.",
			job: jobOf(workers(2), inOne, letInAt(1990)), pods: []*corev1.Pod{placed(0), strandedPod(1, 1000)},
			state: "Created", says: "TFJob mnist is created.", wake: 20 * time.Second,
		},
		"Stranded": {
			why: "A job that has half of its places gives them back, and waits anew.",
			job: jobOf(workers(2), inOne, letInAt(1970)), pods: []*corev1.Pod{placed(0), strandedPod(1, 1000)}, round: 1,
			state: "Waiting", says: "TFJob mnist waits again: mnist-worker-1 found no place for 30s, though there seemed to be room; all its pods are taken back for 10s.",
		},
		"ReplacedIsNew": {
			why: "A pod that takes another's place counts from when it was made.",
			job: jobOf(workers(2), inOne, letInAt(1000)), pods: []*corev1.Pod{placed(0), strandedPod(1, 1995)},
			state: "Created", says: "TFJob mnist is created.", wake: 25 * time.Second,
		},
		"EnoughPlaced": {
			why: "Pods beyond those that are needed may wait for ever.",
			job: jobOf(workers(2), inOne, letInAt(1000), atLeast(1)), pods: []*corev1.Pod{placed(0), strandedPod(1, 1000)},
			state: "Created", says: "TFJob mnist is created.",
		},
		"Suspended": {
			why: "A suspended job does not ask.",
			job: jobOf(workers(2), inOne, suspend), pods: []*corev1.Pod{closed(0), closed(1)},
			state: "Suspended", says: "TFJob mnist is suspended.",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			if pods, _ := gang("").atTheDoor(plain{}.Traits(), tc.job, worldOf(tc.pods...)); len(pods) > 0 != tc.asks {
				t.Errorf("%s\n%d pods ask, want any: %t", tc.why, len(pods), tc.asks)
			}
			w := worldOf(tc.pods...)
			w.door = tc.door
			d := decide(plain{}, "", tc.job, w, now)
			var lifts []string
			for _, p := range d.lift {
				lifts = append(lifts, p.Name)
			}
			last := training.JobCondition{}
			for _, c := range d.status.Conditions {
				if c.Status == corev1.ConditionTrue {
					last = c
				}
			}
			for what, pair := range map[string][2]any{
				"lifts": {tc.lifts, strings.Join(lifts, " ")}, "state": {tc.state, string(last.Type)}, "says": {tc.says, last.Message},
				"round": {tc.round, roundOf(&d.status)}, "wake": {tc.wake, d.wake},
			} {
				if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
					t.Errorf("%s\n%s: -want, +got:\n%s", tc.why, what, diff)
				}
			}
		})
	}
}

// Pods are made with a gate while the job waits, and without one once it is
// inside; what others say of a gate is no news.
func TestGateOfNewPods(t *testing.T) {
	cases := map[string]struct {
		why   string
		gang  gang
		job   *training.TFJob
		pods  []*corev1.Pod
		gates int
	}{
		"Waits":   {"The first pods wait for each other.", "", jobOf(workers(2), inOne), nil, 2},
		"Inside":  {"A pod that is made again does not.", "", jobOf(workers(2), inOne), []*corev1.Pod{placed(0)}, 0},
		"Leaving": {"One that leaves holds no door open.", "", jobOf(workers(2), inOne), []*corev1.Pod{worker(0, phase(corev1.PodRunning), leaving())}, 1},
		"Another": {"Where a scheduler starts them inOne, it does so by itself.", "coscheduler", jobOf(workers(2), inOne), nil, 0},
		"NotSaid": {"By default, pods start one by one.", "", jobOf(workers(2)), nil, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			gates := 0
			for _, o := range missing(plain{}, tc.gang, tc.job, world{}, See(tc.job, "", tc.pods)) {
				if pod, ok := o.(*corev1.Pod); ok {
					gates += len(pod.Spec.SchedulingGates)
				}
			}
			if gates != tc.gates {
				t.Errorf("%s\n%d pods have a gate, want %d", tc.why, gates, tc.gates)
			}
		})
	}
	closed := worker(0, phase(corev1.PodPending), withGate, func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated, Message: "gated"}}
	})
	if n := troubles(closed); len(n) > 0 {
		t.Errorf("a pod that waits for us is a trouble: %v", n)
	}
}

// How much is missing, in words.
func TestShortage(t *testing.T) {
	node := func(cpu, memory string) corev1.Node {
		return corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory), "pods": resource.MustParse("110")}}}
	}
	closedNode := node("64", "64Gi")
	closedNode.Spec.Unschedulable = true
	cases := map[string]struct {
		why   string
		nodes []corev1.Node
		pods  int
		need  int
		want  string
	}{
		"One":       {"What the node lacks.", []corev1.Node{node("3", "64Gi")}, 2, 2, "starts when all 2 pods fit: there is room for 1; missing: 1 cpu."},
		"Both":      {"Of all that is lacking.", []corev1.Node{node("3", "4Gi")}, 2, 2, "starts when all 2 pods fit: there is room for 1; missing: 4Gi of memory, 1 cpu."},
		"Scattered": {"Enough in all, and too little on each.", []corev1.Node{node("3", "64Gi"), node("1", "64Gi")}, 2, 2, "starts when all 2 pods fit: there is room for 1, since what is free is scattered over nodes that each have too little."},
		"NoNode":    {"A closed node has no room.", []corev1.Node{closedNode}, 2, 2, "starts when all 2 pods fit: there is room for 0; no node takes such pods, for its taints or the pods' nodeSelector and affinity."},
		"Fewer":     {"Of those that are needed only.", []corev1.Node{node("3", "64Gi")}, 4, 2, "starts when 2 of its 4 pods fit: there is room for 1; missing: 1 cpu."},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var pods []*corev1.Pod
			for i := range tc.pods {
				p := worker(i)
				p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi")}}}}
				pods = append(pods, p)
			}
			rooms := room.Of(tc.nodes, nil)
			_, left := room.Place(rooms, pods)
			if diff := cmp.Diff(tc.want, shortage(rooms, pods, left, tc.need)); diff != "" {
				t.Errorf("%s\nshortage(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// Room that was given to one job is not given to another, whether its pods are
// seen as they were, as they are, or not yet.
func TestRoomIsGivenOnce(t *testing.T) {
	node := corev1.Node{Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse("4"), "pods": resource.MustParse("110")}}}
	node.Name = "weir"
	pod := func(uid string, opts ...podOption) *corev1.Pod {
		p := podOf(opts...)
		p.UID = types.UID(uid)
		p.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("3")}}}}
		return p
	}
	on := func(p *corev1.Pod) { p.Spec.NodeName = "weir" }
	letIn := pod("a", withGate)
	cases := map[string]struct {
		why  string
		seen []corev1.Pod
		at   time.Time
		free string
	}{
		"NotSeen":   {"It is on its way.", nil, now, "1"},
		"AsItWas":   {"Its gate is not yet seen to be lifted.", []corev1.Pod{*letIn}, now, "1"},
		"Lifted":    {"It waits for the scheduler.", []corev1.Pod{*pod("a")}, now, "1"},
		"Placed":    {"It is counted once.", []corev1.Pod{*pod("a", on)}, now, "1"},
		"Ended":     {"It is over.", []corev1.Pod{*pod("a", on, phase(corev1.PodSucceeded))}, now, "4"},
		"Forgotten": {"It was deleted before anyone saw it.", nil, now.Add(2 * forgotten), "4"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := &Hall{entered: map[types.UID]entry{"a": {pod: letIn, at: now}}}
			rooms := h.rooms([]corev1.Node{node}, tc.seen, []*corev1.Pod{pod("b", withGate)}, tc.at)
			if free := rooms[0].Free.Cpu().String(); free != tc.free {
				t.Errorf("%s\nfree: %s cpu, want %s", tc.why, free, tc.free)
			}
		})
	}
}

func inOne(j *training.TFJob) { annotated(training.AnnotationGang, "true")(j) }

func atLeast(n int32) func(*training.TFJob) {
	return func(j *training.TFJob) {
		j.Spec.RunPolicy.SchedulingPolicy = &training.SchedulingPolicy{MinAvailable: &n}
	}
}

func letInAt(s int64) func(*training.TFJob) {
	return func(j *training.TFJob) { j.Status.Rounds = &training.Rounds{LetIn: unix(s)} }
}

func withGate(p *corev1.Pod) {
	p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: training.GangGate}}
}

func placed(i int) *corev1.Pod {
	return worker(i, phase(corev1.PodPending), func(p *corev1.Pod) { p.Spec.NodeName = "weir" })
}

func strandedPod(i int, created int64) *corev1.Pod {
	return worker(i, phase(corev1.PodPending), func(p *corev1.Pod) {
		p.CreationTimestamp = metav1.Unix(created, 0)
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	})
}
