package scheduler

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Whether a node's pods give way is known anew after each change of them.
func TestGiveWay(t *testing.T) {
	with := func(name string, priority int32) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}, Spec: corev1.PodSpec{Priority: &priority}}
	}
	group := with("of-a-group", 1000)
	group.Spec.SchedulingGroup = &corev1.PodSchedulingGroup{}
	low, equal := with("low", 5), with("equal", 10)
	node := framework.NewNodeInfo()
	node.SetNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}})
	other := framework.NewNodeInfo(with("other", 1))
	other.SetNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "other"}})
	var p places
	for _, step := range []struct {
		what   string
		change func()
		gives  bool
	}{
		{"an empty node", func() {}, false},
		{"with one as important", func() { node.AddPod(equal) }, false},
		{"with one less important", func() { node.AddPod(low) }, true},
		{"without it", func() {
			if err := node.RemovePod(klog.Background(), low); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"with one of a group", func() { node.AddPod(group) }, true},
	} {
		step.change()
		for range 2 {
			if got := p.giveWay(node, with("new", 10)); got != step.gives {
				t.Errorf("%s gives way: %t, want %t", step.what, got, step.gives)
			}
			if !p.giveWay(other, with("new", 10)) {
				t.Error("the other node, whose pod is less important, gives no way")
			}
		}
	}
}

// A sink counts what events were made anew, and which were said again.
type sink struct{ made, again chan string }

func (s sink) Create(_ context.Context, e *eventsv1.Event) (*eventsv1.Event, error) {
	s.made <- e.Regarding.Name + " " + e.Note
	return e, nil
}

func (s sink) Update(_ context.Context, e *eventsv1.Event) (*eventsv1.Event, error) { return e, nil }

func (s sink) Patch(_ context.Context, e *eventsv1.Event, _ []byte) (*eventsv1.Event, error) {
	s.again <- fmt.Sprint(e.Regarding.Name, " ", e.Series.Count)
	return e, nil
}

// What is said of a pod a second time is one event, although the pod has changed.
func TestSaidAgain(t *testing.T) {
	s := sink{make(chan string, 10), make(chan string, 10)}
	broadcaster := events.NewBroadcaster(s)
	if err := broadcaster.StartRecordingToSinkWithContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer broadcaster.Shutdown()
	r := recorder{broadcaster.NewRecorder(scheme.Scheme, "scheduler")}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u", ResourceVersion: "1"}}
	say := func() {
		r.WithLogger(klog.Background()).Eventf(pod, nil, corev1.EventTypeWarning, "FailedScheduling", "Scheduling", "no room")
	}
	next := func(from chan string) string {
		select {
		case one := <-from:
			return one
		case <-time.After(10 * time.Second):
			return "nothing"
		}
	}
	say()
	if got := next(s.made); got != "p no room" {
		t.Errorf("first was said: %s", got)
	}
	pod.ResourceVersion = "2"
	say()
	if got := next(s.again); got != "p 2" {
		t.Errorf("then was said again: %s, want it of p, twice", got)
	}
	if len(s.made) > 0 {
		t.Errorf("another event was made: %s", <-s.made)
	}
	if pod.ResourceVersion != "2" {
		t.Errorf("the pod itself is at version %q, want 2", pod.ResourceVersion)
	}
}
