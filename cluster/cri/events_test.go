package cri

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A subscriber hears of each change, with the state it led to.
func TestContainerEvents(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	heard, subscribed, ended := make(chan *runtimeapi.ContainerEventResponse, 100), make(chan struct{}), make(chan error)
	go func() {
		ended <- r.GetContainerEvents(ctx, heard, func(runtimeapi.RuntimeService_GetContainerEventsClient) { close(subscribed) })
	}()
	<-subscribed

	pod := r.pod()
	id := r.wait(r.start(pod, shell("exit 2"))).GetId()
	must(t, r.RemovePodSandbox(t.Context(), pod))

	name := map[string]string{pod: "pod", id: "container"}
	var got []string
	for range 8 {
		e := <-heard
		got = append(got, name[e.GetContainerId()]+" "+e.GetContainerEventType().String())
		if e.GetContainerEventType() == runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT && e.GetContainerId() == id {
			if s := e.GetContainersStatuses(); len(s) != 1 || s[0].GetExitCode() != 2 {
				t.Errorf("statuses at the end: %v", s)
			}
		}
		if e.GetPodSandboxStatus().GetMetadata().GetUid() != "uid-0" {
			t.Errorf("of which pod? %v", e.GetPodSandboxStatus())
		}
	}
	want := []string{
		"pod CONTAINER_CREATED_EVENT", "pod CONTAINER_STARTED_EVENT",
		"container CONTAINER_CREATED_EVENT", "container CONTAINER_STARTED_EVENT", "container CONTAINER_STOPPED_EVENT",
		"pod CONTAINER_STOPPED_EVENT", "container CONTAINER_DELETED_EVENT", "pod CONTAINER_DELETED_EVENT",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A subscriber that does not keep up is told so, and nobody waits for it.
func TestSlowSubscriber(t *testing.T) {
	e := newEvents()
	s, cancel := e.subscribe()
	defer cancel()
	for range backlog + 1 {
		e.send(&runtimeapi.ContainerEventResponse{})
	}
	<-s.dropped
	if e.wanted() {
		t.Error("it is still subscribed")
	}
}
