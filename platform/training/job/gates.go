package job

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Where no scheduler starts the pods of a job together, gates do. Each pod of a
// job that asks for it is made with a gate, which the scheduler respects. When
// there are all of them, and so many as are needed fit, the gates are lifted.
//
//	pods with gates ─▶ Hall.ask ─▶ gates lifted, one by one ─▶ the scheduler places them
//	                      └▶ condition Waiting, with what is missing
//
// A job of which one pod has no gate any more is inside: so a controller that
// starts while gates are lifted lifts the others. If the scheduler finds no
// place where the Hall saw one, all pods are taken back, and the job waits anew:
// no half of a job holds what another needs.

// patience is how long a pod that was let in may be without a place.
const patience = 30 * time.Second

// gated tells whether a pod waits for us.
func gated(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.SchedulingGates, func(g corev1.PodSchedulingGate) bool { return g.Name == training.GangGate })
}

// inside tells whether any pod of a job has been let in.
func inside(j training.Job, seen Seen) bool {
	return slices.ContainsFunc(members(j, seen), func(p *corev1.Pod) bool { return p.DeletionTimestamp == nil && !gated(p) })
}

// needed is how many pods of a job must find a place before any is started.
func needed(j training.Job) int { return min(int(membersOf(j)), len(replicasOf(j))) }

// waits tells whether new pods of a job get a gate.
func (g gang) waits(j training.Job, seen Seen) bool {
	return g == "" && training.IsGang(j) && !inside(j, seen)
}

// atTheDoor are the pods of a job that waits to be let in, once there are all.
// Those of a runner that is made when the others run come later; they are as
// their template says.
func (g gang) atTheDoor(t Traits, j training.Job, w world) (pods, later []*corev1.Pod) {
	if g != "" || !training.IsGang(j) || j.Report().Finished() || suspended(j) {
		return nil, nil
	}
	round := roundOf(j.Report())
	current, before := ofRound(round, w.pods)
	_, relic := runnerOfRound(t, j, round, w.furniture)
	if len(before) > 0 || relic != nil {
		return nil, nil
	}
	seen := See(j, "", current)
	seen.delegated, _ = ofRound(round, w.delegated)
	all := members(j, seen)
	absent := len(replicasOf(j)) - len(all)
	if absent > 0 && t.Delegate != "" && runnerOf(t, j, w.furniture) == nil {
		for range *j.Replicas()[t.Delegate].Replicas {
			later = append(later, &corev1.Pod{Spec: j.Replicas()[t.Delegate].Template.Spec})
		}
	}
	if absent != len(later) || slices.ContainsFunc(all, func(p *corev1.Pod) bool { return !gated(p) || p.DeletionTimestamp != nil }) {
		return nil, nil
	}
	return all, later
}

// keepDoor says whose gates are lifted, and of a job that waits, why.
func keepDoor(g gang, j training.Job, w world, seen Seen, d *decision, say *reporter) {
	for _, pod := range members(j, seen) {
		if gated(pod) && pod.DeletionTimestamp == nil {
			d.lift = append(d.lift, pod)
		}
	}
	switch {
	case g != "" || !training.IsGang(j):
		say.waitsNoMore()
	case inside(j, seen):
		say.waitsNoMore()
		say.letIn()
		takeBack(j, seen, d, say)
	case w.door != nil && w.door.shortage == "":
		d.lift = w.door.order
		if say.status.Is(training.JobWaiting) {
			say.waitsNoMore()
			say.tell(corev1.EventTypeNormal, "LetIn", fmt.Sprintf("%s %s has room for its pods, and starts them.", say.kind, j.GetName()))
		}
		say.letIn()
	default:
		d.lift = nil
		if say.status.Rounds != nil {
			say.status.Rounds.LetIn = nil
		}
		if w.door != nil {
			say.waiting(fmt.Sprintf("%s %s %s", say.kind, j.GetName(), w.door.shortage))
		}
	}
}

// takeBack ends the round of a job that is inside, and for which there is no
// place after all.
func takeBack(j training.Job, seen Seen, d *decision, say *reporter) {
	var stranded *corev1.Pod
	placed, longest := 0, time.Duration(0)
	for _, pod := range members(j, seen) {
		if pod.DeletionTimestamp != nil {
			continue
		}
		if pod.Spec.NodeName != "" || pod.Status.Phase != corev1.PodPending {
			placed++
		} else if unschedulable(pod) {
			since := say.status.Rounds.LetIn.Time
			if pod.CreationTimestamp.After(since) {
				since = pod.CreationTimestamp.Time
			}
			if waited := say.now.Sub(since); stranded == nil || waited > longest {
				stranded, longest = pod, waited
			}
		}
	}
	if stranded == nil || placed >= needed(j) {
		return
	}
	if longest < patience {
		d.wake = soonest(d.wake, patience-longest)
		return
	}
	nextRound(&say.status, say.now)
	d.create, d.lift = nil, nil // They would be of the round that is over.
	say.waiting(fmt.Sprintf("%s %s waits again: %s found no place for %s, though there seemed to be room; all its pods are taken back for %s.",
		say.kind, j.GetName(), stranded.Name, patience, restBefore(say.status.Rounds.Round)))
}

func unschedulable(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
	})
}

// soonest is the sooner of two wakes, of which 0 is never.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// waiting says why a job starts none of its pods. An event tells when it begins
// to wait; what is missing may change often.
func (r *reporter) waiting(message string) {
	began := !r.status.Is(training.JobWaiting)
	for _, c := range r.status.Conditions {
		if c.Type == training.JobWaiting && c.Message == message {
			return
		}
	}
	dropCondition(&r.status, training.JobWaiting)
	dropCondition(&r.status, training.JobRunning)
	setCondition(&r.status, training.JobWaiting, true, r.kind+string(training.JobWaiting), message, r.now)
	if began {
		r.tell(corev1.EventTypeWarning, string(training.JobWaiting), message)
	}
}

func (r *reporter) waitsNoMore() { dropCondition(&r.status, training.JobWaiting) }

// letIn notes since when the pods of a job may have their places.
func (r *reporter) letIn() {
	if r.status.Rounds == nil {
		r.status.Rounds = &training.Rounds{}
	}
	if r.status.Rounds.LetIn == nil {
		r.status.Rounds.LetIn = &metav1.Time{Time: r.now}
	}
}
