package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// A standIn is a node without a kubelet: it says of pods that they run, and then
// that they have succeeded, starts nothing, and has an empty log for each. So
// what is measured is what makes and watches the pods.
type standIn struct {
	core kubernetes.Interface
	turn chan struct{} // as many pods at a time as this takes
	work errgroup.Group

	mu    sync.Mutex
	taken map[types.UID]bool
}

const (
	standInName = "stand-in"
	heartbeat   = 10 * time.Second
)

// startStandIn adds the node and returns when pods can come. It works until it
// is stopped, which says what went wrong meanwhile.
func startStandIn(ctx context.Context, w *weir, core kubernetes.Interface) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	s := &standIn{core: core, turn: make(chan struct{}, 16), taken: map[types.UID]bool{}}
	logs, err := serveLogs(w)
	if err != nil {
		return nil, fmt.Errorf("serve logs of a node that stands in: %w", err)
	}
	defer func() {
		if err != nil {
			_ = logs.Close()
		}
	}()
	if err := s.register(ctx, logs.Addr().(*net.TCPAddr)); err != nil {
		return nil, fmt.Errorf("add a node that stands in: %w", err)
	}
	there, err := core.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	pods, err := watchFrom(ctx, there.ResourceVersion, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		o.FieldSelector = "spec.nodeName=" + standInName
		return core.CoreV1().Pods("").Watch(ctx, o)
	})
	if err != nil {
		return nil, err
	}
	s.work.Go(func() error { return s.live(ctx) })
	s.work.Go(func() error { return s.follow(ctx, pods) })
	return func() error {
		cancel()
		_ = logs.Close() // Nobody reads them any more.
		if err := s.work.Wait(); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}, nil
}

// serveLogs answers who asks for logs: pods say nothing. The API server trusts
// the node by the certificate that it has itself, and at the same address.
func serveLogs(w *weir) (net.Listener, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(w.dir, "pki", "apiserver.crt"), filepath.Join(w.dir, "pki", "apiserver.key"))
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) }() //nolint:gosec // It lives as long as a burst.
	return l, nil
}

// register makes the node, and waits until the scheduler may use it.
func (s *standIn) register(ctx context.Context, logs *net.TCPAddr) error {
	plenty := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100k"), corev1.ResourceMemory: resource.MustParse("1Pi"), corev1.ResourcePods: resource.MustParse("100k")}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: standInName},
		Status: corev1.NodeStatus{
			Capacity: plenty, Allocatable: plenty,
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: logs.IP.String()}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(logs.Port)}},
			Conditions:      []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}},
		},
	}
	if _, err := s.core.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: standInName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: new(standInName), LeaseDurationSeconds: new(int32(40)), RenewTime: &metav1.MicroTime{Time: time.Now()}},
	}
	if err := served(ctx, func() error { // its namespace may not be there yet
		_, err := s.core.CoordinationV1().Leases(corev1.NamespaceNodeLease).Create(ctx, lease, metav1.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	return served(ctx, func() error {
		n, err := s.core.CoreV1().Nodes().Get(ctx, standInName, metav1.GetOptions{})
		if err == nil && len(n.Spec.Taints) > 0 {
			err = fmt.Errorf("node %s is tainted: %v", standInName, n.Spec.Taints)
		}
		return err
	})
}

// live says every few seconds that the node is there.
func (s *standIn) live(ctx context.Context) error {
	for {
		if err := wait(ctx, heartbeat); err != nil {
			return err
		}
		renewal, err := json.Marshal(map[string]any{"spec": map[string]any{"renewTime": metav1.NowMicro()}})
		if err != nil {
			return err
		}
		if _, err := s.core.CoordinationV1().Leases(corev1.NamespaceNodeLease).Patch(ctx, standInName, types.MergePatchType, renewal, metav1.PatchOptions{}); err != nil {
			return err
		}
	}
}

func (s *standIn) follow(ctx context.Context, pods watch.Interface) error {
	defer pods.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-pods.ResultChan():
			if !ok {
				return errors.New("the watch of the stand-in's pods has ended")
			}
			p, is := e.Object.(*corev1.Pod)
			if !is {
				return fmt.Errorf("the watch of the stand-in's pods says %s: %v", e.Type, e.Object)
			}
			if e.Type == watch.Added && s.take(p.UID) {
				s.work.Go(func() error { return s.play(ctx, p) })
			}
		}
	}
}

func (s *standIn) take(uid types.UID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.taken[uid]
	s.taken[uid] = true
	return !before
}

// play says of a pod what a kubelet would, with as many writes.
func (s *standIn) play(ctx context.Context, p *corev1.Pod) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	began := metav1.Now()
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: began}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: began, FinishedAt: began}}
	for _, step := range []struct {
		phase corev1.PodPhase
		ready corev1.ConditionStatus
		state corev1.ContainerState
	}{{corev1.PodRunning, corev1.ConditionTrue, running}, {corev1.PodSucceeded, corev1.ConditionFalse, ended}} {
		status := corev1.PodStatus{
			Phase: step.phase, StartTime: &began, PodIP: "10.244.0.1", PodIPs: []corev1.PodIP{{IP: "10.244.0.1"}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: step.ready, LastTransitionTime: began}},
		}
		for _, c := range p.Spec.Containers {
			status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
				Name: c.Name, Image: c.Image, State: step.state, Ready: step.ready == corev1.ConditionTrue,
			})
		}
		patch, err := json.Marshal(map[string]any{"status": status})
		if err != nil {
			return err
		}
		_, err = s.core.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stand in for pod %s: %w", p.Name, err)
		}
	}
	return nil
}
