package job

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Replicas that train in step are of no use without one another. A job that
// says so is run in rounds: when a replica fails, the round is over, and the
// next one begins with new pods for all.
//
//	a replica fails ─▶ status counts a round ─▶ its pods go ─▶ a rest ─▶ new pods, labelled with the round
//
// The round is stored before anything is deleted, and pods say which they
// belong to. So whoever looks next, and however often, goes on from there.

// Rests between rounds double, from the shortest to the longest.
const (
	shortestRest = 10 * time.Second
	longestRest  = 5 * time.Minute
)

// roundOf is the round that a job is in.
func roundOf(s *training.JobStatus) int32 {
	if s.Rounds == nil {
		return 0
	}
	return s.Rounds.Round
}

// restartsOf is how many rounds began because a replica had failed.
func restartsOf(s *training.JobStatus) int32 {
	if s.Rounds == nil {
		return 0
	}
	return s.Rounds.Restarts
}

// rest is how long a job has nothing to do yet before its round begins.
func rest(s *training.JobStatus, now time.Time) time.Duration {
	if s.Rounds == nil || s.Rounds.Since == nil {
		return 0
	}
	return max(0, s.Rounds.Since.Add(restBefore(s.Rounds.Round)).Sub(now))
}

func restBefore(round int32) time.Duration {
	return min(longestRest, shortestRest<<min(max(0, round-1), 10))
}

// nextRound ends the round that a job is in.
func nextRound(s *training.JobStatus, now time.Time) {
	if s.Rounds == nil {
		s.Rounds = &training.Rounds{}
	}
	s.Rounds.Round++
	s.Rounds.Since = &metav1.Time{Time: now}
	s.Rounds.LetIn = nil
}

// ofRound parts the pods of a job's round from those of rounds before it. A
// status that is read late may know less rounds than the pods: they are then of
// neither, and wait.
func ofRound(round int32, pods []*corev1.Pod) (current, before []*corev1.Pod) {
	for _, pod := range pods {
		n, _ := strconv.ParseInt(pod.Labels[training.LabelRound], 10, 32)
		switch {
		case int32(n) == round:
			current = append(current, pod)
		case int32(n) < round:
			before = append(before, pod)
		}
	}
	return current, before
}

// A casualty is a replica that failed, and how.
type casualty struct {
	pod  *corev1.Pod
	how  string
	fate fate
	at   time.Time
}

// firstCasualty is the replica that failed first: the others may have failed
// only since it did. Of those that failed in one second, one that may be tried
// again counts.
func firstCasualty(container string, seen Seen) (casualty, bool) {
	var all []casualty
	for r, pod := range seen.pods {
		if c, is := casualtyOf(pod, seen.fates[r], container); is {
			all = append(all, c)
		}
	}
	for _, pod := range seen.delegated {
		if c, is := casualtyOf(pod, fateOf(pod, training.RestartNever, container), container); is {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return casualty{}, false
	}
	return slices.MinFunc(all, func(a, b casualty) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(rank(a.fate), rank(b.fate)), cmp.Compare(a.pod.Name, b.pod.Name))
	}), true
}

func rank(f fate) int {
	if f == refused {
		return 1
	}
	return 0
}

func casualtyOf(pod *corev1.Pod, f fate, container string) (casualty, bool) {
	c := casualty{pod: pod, fate: f}
	if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp != nil {
		c.how, c.at = "was deleted", pod.DeletionTimestamp.Time
		return c, true
	}
	if f != failed && f != replaced && f != refused {
		return casualty{}, false
	}
	c.how = "failed"
	if pod.Status.Reason != "" {
		c.how = fmt.Sprintf("failed (%s)", pod.Status.Reason)
	}
	for _, s := range pod.Status.ContainerStatuses {
		t := s.State.Terminated
		if t == nil {
			continue
		}
		if c.at.IsZero() || t.FinishedAt.After(c.at) {
			c.at = t.FinishedAt.Time
		}
		if (s.Name == container || container == "") && t.ExitCode != 0 {
			c.how = fmt.Sprintf("failed with exit code %d", t.ExitCode)
			if t.Reason != "" && t.Reason != "Error" {
				c.how += fmt.Sprintf(" (%s)", t.Reason)
			}
		}
	}
	return c, true
}

// restartWhole ends the round, or the job if there were too many. It tells
// whether anything failed that another round may put right.
func restartWhole(j training.Job, container string, seen Seen, say *reporter) bool {
	c, is := firstCasualty(container, seen)
	if !is || c.fate == refused {
		return false
	}
	limit, restarts := training.RestartLimit(j), restartsOf(&say.status)
	if restarts >= limit {
		say.failed(fmt.Sprintf("%s %s has failed: %s %s, after %s of all replicas.", say.kind, j.GetName(), c.pod.Name, c.how, plural(restarts, "restart")))
		return true
	}

	nextRound(&say.status, say.now)
	say.status.Rounds.Restarts++
	message := fmt.Sprintf("%s %s: all replicas are started again in %s (restart %d of %d).",
		c.pod.Name, c.how, restBefore(say.status.Rounds.Round), restarts+1, limit)
	dropCondition(&say.status, training.JobRestarting) // What it says is of the round before.
	say.set(training.JobRestarting, true, string(training.JobRestarting), message)
	say.changes = append(say.changes, notice{
		kind: corev1.EventTypeWarning, reason: say.kind + string(training.JobRestarting), action: actionRestart, message: message, about: c.pod,
	})
	return true
}

func plural(n int32, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
