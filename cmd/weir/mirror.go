package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// A mirror copies logs from an API server into a folder of its own, where they
// lie as those do that a weir keeps. So logs of other clusters are read as ours.
type mirror struct {
	core   kubernetes.Interface
	dir    string
	store  *podlogs.Store
	follow bool // until containers end

	begun  map[string]bool // logs, by what names their file
	mu     sync.Mutex
	broken error // what went wrong with one that is followed
}

func newMirror(config *rest.Config, follow bool) (*mirror, error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	dir, err := os.MkdirTemp("", "weir-logs-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for logs: %w", err)
	}
	store, err := podlogs.Open(dir, podlogs.Retention{})
	if err != nil {
		return nil, err
	}
	return &mirror{core: core, dir: dir, store: store, follow: follow, begun: map[string]bool{}}, nil
}

// close removes the copies.
func (m *mirror) close() { _ = os.RemoveAll(m.dir) }

// copy brings the logs of pods here. Those that are followed come in their own
// time, until ctx ends.
func (m *mirror) copy(ctx context.Context, pods []corev1.Pod) error {
	var copies errgroup.Group
	copies.SetLimit(8)
	for i := range pods {
		pod := &pods[i]
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if s.State.Waiting != nil && s.LastTerminationState.Terminated == nil {
				continue // It has printed nothing yet.
			}
			if s.RestartCount > 0 {
				copies.Go(m.begin(ctx, pod, s.Name, s.RestartCount-1, true))
			}
			last := m.begin(ctx, pod, s.Name, s.RestartCount, false)
			if m.follow {
				go m.note(last)
				continue
			}
			copies.Go(last)
		}
	}
	err := copies.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(err, m.broken)
}

func (m *mirror) note(last func() error) {
	if err := last(); err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.broken = err
	}
}

// begin returns what copies a log that is not being copied yet.
func (m *mirror) begin(ctx context.Context, pod *corev1.Pod, container string, attempt int32, previous bool) func() error {
	name := fmt.Sprintf("%s_%s_%d", pod.UID, container, attempt)
	if m.begun[name] {
		return func() error { return nil }
	}
	m.begun[name] = true
	return func() error {
		err := m.copyLog(ctx, pod, container, attempt, previous, filepath.Join(m.dir, name))
		if ctx.Err() != nil || apierrors.IsNotFound(err) || previous && apierrors.IsBadRequest(err) {
			return nil //nolint:nilerr // Nobody wants it any more, or it is gone.
		}
		if err != nil {
			return fmt.Errorf("read log of container %s in pod %s/%s: %w", container, pod.Namespace, pod.Name, err)
		}
		return nil
	}
}

func (m *mirror) copyLog(ctx context.Context, pod *corev1.Pod, container string, attempt int32, previous bool, path string) error {
	stream, err := m.core.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: container, Previous: previous, Follow: m.follow && !previous, Timestamps: true,
	}).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	as := podlogs.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Labels: pod.Labels, Created: pod.CreationTimestamp.Time}
	if err := m.store.Keep(as, container, uint32(attempt), path); err != nil {
		return err
	}
	for lines := bufio.NewReader(stream); ; {
		line, err := lines.ReadString('\n')
		if line != "" {
			// As the kubelet has it in a file; which stream it was is not told.
			stamp, text, _ := strings.Cut(line, " ")
			if _, err := file.WriteString(stamp + " stdout F " + text); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
