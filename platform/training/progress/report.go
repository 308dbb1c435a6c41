package progress

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	training "github.com/weir-ml/weir/api/training/v1"
)

// reportEvery is how often a job's status is written at most.
const reportEvery = 2 * time.Second

// maxValues is how many values a status has room for.
const maxValues = 32

// A reporter says in the status of jobs what is new: in status.progress, which
// nobody else writes, and of a TrainJob in status.trainerStatus.
type reporter struct {
	client client.Client
	live   client.Reader
	queue  workqueue.TypedRateLimitingInterface[Job]

	mu      sync.Mutex
	courses map[Job]*Course   // that have something new
	wrote   map[Job]time.Time // when, for those written lately
}

func newReporter(c client.Client, live client.Reader) *reporter {
	return &reporter{
		client:  c,
		live:    live,
		queue:   workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[Job](reportEvery, time.Minute)),
		courses: map[Job]*Course{}, wrote: map[Job]time.Time{},
	}
}

// changed says that something new is known of a job.
func (r *reporter) changed(c *Course) {
	if c.Job.Kind == "jobset" {
		return // Its status has no place for it.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.courses[c.Job] = c
	r.queue.AddAfter(c.Job, max(0, time.Until(r.wrote[c.Job].Add(reportEvery))))
}

// Start writes until ctx ends.
func (r *reporter) Start(ctx context.Context) error {
	go func() {
		<-ctx.Done()
		r.queue.ShutDown()
	}()
	for {
		job, stop := r.queue.Get()
		if stop {
			return nil
		}
		if err := r.report(ctx, job); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Cannot say how far a job is", "kind", job.Kind, "namespace", job.Namespace, "name", job.Name)
			r.queue.AddRateLimited(job)
		} else {
			r.queue.Forget(job)
		}
		r.queue.Done(job)
	}
}

func (r *reporter) report(ctx context.Context, job Job) error {
	r.mu.Lock()
	course, now := r.courses[job], time.Now()
	delete(r.courses, job)
	for j, at := range r.wrote {
		if now.Sub(at) > reportEvery {
			delete(r.wrote, j)
		}
	}
	r.wrote[job] = now
	r.mu.Unlock()
	if course == nil {
		return nil
	}
	said := summary(course)
	if said == nil {
		return nil
	}
	kind, _ := kindOf(job)
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kind)
	o.SetNamespace(job.Namespace)
	o.SetName(job.Name)
	// The uid lets it fail on another job that has taken the name.
	patch, err := r.patch(ctx, o, job, said)
	if patch == nil || err != nil {
		return client.IgnoreNotFound(err)
	}
	err = r.client.Status().Patch(ctx, o, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(manager))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsInvalid(err) {
		return nil // The job is gone.
	}
	if err != nil {
		r.mu.Lock()
		if r.courses[job] == nil {
			r.courses[job] = course
		}
		r.mu.Unlock()
	}
	return err
}

// patch is what is to be written; nil for a TrainJob that reports by itself, as
// Kubeflow's programs can.
func (r *reporter) patch(ctx context.Context, o *unstructured.Unstructured, job Job, said *training.Progress) ([]byte, error) {
	if job.Kind != "trainjob" {
		return patchOf(job, said)
	}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(o.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Manager == reportedBy }) {
		return nil, nil
	}
	now := map[string]any{"progressPercentage": said.Percent, "estimatedRemainingSeconds": said.RemainingSeconds, "lastUpdatedTime": said.LastUpdateTime}
	var metrics []map[string]string
	for _, name := range slices.Sorted(maps.Keys(said.Values)) {
		if len(name) > maxMetric {
			continue
		}
		metrics = append(metrics, map[string]string{"name": name, "value": said.Values[name]})
	}
	now["metrics"] = metrics
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": job.UID},
		"status":   map[string]any{"trainerStatus": now},
	})
}

const (
	// manager is who the API server says wrote it, and reportedBy who it says so
	// of where the program reported.
	manager, reportedBy = "weir-progress", "trainer-status"
	// maxMetric is how long the name of a TrainJob's metric may be.
	maxMetric = 64
)

// patchOf says all of a progress, also what it says nothing of any more.
func patchOf(job Job, said *training.Progress) ([]byte, error) {
	data, err := json.Marshal(said)
	if err != nil {
		return nil, err
	}
	all := map[string]any{"replica": nil, "epoch": nil, "epochs": nil, "step": nil, "steps": nil, "percent": nil, "remainingSeconds": nil}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": job.UID},
		"status":   map[string]any{"progress": all},
	})
}

// summary is what the status says of a course; nil while there is nothing.
func summary(c *Course) *training.Progress {
	replicas := c.Replicas()
	slices.SortStableFunc(replicas, func(a, b Replica) int { return rank(a) - rank(b) })
	s := &training.Progress{Values: map[string]string{}}
	var latest time.Time
	for _, r := range replicas {
		if p := r.Progress; s.Replica == "" && p.Known() {
			s.Replica = r.Name
			s.Epoch, s.Epochs, s.Step, s.Steps = int64(p.Epoch), p.Epochs, p.Step, p.Steps
			if done, ok := p.Done(); ok {
				s.Percent = new(int32(math.Floor(done * 100)))
			}
			if left, ok := p.Left(); ok {
				s.RemainingSeconds = new(int64(math.Round(left.Seconds())))
			}
		}
		if r.Progress.At.After(latest) {
			latest = r.Progress.At
		}
		for _, series := range r.Series {
			last := series.Last()
			if _, known := s.Values[series.Name]; !known && len(s.Values) < maxValues {
				s.Values[series.Name] = strconv.FormatFloat(last.Value, 'g', 6, 64)
			}
			if last.Time.After(latest) {
				latest = last.Time
			}
		}
	}
	if latest.IsZero() {
		return nil
	}
	s.LastUpdateTime = &metav1.Time{Time: latest.Truncate(time.Second)}
	return s
}

// rank orders replicas by who is asked first: the one that decides, then workers,
// then those that only say something else. Among these, names decide.
func rank(r Replica) int {
	word, _, _ := strings.Cut(r.Name, "-")
	i := slices.Index([]string{"chief", "master", "launcher", "worker", "node"}, word)
	switch {
	case i < 0:
		i = 5
	case !r.Progress.Known():
		i += 10 // It leaves the word to others.
	}
	return i
}

// Lead is the replica that a job is judged by; nil while none has said anything.
func Lead(replicas []Replica) *Replica {
	var lead *Replica
	for i := range replicas {
		if r := &replicas[i]; (r.Progress.Known() || len(r.Series) > 0) && (lead == nil || rank(*r) < rank(*lead)) {
			lead = r
		}
	}
	return lead
}

// IsLoss and IsAccuracy say of a name what it is the course of.
func IsLoss(name string) bool { return strings.HasSuffix(strings.ToLower(name), "loss") }

// IsAccuracy is whether more of it is better, up to 1 or 100.
func IsAccuracy(name string) bool {
	lower := strings.ToLower(name)
	return strings.Contains(lower, "acc") || strings.HasSuffix(lower, "auc")
}
