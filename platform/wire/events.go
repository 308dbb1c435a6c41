package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record/util"
	"k8s.io/client-go/tools/reference"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// resourceOfEvents is where events are written.
var resourceOfEvents = eventsv1.SchemeGroupVersion.WithResource("events")

const (
	// tellers is how many events are written at a time. All at once, those of a
	// burst of jobs would take a connection for each hundred, and a stack each.
	tellers = 16
	// fresh is how long an event is remembered, to count it if it is said again, and
	// how often it is written how often that was.
	fresh = 6 * time.Minute
	// An event that cannot be written is tried so often, and with such waits.
	tries        = 12
	betweenTries = 10 * time.Second
)

// Events writes events in the background. What is said again of the same object
// becomes a number in the first event.
//
//	Eventf ─▶ told, unless it was ─▶ queue ─▶ tellers ─▶ API server
//	             └▶ counted, and written now and then ─┘
type Events struct {
	writer *Writer
	queue  workqueue.TypedRateLimitingInterface[*telling]

	mu   sync.Mutex
	told map[subject]*telling
}

// A subject is what an event is about. Words that differ do not make it another.
type subject struct {
	kind, action, reason, controller, instance string
	regarding, related                         corev1.ObjectReference
}

// A telling is an event, and how it stands there. Its series is replaced, not changed.
type telling struct {
	event   eventsv1.Event
	written bool
	counted int32
}

// Events begins to write events, until ctx ends.
func (w *Writer) Events(ctx context.Context) *Events {
	e := &Events{
		writer: w, told: map[subject]*telling{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[*telling](betweenTries, betweenTries)),
	}
	for range tellers {
		go e.tell(ctx)
	}
	go wait.Until(e.recount, fresh, ctx.Done())
	context.AfterFunc(ctx, e.queue.ShutDown)
	return e
}

// NewRecorder makes one who tells of objects of the kinds in a scheme.
func (e *Events) NewRecorder(scheme *runtime.Scheme, controller string) events.EventRecorder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &recorder{e, scheme, controller, controller + "-" + host}
}

type recorder struct {
	events               *Events
	scheme               *runtime.Scheme
	controller, instance string
}

// Eventf tells of an object, and of another that it is about if there is one.
func (r *recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	about, err := reference.GetReference(r.scheme, regarding)
	if err != nil {
		klog.ErrorS(err, "An event is about nothing", "reason", reason)
		return
	}
	e := eventsv1.Event{
		TypeMeta:            metav1.TypeMeta{APIVersion: eventsv1.SchemeGroupVersion.String(), Kind: "Event"},
		EventTime:           metav1.NowMicro(),
		ReportingController: r.controller, ReportingInstance: r.instance,
		Type: kind, Reason: reason, Action: action, Note: fmt.Sprintf(note, args...), Regarding: *about,
	}
	e.Namespace, e.Name = about.Namespace, util.GenerateEventName(about.Name, e.EventTime.UnixNano())
	if e.Namespace == "" {
		e.Namespace = metav1.NamespaceDefault
	}
	if related != nil {
		if e.Related, err = reference.GetReference(r.scheme, related); err != nil {
			klog.ErrorS(err, "An event does not say what else it is about", "reason", reason)
		}
	}
	r.events.say(e)
}

// say has an event written, or counted.
func (e *Events) say(event eventsv1.Event) {
	about := subject{event.Type, event.Action, event.Reason, event.ReportingController, event.ReportingInstance, event.Regarding, corev1.ObjectReference{}}
	if event.Related != nil {
		about.related = *event.Related
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.told[about]
	if t == nil {
		t = &telling{event: event}
		e.told[about] = t
		e.queue.Add(t)
		return
	}
	again := &eventsv1.EventSeries{Count: 2, LastObservedTime: event.EventTime}
	if t.event.Series != nil {
		again.Count = t.event.Series.Count + 1
		t.event.Series = again
		return // It is written from time to time.
	}
	t.event.Series = again
	e.queue.Add(t)
}

// tell writes events, one after the other, until the queue ends.
func (e *Events) tell(ctx context.Context) {
	for {
		t, over := e.queue.Get()
		if over {
			return
		}
		err := e.write(ctx, t)
		var refused *apierrors.StatusError
		switch {
		case err == nil, ctx.Err() != nil:
			e.queue.Forget(t)
		case errors.As(err, &refused), e.queue.NumRequeues(t) >= tries:
			e.queue.Forget(t)
			klog.FromContext(ctx).Error(err, "An event is not written", "object", klog.KRef(t.event.Regarding.Namespace, t.event.Regarding.Name), "reason", t.event.Reason)
		default:
			e.queue.AddRateLimited(t)
		}
		e.queue.Done(t)
	}
}

// errTwice is when an event that was gone is there.
var errTwice = errors.New("it has come back")

// write writes an event as it is now: anew, or if it is there, how often it was said.
func (e *Events) write(ctx context.Context, t *telling) error {
	e.mu.Lock()
	event, written := t.event, t.written
	e.mu.Unlock()
	var err error
	if written {
		err = e.writer.patchSeries(ctx, &event)
	}
	if gone := written && apierrors.IsNotFound(err); !written || gone {
		err = e.writer.Create(ctx, resourceOfEvents, &event)
		switch {
		case apierrors.IsAlreadyExists(err) && gone:
			return errTwice
		case apierrors.IsAlreadyExists(err):
			err = nil // By a try whose answer was lost.
		}
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t.written = true
	if event.Series != nil {
		t.counted = event.Series.Count
	}
	return nil
}

// patchSeries writes how often an event was said.
func (w *Writer) patchSeries(ctx context.Context, e *eventsv1.Event) error {
	patch, err := json.Marshal(map[string]any{"series": e.Series})
	if err != nil {
		return fmt.Errorf("count event %s/%s: %w", e.Namespace, e.Name, err)
	}
	_, err = send(ctx, w.rest.Patch(types.MergePatchType).AbsPath(path(resourceOfEvents, e.Namespace), e.Name).Body(patch))
	return err
}

// recount writes the counts that have changed, and forgets what was said long ago.
func (e *Events) recount() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for about, t := range e.told {
		last := t.event.EventTime
		if s := t.event.Series; s != nil {
			last = s.LastObservedTime
			if s.Count != t.counted {
				e.queue.Add(t)
			}
		}
		if time.Since(last.Time) > fresh {
			delete(e.told, about)
		}
	}
}
