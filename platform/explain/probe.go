package explain

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ofFailingProbe explains a pod that runs and is not ready since a probe fails.
func ofFailingProbe(pod *corev1.Pod, f facts) (Explanation, bool) {
	if podReady(pod) {
		return Explanation{}, false
	}
	for _, c := range containersOf(pod) {
		if c.status.Ready || c.status.State.Running == nil {
			continue
		}
		last := newestAbout(f.events, c)
		if last == nil {
			continue
		}
		kind, said, _ := strings.Cut(last.Message, " probe failed: ")
		if said == "" {
			continue
		}
		kind = strings.ToLower(kind)
		return Explanation{
			State:    Stuck,
			Reason:   capital(kind) + "ProbeFails",
			Sentence: fmt.Sprintf("%s runs and is not ready: its %s probe fails%s: %s", c.who(), kind, asks(c, kind), sentence(strings.TrimSpace(said))),
			Remedy:   fmt.Sprintf("Correct the %sProbe of the container or what answers it; it gets ready by itself when the probe succeeds.", kind),
		}, true
	}
	return Explanation{}, false
}

// newestAbout returns the newest failure of a probe that is about a container.
func newestAbout(events []corev1.Event, c container) *corev1.Event {
	for i := len(events) - 1; i >= 0; i-- {
		path := events[i].InvolvedObject.FieldPath
		if events[i].Reason == "Unhealthy" && (path == "" || strings.Contains(path, "{"+c.spec.Name+"}")) {
			return &events[i]
		}
	}
	return nil
}

// asks says what a probe asks, if it is known: " (GET :8080/healthz)".
func asks(c container, kind string) string {
	probe := map[string]*corev1.Probe{"readiness": c.spec.ReadinessProbe, "liveness": c.spec.LivenessProbe, "startup": c.spec.StartupProbe}[kind]
	switch {
	case probe == nil:
		return ""
	case probe.HTTPGet != nil:
		return fmt.Sprintf(" (GET :%s%s)", probe.HTTPGet.Port.String(), probe.HTTPGet.Path)
	case probe.TCPSocket != nil:
		return fmt.Sprintf(" (TCP :%s)", probe.TCPSocket.Port.String())
	case probe.Exec != nil:
		return fmt.Sprintf(" (%s)", shortened(strings.Join(probe.Exec.Command, " "), 60))
	case probe.GRPC != nil:
		return fmt.Sprintf(" (gRPC :%d)", probe.GRPC.Port)
	}
	return ""
}
