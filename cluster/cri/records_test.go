package cri

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// again is the Runtime that the next program makes of what r left on record.
func (r *rig) again() *rig {
	r.t.Helper()
	next := *r
	var err error
	next.Runtime, err = New(r.config)
	must(r.t, err)
	r.t.Cleanup(func() { _ = next.Close(context.Background()) })
	return &next
}

// What has finished keeps its exit code when weir restarts; what ran was stopped.
func TestRestart(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	finished := r.wait(r.start(pod, shell("exit 3", func(c *runtimeapi.ContainerConfig) {
		c.Metadata.Attempt = 2
		c.Envs = []*runtimeapi.KeyValue{{Key: "PASSWORD", Value: []byte("swordfish")}}
	})))
	running := r.start(pod, shell("trap 'exit 0' TERM; echo ready; while true; do sleep 0.01; done", func(c *runtimeapi.ContainerConfig) { c.LogPath = "running/0.log" }))
	r.eventually("it is ready", func() bool { return r.written(r.status(running)) == "ready\n" })
	created, err := r.CreateContainer(t.Context(), pod, shell("true"), nil)
	must(t, err)

	for name, stop := range map[string]func(){
		"Killed":  func() {}, // The records are as a kill -9 leaves them.
		"Stopped": func() { must(t, r.Close(t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			stop()
			next := r.again()

			box, err := next.PodSandboxStatus(t.Context(), pod, false)
			must(t, err)
			if got, want := box.GetStatus().GetState(), runtimeapi.PodSandboxState_SANDBOX_NOTREADY; got != want {
				t.Errorf("sandbox: state %v, want %v", got, want)
			}
			if got := box.GetStatus().GetMetadata().GetName(); got != "web-0" {
				t.Errorf("sandbox: name %q", got)
			}

			s := next.status(finished.GetId())
			if s.GetExitCode() != 3 || s.GetReason() != "Error" || s.GetMetadata().GetAttempt() != 2 || s.GetFinishedAt() != finished.GetFinishedAt() || s.GetLogPath() != finished.GetLogPath() {
				t.Errorf("finished: %v", s)
			}
			s = next.status(running)
			if s.GetState() != runtimeapi.ContainerState_CONTAINER_EXITED || s.GetExitCode() != 137 || s.GetReason() != "Error" || !strings.Contains(s.GetMessage(), "weir was stopped") || s.GetFinishedAt() == 0 {
				t.Errorf("running: %v", s)
			}
			if _, err := next.ContainerStatus(t.Context(), created, false); err == nil {
				t.Error("a container that never ran is still there")
			}
		})
	}

	files, _ := filepath.Glob(r.config.Dir + "/*/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		if strings.Contains(string(data), "swordfish") {
			t.Errorf("%s: the environment is on record", file)
		}
	}

	next := r.again()
	must(t, next.RemovePodSandbox(t.Context(), pod))
	if left, _ := filepath.Glob(r.config.Dir + "/*/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A weir that stops asks those containers to end that listen, and does not wait for others.
func TestCloseAsks(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	listens := r.start(pod, shell("trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.01; done"))
	r.start(pod, shell("exec sleep 1000", func(c *runtimeapi.ContainerConfig) { c.LogPath = "deaf/0.log" }))
	r.eventually("it is ready", func() bool { return r.written(r.status(listens)) == "ready\n" })

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, r.Close(ctx))
	if ctx.Err() != nil {
		t.Error("it waited for one that does not listen")
	}
	if got, want := r.written(r.status(listens)), "ready\nsaved\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// A record that a power cut left broken is forgotten, and so is what belongs to it.
func TestBrokenRecords(t *testing.T) {
	r := newRig(t)
	pod := r.pod()
	id := r.wait(r.start(pod, shell("true"))).GetId()
	must(t, os.WriteFile(filepath.Join(r.config.Dir, sandboxRecords, pod+".json"), nil, 0o600))

	next := r.again()
	if _, err := next.PodSandboxStatus(t.Context(), pod, false); err == nil {
		t.Error("the sandbox is there")
	}
	if _, err := next.ContainerStatus(t.Context(), id, false); err == nil {
		t.Error("the container is there")
	}
	if left, _ := filepath.Glob(r.config.Dir + "/*/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
