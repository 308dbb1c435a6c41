package apiserver

import (
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/endpoints/request"
)

// A precedence lets creations go before what follows from them: before pods are
// bound to the node and started, and before their addresses are published. On a
// machine with few cores a burst of objects would else be made ever more slowly,
// since those that were made first are worked on already. Events, which tell of
// all this, go last: thousands of pods that wait for a place bring thousands.
//
//	creations ───────────────────▶ at once
//	what follows ──┬─▶ in turn ──▶ a few at a time, and one while there are creations
//	events ────────┘ each fourth,     and for a moment after
//	                 if others wait
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
	lull      *time.Timer // runs for a moment after the last creation
	calm      bool        // whether that is over
	inside    int         // of what follows, and of events
	queues    map[class][]chan struct{}
	before    int // of what follows were let in since the last event
}

// betweenCreations is how soon one creation follows another of a burst, on a busy
// machine.
const betweenCreations = 25 * time.Millisecond

// eventEvery is how many are let in until it is an event's turn, if others wait.
const eventEvery = 4

// withPrecedence puts creations before what follows from them.
func withPrecedence(next http.Handler, resolver request.RequestInfoResolver) http.Handler {
	return newPrecedence(next, resolver, 4*runtime.GOMAXPROCS(0))
}

func newPrecedence(next http.Handler, resolver request.RequestInfoResolver, few int) *precedence {
	p := &precedence{resolver: resolver, next: next, few: few, queues: map[class][]chan struct{}{}}
	p.lull = time.AfterFunc(betweenCreations, p.settle)
	return p
}

func (p *precedence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch of := p.classOf(r); of {
	case creation:
		p.count(1)
		defer p.count(-1)
	case follows, tells:
		if !p.enter(r, of) {
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
	tells
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
	case "endpoints/", "endpointslices/", "pods/binding", "pods/status":
		return follows
	case "events/":
		return tells
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
	p.calm = false
	if p.creations += n; p.creations == 0 {
		p.lull.Reset(betweenCreations)
	}
	p.admit()
}

// settle lets in more once no creation has followed the last.
func (p *precedence) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calm = true
	p.admit()
}

// enter waits for its turn, and says whether it came.
func (p *precedence) enter(r *http.Request, of class) bool {
	turn := make(chan struct{})
	p.mu.Lock()
	p.queues[of] = append(p.queues[of], turn)
	p.admit()
	p.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-r.Context().Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queues[of], turn); i >= 0 {
		p.queues[of] = slices.Delete(p.queues[of], i, i+1)
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
	if p.creations > 0 || !p.calm {
		limit = 1
	}
	for p.inside < limit {
		of := p.turn()
		if len(p.queues[of]) == 0 {
			return
		}
		close(p.queues[of][0])
		p.queues[of] = p.queues[of][1:]
		p.inside++
		if p.before++; of == tells {
			p.before = 0
		}
	}
}

// turn is whose turn it is.
func (p *precedence) turn() class {
	if len(p.queues[follows]) == 0 || len(p.queues[tells]) > 0 && p.before >= eventEvery-1 {
		return tells
	}
	return follows
}
