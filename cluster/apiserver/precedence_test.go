package apiserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

var resolver = &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

func TestClassOf(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		want         class
	}{
		"a pod":              {"POST", "/api/v1/namespaces/a/pods", creation},
		"a job":              {"POST", "/apis/kubeflow.org/v1/namespaces/a/tfjobs", creation},
		"a pod's place":      {"POST", "/api/v1/namespaces/a/pods/p/binding", follows},
		"a pod's state":      {"PATCH", "/api/v1/namespaces/a/pods/p/status", follows},
		"an event":           {"POST", "/apis/events.k8s.io/v1/namespaces/a/events", tells},
		"an event, again":    {"PATCH", "/api/v1/namespaces/a/events/e", tells},
		"addresses":          {"PUT", "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices/s", follows},
		"addresses, the old": {"POST", "/api/v1/namespaces/a/endpoints", follows},
		"a job's state":      {"PATCH", "/apis/kubeflow.org/v1/namespaces/a/tfjobs/j/status", neither},
		"a token":            {"POST", "/api/v1/namespaces/a/serviceaccounts/default/token", neither},
		"a question":         {"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", neither},
		"a sign of life":     {"PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", neither},
		"a look":             {"GET", "/api/v1/namespaces/a/pods", neither},
		"events' removal":    {"DELETE", "/api/v1/namespaces/a/events/e", neither},
		"no resource":        {"POST", "/healthz", neither},
	} {
		t.Run(name, func(t *testing.T) {
			p := precedence{resolver: resolver}
			if got := p.classOf(httptest.NewRequest(c.method, c.path, nil)); got != c.want {
				t.Errorf("class %d, want %d", got, c.want)
			}
		})
	}
}

// A server whose answers wait until they are let go.
type server struct {
	t       *testing.T
	handler *precedence
	inside  chan chan struct{}
}

func newServer(t *testing.T) *server {
	s := &server{t: t, inside: make(chan chan struct{}, 100)}
	s.handler = newPrecedence(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		release := make(chan struct{})
		s.inside <- release
		<-release
	}), resolver, 3)
	return s
}

// ask sends n requests; n answers follow on what it returns.
func (s *server) ask(ctx context.Context, n int, path string) <-chan struct{} {
	answered := make(chan struct{}, n)
	for range n {
		go func() {
			s.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, path, nil))
			answered <- struct{}{}
		}()
	}
	synctest.Wait()
	return answered
}

// expect says how many requests have been let in since the last time.
func (s *server) expect(why string, n int) []chan struct{} {
	s.t.Helper()
	synctest.Wait()
	if len(s.inside) != n {
		s.t.Fatalf("%s: %d requests were let in, want %d", why, len(s.inside), n)
	}
	var all []chan struct{}
	for range n {
		all = append(all, <-s.inside)
	}
	return all
}

const (
	pods     = "/api/v1/namespaces/a/pods"
	bindings = "/api/v1/namespaces/a/pods/p/binding"
	events   = "/api/v1/namespaces/a/events"
)

func TestCreationsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.ask(t.Context(), 5, pods)
		creations := s.expect("creations never wait", 5)
		s.ask(t.Context(), 5, bindings)
		first := s.expect("one that follows is let in beside creations", 1)

		close(first[0])
		first = s.expect("another comes when it is done", 1)
		for _, c := range creations {
			close(c)
		}
		s.expect("no more for a moment, since another creation may come", 0)
		time.Sleep(betweenCreations) // on this test's own clock
		others := s.expect("without creations, a few at a time", 2)
		close(first[0])
		last := s.expect("and the last in its turn", 1)
		for _, r := range append(others, last...) {
			close(r)
		}
	})
}

// Events that came first go last, and yet they go.
func TestEventsGoLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.ask(t.Context(), 1, pods)
		created := s.expect("a creation", 1)
		told := s.ask(t.Context(), 10, events)
		inside := s.expect("one event, with nothing else there", 1)
		bound := s.ask(t.Context(), 7, bindings)
		for n := range 9 {
			close(inside[0])
			inside = s.expect("another", 1)
			if got, want := len(bound), []int{0, 1, 2, 3, 3, 4, 5, 6, 6}[n]; got != want {
				t.Errorf("after %d more had been let in, %d pods were bound, want %d", n+1, got, want)
			}
		}
		close(created[0])
		time.Sleep(betweenCreations) // on this test's own clock
		for waiting := append(inside, s.expect("a few, without creations", 2)...); len(waiting) > 0; {
			close(waiting[0])
			synctest.Wait()
			waiting = append(waiting[1:], s.expect("the next, if there is one", len(s.inside))...)
		}
		if len(told) != 10 || len(bound) != 7 {
			t.Errorf("in the end %d events were told and %d pods bound, want 10 and 7", len(told), len(bound))
		}
	})
}

func TestWhoLeavesTheQueueTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.ask(t.Context(), 1, pods)
		created := s.expect("a creation", 1)
		s.ask(t.Context(), 1, bindings)
		first := s.expect("one that follows", 1)

		impatient, cancel := context.WithCancel(t.Context())
		gone := s.ask(impatient, 2, bindings)
		s.ask(t.Context(), 1, bindings)
		cancel()
		<-gone
		<-gone
		s.expect("none of those that have gone", 0)
		close(first[0])
		last := s.expect("the one that stayed", 1)
		close(last[0])
		close(created[0])
	})
}
