package job

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestMemory(t *testing.T) {
	var m memory
	j := jobOf(workers(1))
	old, next := worker(0), worker(0)
	next.UID = "pod-0-again"
	exit := func(p *corev1.Pod) notice { return notice{reason: "ExitedWithCode", message: "code 1", about: p} }
	count := func(why string, want int, notices ...notice) {
		t.Helper()
		if got := len(m.news(j, notices)); got != want {
			t.Errorf("%s: %d of %d are news, want %d", why, got, len(notices), want)
		}
	}

	count("what is new", 1, exit(old))
	count("what was said", 0, exit(old))
	count("what another pod of the name says", 1, exit(next), exit(old))
	j.UID = "job-2"
	count("what another job of the name says", 2, exit(old), exit(next))

	at := func(version string) *training.TFJob {
		v := j.DeepCopy()
		v.ResourceVersion = version
		return v
	}
	if m.late(at("5")) {
		t.Error("a job we never wrote is late")
	}
	m.wrote(j, "10", time.Now())
	for version, late := range map[string]bool{"9": true, "10": false, "11": false} {
		if m.late(at(version)) != late {
			t.Errorf("we wrote version 10, and %s is late: want %t", version, late)
		}
	}
}
