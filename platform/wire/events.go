package wire

import (
	"context"
	"fmt"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/client-go/tools/events"
)

// resourceOfEvents is where events are written.
var resourceOfEvents = eventsv1.SchemeGroupVersion.WithResource("events")

// Broadcast returns what makes recorders of events, which are written until ctx
// ends.
func (w *Writer) Broadcast(ctx context.Context) (events.EventBroadcaster, error) {
	b := events.NewBroadcaster(sink{&events.EventSinkImpl{Interface: w.events}, w})
	if err := b.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, fmt.Errorf("record events: %w", err)
	}
	context.AfterFunc(ctx, b.Shutdown)
	return b, nil
}

// A sink writes new events by wire. What is said again, and counted, is rare.
type sink struct {
	events.EventSink
	writer *Writer
}

func (s sink) Create(ctx context.Context, e *eventsv1.Event) (*eventsv1.Event, error) {
	e.SetGroupVersionKind(eventsv1.SchemeGroupVersion.WithKind("Event"))
	return e, s.writer.Create(ctx, resourceOfEvents, e)
}
