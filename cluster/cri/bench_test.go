package cri

import (
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A pod of one container that does nothing, from its sandbox to its removal.
func BenchmarkPod(b *testing.B) {
	r := newRig(b)
	for b.Loop() {
		pod := r.pod()
		r.wait(r.start(pod, shell("true", func(c *runtimeapi.ContainerConfig) { c.Command = []string{"/bin/true"} })))
		must(b, r.RemovePodSandbox(b.Context(), pod))
	}
}

// A container that writes as fast as it can.
func BenchmarkLog(b *testing.B) {
	r := newRig(b)
	const lines = 1_000_000
	for b.Loop() {
		pod := r.pod()
		s := r.wait(r.start(pod, shell("seq 1 1000000")))
		if got := strings.Count(r.written(s), "\n"); got%lines != 0 || got == 0 {
			b.Fatalf("%d lines", got)
		}
		b.ReportMetric(lines/(float64(s.GetFinishedAt()-s.GetStartedAt())/1e9), "lines/s")
		must(b, r.RemovePodSandbox(b.Context(), pod))
	}
}
