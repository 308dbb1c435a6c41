package cri

import (
	"context"
	"errors"
	"sync"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// backlog is how many events a subscriber may be behind.
const backlog = 1000

// Events hands each change of a pod's state to all who subscribed.
type events struct {
	mu          sync.Mutex
	subscribers map[*subscriber]bool
}

type subscriber struct {
	events  chan *runtimeapi.ContainerEventResponse
	dropped chan struct{} // closed when it was too far behind
}

func newEvents() *events { return &events{subscribers: map[*subscriber]bool{}} }

// wanted reports whether anybody listens.
func (e *events) wanted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.subscribers) > 0
}

// send never waits: a subscriber that is too far behind is dropped, so that it notices.
func (e *events) send(event *runtimeapi.ContainerEventResponse) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.subscribers {
		select {
		case s.events <- event:
		default:
			delete(e.subscribers, s)
			close(s.dropped)
		}
	}
}

func (e *events) subscribe() (s *subscriber, cancel func()) {
	s = &subscriber{events: make(chan *runtimeapi.ContainerEventResponse, backlog), dropped: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subscribers[s] = true
	return s, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.subscribers, s)
	}
}

// GetContainerEvents sends what happens to to, from the moment it calls subscribed until ctx ends
// or to is a thousand events behind.
func (r *Runtime) GetContainerEvents(ctx context.Context, to chan *runtimeapi.ContainerEventResponse, subscribed func(runtimeapi.RuntimeService_GetContainerEventsClient)) error {
	s, cancel := r.events.subscribe()
	defer cancel()
	if subscribed != nil {
		subscribed(nil)
	}
	for {
		select {
		case event := <-s.events:
			select {
			case to <- event:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-s.dropped:
			return errors.New("container events: the subscriber is too far behind")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
