package progress

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/kit/measure"
)

// AnnotationEvents says, on a job, where it writes files for TensorBoard:
// s3://BUCKET/PREFIX, read with the keys in the Secret weir-s3 of its namespace,
// or pvc://CLAIM/FOLDER.
const AnnotationEvents = "weir-ml.github.io/events"

// Waits between looks at the files.
const (
	lookEvery  = 5 * time.Second
	readAtMost = 4 << 20 // bytes of a file at a time
)

// An eventFile is one that TensorBoard would read.
type eventFile struct {
	name string // below the place that the annotation names
	size int64
}

// An eventPlace has such files.
type eventPlace interface {
	list(ctx context.Context) ([]eventFile, error)
	// read returns what comes after an offset, or the beginning of it.
	read(ctx context.Context, name string, offset int64) ([]byte, error)
}

// watchEvents has the files of a job read while it runs.
func (r *reconciler) watchEvents(ctx context.Context, job known) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watched[job.Job] {
		return
	}
	r.watched[job.Job] = true
	r.follower.wait.Go(func() {
		if err := r.readEvents(ctx, job); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot keep what a job writes for TensorBoard", "kind", job.Kind, "namespace", job.Namespace, "name", job.Name)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watched, job.Job)
	})
}

// fresh is whether a pod that has ended did so a moment ago, so that its files
// may not have been read.
func fresh(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Terminated != nil && time.Since(s.State.Terminated.FinishedAt.Time) < time.Minute
	})
}

// readEvents reads the files of a job again and again until it runs no more, and
// then once.
func (r *reconciler) readEvents(ctx context.Context, job known) error {
	course, err := r.store.take(job.Job)
	if err != nil {
		return err
	}
	defer r.store.release(course)
	readers := map[string]*measure.EventReader{}
	told := ""
	for busy := true; busy; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
		busy = r.follower.busy(job.Job)
		if err := r.lookAtEvents(ctx, course, job.events, readers); err != nil && told != err.Error() && ctx.Err() == nil {
			told = err.Error()
			klog.FromContext(ctx).Error(err, "Cannot read what a job writes for TensorBoard", "kind", job.Kind, "namespace", job.Namespace, "name", job.Name)
		}
	}
	return nil
}

// lookAtEvents reads what is new in the files of a job.
func (r *reconciler) lookAtEvents(ctx context.Context, course *kept, at string, readers map[string]*measure.EventReader) error {
	place, err := r.placeOf(ctx, course.Job.Namespace, at)
	if err != nil {
		return err
	}
	files, err := place.list(ctx)
	if err != nil {
		return fmt.Errorf("list %s: %w", at, err)
	}
	for _, f := range files {
		if err := r.readFile(ctx, course, place, f, readers); err != nil {
			return fmt.Errorf("read %s/%s: %w", at, f.name, err)
		}
	}
	return nil
}

func (r *reconciler) readFile(ctx context.Context, course *kept, place eventPlace, f eventFile, readers map[string]*measure.EventReader) error {
	source := "events/" + f.name
	reader := readers[source]
	if reader == nil {
		reader = &measure.EventReader{}
		reader.From(course.mark(source).offset)
		readers[source] = reader
	}
	for reader.Next() < f.size {
		data, err := place.read(ctx, f.name, reader.Next())
		if err != nil || len(data) == 0 {
			return err
		}
		samples, damaged := reader.Read(data)
		if err := r.keepEvents(course, source, f.name, reader.Offset(), samples); err != nil {
			return err
		}
		if damaged != nil {
			return damaged
		}
	}
	return nil
}

func (r *reconciler) keepEvents(course *kept, source, name string, offset int64, samples []measure.Sample) error {
	b := &batch{Replica: strings.TrimSuffix("events/"+path.Dir(name), "/."), Source: source, Offset: offset}
	index := map[string]int{}
	for _, s := range samples {
		i, known := index[s.Name]
		if !known {
			i = len(b.Series)
			index[s.Name] = i
			b.Series = append(b.Series, wireSeries{Name: s.Name})
		}
		b.Series[i].Points = append(b.Series[i].Points, newWireSeries("", []measure.Point{s.Point}).Points...)
	}
	if err := r.store.append(course, b); err != nil {
		return err
	}
	r.follower.changed(course.Course)
	return nil
}

// isEvents is whether a file is one that TensorBoard would read.
func isEvents(name string) bool { return strings.Contains(path.Base(name), "tfevents") }

// placeOf is the place that an annotation names.
func (r *reconciler) placeOf(ctx context.Context, namespace, at string) (eventPlace, error) {
	scheme, rest, _ := strings.Cut(at, "://")
	root, below, _ := strings.Cut(rest, "/")
	below = strings.Trim(path.Clean("/"+below), "/")
	switch {
	case root == "":
	case scheme == "s3":
		return r.bucketOf(ctx, namespace, root, below)
	case scheme == "pvc":
		return r.folderOf(ctx, namespace, root, below)
	}
	return nil, fmt.Errorf("annotation %s: %q is no place for events: give s3://BUCKET/PREFIX or pvc://CLAIM/FOLDER", AnnotationEvents, at)
}
