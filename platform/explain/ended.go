package explain

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// ofFailedPod explains a pod that has ended and not well.
func ofFailedPod(pod *corev1.Pod, f facts) Explanation {
	switch pod.Status.Reason {
	case "Evicted":
		return Explanation{
			State:    Failed,
			Reason:   "Evicted",
			Sentence: fmt.Sprintf("Pod %s was put off its node: %s", pod.Name, sentence(pod.Status.Message)),
			Remedy:   "Make room on the node, or ask in resources.requests for what the pod really uses.",
		}
	case "DeadlineExceeded":
		return Explanation{
			State:    Failed,
			Reason:   "DeadlineExceeded",
			Sentence: fmt.Sprintf("Pod %s ran longer than activeDeadlineSeconds allows, and was stopped.", pod.Name),
			Remedy:   "Allow more seconds, or give it less to do.",
		}
	}
	for _, c := range containersOf(pod) {
		if t := c.status.State.Terminated; t != nil && (t.ExitCode != 0 || t.Signal != 0) {
			return ofEnded(c, t, f, Failed)
		}
	}
	for _, c := range containersOf(pod) {
		if w := c.status.State.Waiting; w != nil {
			if e, found := ofWaiting(c, w, f); found {
				e.State = Failed
				return e
			}
		}
	}
	e := Explanation{State: Failed, Reason: "Failed", Sentence: fmt.Sprintf("Pod %s has failed.", pod.Name)}
	if pod.Status.Reason != "" {
		e.Reason = pod.Status.Reason
	}
	if pod.Status.Message != "" {
		e.Sentence = fmt.Sprintf("Pod %s has failed: %s", pod.Name, sentence(pod.Status.Message))
	}
	return e
}

// shownLines is how many of a container's last lines a person is shown.
const shownLines = 10

// ofEnded explains a container that ended badly: state is Stuck when it will be
// started again, which is not likely to help, and Failed when not.
func ofEnded(c container, t *corev1.ContainerStateTerminated, f facts, state State) Explanation {
	e := whyEnded(c, t, f)
	e.State = state
	if state == Stuck && c.status.RestartCount > 0 {
		e.Facts = append(e.Facts, fmt.Sprintf("It has been started again %s.", times(c.status.RestartCount)))
	}
	if lines := f.logs[c.spec.Name]; len(lines) > 0 {
		e.Facts = append(e.Facts, "The last it printed:")
		e.Facts = append(e.Facts, indented(lines[max(0, len(lines)-shownLines):])...)
	}
	return e
}

func whyEnded(c container, t *corev1.ContainerStateTerminated, f facts) Explanation {
	if t.Reason == "OOMKilled" {
		return outOfMemory(c)
	}
	if t.Reason == "StartError" || t.Reason == "ContainerCannotRun" {
		return ofStartError(c, cleaned(t.Message))
	}
	if e := newest(f.events, "Unhealthy", "Started"); e != nil && killedByProbe(t, e) {
		return Explanation{
			Reason:   "LivenessProbeFails",
			Sentence: fmt.Sprintf("%s was killed since its probe failed: %s", c.who(), sentence(e.Message)),
			Remedy:   "Correct the livenessProbe (or startupProbe) of the container, give it more time in failureThreshold and periodSeconds, or correct what it asks.",
		}
	}
	lines := f.logs[c.spec.Name]
	if len(lines) == 0 && t.Message != "" {
		lines = strings.Split(strings.TrimSpace(t.Message), "\n")
	}
	if e, found := ofOutput(c, t, lines); found {
		return e
	}
	return Explanation{
		Reason:   reasonOf(t),
		Sentence: fmt.Sprintf("%s %s.", c.who(), ending(t)),
		Remedy:   "Read what it printed: " + command("logs", "Pod", c.pod.Namespace, c.pod.Name),
	}
}

// killedByProbe is whether a container that ended by a signal the kubelet uses
// did so on account of a probe.
func killedByProbe(t *corev1.ContainerStateTerminated, e *corev1.Event) bool {
	if e.Reason != "Unhealthy" || !strings.HasPrefix(e.Message, "Liveness") && !strings.HasPrefix(e.Message, "Startup") {
		return false
	}
	return signalOf(t) == unix.SIGKILL || signalOf(t) == unix.SIGTERM || t.Reason == "Error" && t.ExitCode == 0
}

func outOfMemory(c container) Explanation {
	limit := ""
	if q := c.spec.Resources.Limits.Memory(); !q.IsZero() {
		limit = " of " + q.String()
	}
	return Explanation{
		Reason:   "OutOfMemory",
		Sentence: fmt.Sprintf("%s used more memory than its limit%s and was killed.", c.who(), limit),
		Remedy:   "Raise resources.limits.memory of the container, or let it use less: smaller batches, fewer workers that load data.",
	}
}

func reasonOf(t *corev1.ContainerStateTerminated) string {
	if signalOf(t) != 0 {
		return "KilledBySignal"
	}
	return "ExitCode"
}

// ending says how a container ended, in words that follow its name.
func ending(t *corev1.ContainerStateTerminated) string {
	switch s := signalOf(t); {
	case t.Reason == "OOMKilled":
		return "used more memory than its limit and was killed"
	case s != 0:
		return fmt.Sprintf("was ended by signal %d (%s)", int(s), unix.SignalName(s))
	case t.ExitCode == 0:
		return "ended with exit code 0"
	}
	return fmt.Sprintf("ended with exit code %d", t.ExitCode)
}

// signalOf returns the signal that ended a container; a shell and a container
// runtime say it as 128 and more.
func signalOf(t *corev1.ContainerStateTerminated) unix.Signal {
	s := unix.Signal(t.Signal)
	if s == 0 && t.ExitCode > 128 {
		s = unix.Signal(t.ExitCode - 128)
	}
	if unix.SignalName(s) == "" {
		return 0
	}
	return s
}

func times(n int32) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func indented(lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, "  "+l)
	}
	return out
}
