package progress

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scripted are logs that say one line each, and end when they are told.
type scripted struct {
	mu    sync.Mutex
	begun []string
	fail  int           // how many tries fail first
	end   chan struct{} // one at a time
}

func (s *scripted) Follow(ctx context.Context, c Container, _ time.Time, _ <-chan struct{}, take func(time.Time, string)) error {
	s.mu.Lock()
	s.begun = append(s.begun, c.Pod)
	failing := s.fail > 0
	s.fail--
	s.mu.Unlock()
	if failing {
		return errors.New("the kubelet is away")
	}
	take(time.Unix(1, 0), "loss: 0.5")
	select {
	case <-s.end:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// is waits until the logs of pods have been begun.
func (s *scripted) is(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		got = append([]string(nil), s.begun...)
		s.mu.Unlock()
		if len(got) >= len(want) {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("followed: -want, +got:\n%s", diff)
	}
}

// Where as many are followed as may be, others wait for their turn.
func TestOthersWait(t *testing.T) {
	logs := &scripted{end: make(chan struct{})}
	f := newFollower(logs, Open(t.TempDir()), 1, func(*Course) {})
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 { // Asked again, nothing is done twice.
		for _, pod := range []string{"a", "b", "c"} {
			if err := f.follow(ctx, mnist, pod, Container{Namespace: "ada", Pod: pod, Name: "tensorflow"}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	logs.is(t, "a")
	logs.end <- struct{}{}
	logs.is(t, "a", "b")
	logs.end <- struct{}{}
	logs.is(t, "a", "b", "c")
	cancel()
	f.wait.Wait()
}

// A log that cannot be read is tried again, and one that was read to its end is
// not, also by those that come after.
func TestTriedAgainUntilTheEnd(t *testing.T) {
	dir := t.TempDir()
	logs := &scripted{fail: 1, end: make(chan struct{}, 1)}
	logs.end <- struct{}{}
	c := Container{Namespace: "ada", Pod: "a", Name: "tensorflow"}
	for range 2 {
		f := newFollower(logs, Open(dir), 1, func(*Course) {})
		if err := f.follow(t.Context(), mnist, "worker-0", c, false); err != nil {
			t.Fatal(err)
		}
		f.wait.Wait()
	}
	logs.is(t, "a", "a")
	if r := find(t, Open(dir)).Replicas(); len(r) != 1 || len(r[0].Series[0].Points) != 1 {
		t.Errorf("kept: %v", r)
	}
}

// What a pod is called, which of its containers is read, and how it is.
func TestWhichContainer(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	pod := func(name, generate string, names ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, GenerateName: generate}}
		for _, n := range names {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: n})
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: n, State: running})
		}
		return p
	}
	chosen := pod("mnist-worker-0", "", "pytorch", "mine")
	chosen.Annotations = map[string]string{"kubectl.kubernetes.io/default-container": "mine"}
	cases := map[string]struct {
		why                string
		pod                *corev1.Pod
		replica, container string
	}{
		"ByConvention": {"The container of the framework's name, wherever it stands.", pod("mnist-worker-0", "", "istio-proxy", "pytorch"), "worker-0", "pytorch"},
		"ByAnnotation": {"What kubectl would take.", chosen, "worker-0", "mine"},
		"First":        {"Else the first.", pod("mnist-worker-0", "", "a", "b"), "worker-0", "a"},
		"OfAJobSet":    {"A random end is none of its name.", pod("mnist-node-0-1-x8z2p", "mnist-node-0-1-", "node"), "node-0-1", "node"},
		"OfAnother":    {"A pod that is called otherwise keeps its name.", pod("other", "", "a"), "other", "a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, _, ok := containerOf(tc.pod)
			if got := ReplicaOf(tc.pod, "mnist"); got != tc.replica || c.Name != tc.container || !ok {
				t.Errorf("%s Got %s of %s, %v; want %s of %s", tc.why, c.Name, got, ok, tc.container, tc.replica)
			}
		})
	}
}
