package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// A mirror copies logs from an API server, or from a front door, into a folder of its own, where they
// lie as those do that a weir keeps. So logs of other clusters are read as ours.
type mirror struct {
	core   kubernetes.Interface
	dir    string
	store  *podlogs.Store
	follow bool // until containers end

	asked  bool // which pods are gone
	gone   []podlogs.Pod
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
		as := podlogs.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Labels: pod.Labels, Created: pod.CreationTimestamp.Time}
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if s.State.Waiting != nil && s.LastTerminationState.Terminated == nil {
				continue // It has printed nothing yet.
			}
			log := func(previous bool) *rest.Request {
				return m.core.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
					Container: s.Name, Previous: previous, Follow: m.follow && !previous, Timestamps: true,
				})
			}
			if s.RestartCount > 0 {
				copies.Go(m.begin(ctx, as, s.Name, uint32(s.RestartCount-1), log(true), true))
			}
			last := m.begin(ctx, as, s.Name, uint32(s.RestartCount), log(false), false)
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

// copyGone returns the pods that are gone and have a name, or else labels, of which a
// weir keeps logs that is reached by its front door, and brings those that are wanted:
// of each container the last, and the one before. It asks once. Other clusters keep none.
func (m *mirror) copyGone(ctx context.Context, namespace, name string, of labels.Set, wanted func(podlogs.Pod) bool) ([]podlogs.Pod, error) {
	if m.asked || name == "" && of == nil {
		return m.gone, nil
	}
	m.asked = true
	kept := func(path ...string) *rest.Request {
		return m.core.CoreV1().RESTClient().Get().AbsPath(append([]string{"/weir/logs", namespace}, path...)...)
	}
	which := kept().Param("labelSelector", of.String())
	if name != "" {
		which = kept().Param("pod", name)
	}
	data, err := which.DoRaw(ctx)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil, nil // It is no front door, or who asks may not.
	}
	if err != nil {
		return nil, fmt.Errorf("ask which logs are kept: %w", err)
	}
	var list struct{ Items []keptPod }
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read which logs are kept: %w", err)
	}
	var copies errgroup.Group
	copies.SetLimit(8)
	had := map[string]int{}
	for _, p := range list.Items { // the newest first
		pod := podlogs.Pod{Namespace: namespace, Name: p.Name, UID: p.UID, Labels: of, Created: p.Created}
		m.gone = append(m.gone, pod)
		if !wanted(pod) {
			continue
		}
		for _, c := range p.Containers {
			for _, attempt := range slices.Backward(c.Attempts) {
				if key := p.Name + "/" + c.Name; had[key] < 2 {
					had[key]++
					copies.Go(m.begin(ctx, pod, c.Name, attempt, kept(p.Name, p.UID, c.Name, strconv.FormatUint(uint64(attempt), 10)), true))
				}
			}
		}
	}
	return m.gone, copies.Wait()
}

// begin returns what copies a log, as it is asked for, that is not being copied yet.
// One of before may be gone.
func (m *mirror) begin(ctx context.Context, pod podlogs.Pod, container string, attempt uint32, ask *rest.Request, before bool) func() error {
	name := fmt.Sprintf("%s_%s_%d", pod.UID, container, attempt)
	if m.begun[name] {
		return func() error { return nil }
	}
	m.begun[name] = true
	return func() error {
		err := m.copyLog(ctx, pod, container, attempt, ask, filepath.Join(m.dir, name))
		if ctx.Err() != nil || apierrors.IsNotFound(err) || before && apierrors.IsBadRequest(err) {
			return nil //nolint:nilerr // Nobody wants it any more, or it is gone.
		}
		if err != nil {
			return fmt.Errorf("read log of container %s in pod %s/%s: %w", container, pod.Namespace, pod.Name, err)
		}
		return nil
	}
}

func (m *mirror) copyLog(ctx context.Context, pod podlogs.Pod, container string, attempt uint32, ask *rest.Request, path string) error {
	stream, err := ask.Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := m.store.Keep(pod, container, attempt, path); err != nil {
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
