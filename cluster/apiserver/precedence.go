package apiserver

import (
	"net/http"
	"runtime"
	"slices"
	"sync"

	"k8s.io/apiserver/pkg/endpoints/request"
)

// A precedence lets creations go before what follows from them: before pods are
// bound to the node and started, before their addresses are published and
// events written. On a machine with few cores a burst of objects would else be
// made ever more slowly, since those that were made first are worked on already.
//
//	creations ────────────────▶ at once
//	what follows ──▶ in turn ─▶ a few at a time, and one while there are creations
//
// What follows waits outside of the server's limits and deadlines. It always
// moves on, since one is always let in.
type precedence struct {
	resolver request.RequestInfoResolver
	next     http.Handler
	// few is how many of what follows are let in at a time.
	few int

	mu        sync.Mutex
	creations int
	inside    int // of what follows
	queue     []chan struct{}
}

// withPrecedence puts creations before what follows from them.
func withPrecedence(next http.Handler, resolver request.RequestInfoResolver) http.Handler {
	return &precedence{resolver: resolver, next: next, few: 4 * runtime.GOMAXPROCS(0)}
}

func (p *precedence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch p.classOf(r) {
	case creation:
		p.count(1)
		defer p.count(-1)
	case follows:
		if !p.enter(r) {
			return // Nobody waits for an answer any more.
		}
		defer p.leave()
	}
	p.next.ServeHTTP(w, r)
}

// A class is how urgent a request is.
type class int

const (
	neither class = iota
	creation
	follows
)

func (p *precedence) classOf(r *http.Request) class {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return neither
	}
	info, err := p.resolver.NewRequestInfo(r)
	if err != nil || !info.IsResourceRequest {
		return neither // and for others to answer
	}
	return classOf(info)
}

// classOf looks at what is asked for, and not at who asks: so it can be told
// before anybody has spent time on the request.
func classOf(info *request.RequestInfo) class {
	switch info.Resource + "/" + info.Subresource {
	case "events/", "endpoints/", "endpointslices/", "pods/binding", "pods/status":
		return follows
	}
	switch info.APIGroup {
	case "authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io":
		return neither // Nothing is created but an answer, or a sign of life.
	}
	if info.Verb == "create" && info.Subresource == "" {
		return creation
	}
	return neither
}

// count adds to the creations that are under way.
func (p *precedence) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.creations += n
	p.admit()
}

// enter waits for its turn, and says whether it came.
func (p *precedence) enter(r *http.Request) bool {
	turn := make(chan struct{})
	p.mu.Lock()
	p.queue = append(p.queue, turn)
	p.admit()
	p.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-r.Context().Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, turn); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	} else { // The turn came meanwhile.
		p.inside--
		p.admit()
	}
	return false
}

func (p *precedence) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside--
	p.admit()
}

// admit lets in as many as may be.
func (p *precedence) admit() {
	limit := p.few
	if p.creations > 0 {
		limit = 1
	}
	for p.inside < limit && len(p.queue) > 0 {
		close(p.queue[0])
		p.queue = p.queue[1:]
		p.inside++
	}
}
