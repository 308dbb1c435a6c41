package progress

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/kit/measure"
)

// A Container is one start of a container of a pod.
type Container struct {
	Namespace, Pod string
	UID            types.UID
	Name           string
	Attempt        int32
}

// source names it in a course.
func (c Container) source() string {
	return string(c.UID) + "/" + c.Name + "/" + strconv.Itoa(int(c.Attempt))
}

// Logs is how logs are read.
type Logs interface {
	// Follow hands over the lines that a container printed after a time, and
	// those that it prints, until it has ended, which closes over, and nothing
	// more is to come.
	Follow(ctx context.Context, c Container, after time.Time, over <-chan struct{}, take func(at time.Time, line string)) error
}

// flushEvery is how often what is found is kept.
const flushEvery = time.Second

// Waits between tries to read a log that cannot be read.
const (
	shortestWait = time.Second
	longestWait  = 30 * time.Second
)

// A follower follows logs, a goroutine for each, and so many at once; others
// wait until one of these has ended.
type follower struct {
	logs  Logs
	store *Store
	limit int
	// changed is told of each job of which something new is known.
	changed func(*Course)

	mu        sync.Mutex
	following map[Container]*pursuit
	waiting   []*pursuit
	wait      sync.WaitGroup
}

// A pursuit is the following of one container.
type pursuit struct {
	job       Job
	replica   string
	container Container
	over      chan struct{} // closed when the container has ended
}

// end says that the container has ended. The follower must be locked.
func (p *pursuit) end() {
	if !IsOver(p.over) {
		close(p.over)
	}
}

// IsOver is whether what a channel is closed for has come.
func IsOver(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}

func newFollower(logs Logs, store *Store, limit int, changed func(*Course)) *follower {
	return &follower{logs: logs, store: store, limit: limit, changed: changed, following: map[Container]*pursuit{}}
}

// follow sees to it that a container is followed, and knows whether it has
// ended.
func (f *follower) follow(ctx context.Context, job Job, replica string, c Container, ended bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.following[c]; p != nil {
		if ended {
			p.end()
		}
		return nil
	}
	course, err := f.store.take(job)
	if err != nil {
		return err
	}
	defer f.store.release(course)
	if course.mark(c.source()).ended {
		return nil
	}
	p := &pursuit{job: job, replica: replica, container: c, over: make(chan struct{})}
	if ended {
		p.end()
	}
	f.following[c] = p
	f.waiting = append(f.waiting, p)
	f.proceed(ctx)
	return nil
}

// proceed begins to follow those that wait, as far as there is room.
func (f *follower) proceed(ctx context.Context) {
	for len(f.waiting) > 0 && len(f.following)-len(f.waiting) < f.limit {
		p := f.waiting[0]
		f.waiting = f.waiting[1:]
		f.wait.Go(func() {
			if err := f.pursue(ctx, p); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Cannot follow what a replica says", "pod", klog.KRef(p.container.Namespace, p.container.Pod))
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.following, p.container)
			if ctx.Err() == nil {
				f.proceed(ctx)
			}
		})
	}
}

// gone says that a pod is no more: what it has printed is read to its end.
func (f *follower) gone(namespace, pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c, p := range f.following {
		if c.Namespace == namespace && c.Pod == pod {
			p.end()
		}
	}
}

// busy is whether a container of a job is followed that has not ended.
func (f *follower) busy(job Job) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.following {
		if p.job == job && !IsOver(p.over) {
			return true
		}
	}
	return false
}

// errGone is returned for a log that is no more.
var errGone = errors.New("the log is gone")

// pursue reads a log to its end, with ever longer waits when it cannot.
func (f *follower) pursue(ctx context.Context, p *pursuit) error {
	course, err := f.store.take(p.job)
	if err != nil {
		return err
	}
	defer f.store.release(course)
	c := p.container
	r := &reading{store: f.store, course: course, replica: p.replica, source: c.source(), changed: f.changed}
	r.until = course.mark(c.source()).until
	if !r.until.IsZero() { // Else another start begins anew.
		r.scanner.Progress = course.progressOf(p.replica)
	}
	for wait := shortestWait; ; wait = min(2*wait, longestWait) {
		stop := r.flushing(ctx)
		err := f.logs.Follow(ctx, c, r.until, p.over, r.take)
		stop()
		switch {
		case ctx.Err() != nil:
			return r.flush(false)
		case err == nil || errors.Is(err, errGone) || IsOver(p.over):
			return errors.Join(err, r.flush(true))
		}
		select {
		case <-ctx.Done():
			return r.flush(false)
		case <-time.After(wait):
		}
	}
}

// A reading gathers what one log says between two flushes.
type reading struct {
	store           *Store
	course          *kept
	replica, source string
	changed         func(*Course)

	mu      sync.Mutex
	scanner measure.Scanner
	until   time.Time
	series  map[string][]measure.Point
	names   []string
	moved   bool
}

func (r *reading) take(at time.Time, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Before(r.until) {
		return // It was read before.
	}
	before := r.scanner.Progress
	samples := r.scanner.Read(at, line)
	r.until = at
	r.moved = r.moved || before != r.scanner.Progress || len(samples) > 0
	for _, s := range samples {
		if r.series == nil {
			r.series = map[string][]measure.Point{}
		}
		if r.series[s.Name] == nil {
			r.names = append(r.names, s.Name)
		}
		r.series[s.Name] = append(r.series[s.Name], s.Point)
	}
}

// flushing keeps what is found once a second, until it is stopped.
func (r *reading) flushing(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := r.flush(false); err != nil {
					klog.FromContext(ctx).Error(err, "Cannot keep what a replica says")
				}
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// flush keeps what was found, if anything was, or if it is the end.
func (r *reading) flush(ended bool) error {
	r.mu.Lock()
	if !r.moved && (!ended || r.until.IsZero()) {
		r.mu.Unlock()
		return nil // Nothing is known of who has said nothing.
	}
	b := &batch{Replica: r.replica, Source: r.source, Until: r.until.UTC(), Ended: ended, Progress: newWireProgress(r.scanner.Progress)}
	for _, name := range r.names {
		b.Series = append(b.Series, newWireSeries(name, r.series[name]))
	}
	r.series, r.names, r.moved = nil, nil, false
	r.mu.Unlock()
	if err := r.store.append(r.course, b); err != nil {
		return err
	}
	if r.changed != nil {
		r.changed(r.course.Course)
	}
	return nil
}

// ReplicaOf is what a pod is called among those of its job: worker-0.
func ReplicaOf(pod *corev1.Pod, job string) string {
	name := pod.Name
	if pod.GenerateName != "" { // It ends in a random word, which another start would not have.
		name = strings.TrimSuffix(pod.GenerateName, "-")
	}
	if short, ok := strings.CutPrefix(name, job+"-"); ok {
		return short
	}
	return name
}

// containerOf is the container that trains, and how it is; ok is false before it
// was started.
func containerOf(pod *corev1.Pod) (c Container, ended, ok bool) {
	name := mainContainer(pod)
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name != name {
			continue
		}
		c = Container{Namespace: pod.Namespace, Pod: pod.Name, UID: pod.UID, Name: name, Attempt: s.RestartCount}
		over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		return c, over || s.State.Terminated != nil, s.State.Running != nil || s.State.Terminated != nil
	}
	return c, false, false
}

// trainers are what the container that trains is called by convention.
func trainers() []string {
	return []string{"tensorflow", "pytorch", "xgboost", "paddle", "jax", "mxnet", "mpi", "node", "launcher", "trainer"}
}

func mainContainer(pod *corev1.Pod) string {
	if name := pod.Annotations["kubectl.kubernetes.io/default-container"]; name != "" {
		return name
	}
	for _, c := range pod.Spec.Containers {
		if slices.Contains(trainers(), c.Name) {
			return c.Name
		}
	}
	if len(pod.Spec.Containers) > 0 {
		return pod.Spec.Containers[0].Name
	}
	return ""
}

// followedReplicas is how many replicas of each type are followed. They say the
// same, and a job may have a thousand.
const followedReplicas = 16

// isFollowed is whether a pod is one of those of its type that are.
func isFollowed(pod *corev1.Pod) bool {
	for _, label := range []string{"training.kubeflow.org/replica-index", "batch.kubernetes.io/job-completion-index"} {
		if n, err := strconv.Atoi(pod.Labels[label]); err == nil {
			return n < followedReplicas
		}
	}
	return true
}

func (j Job) String() string { return fmt.Sprintf("%s/%s", j.Kind, j.Name) }
