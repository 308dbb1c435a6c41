package proxy

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// backends are where a port of a service leads.
type backends struct {
	endpoints []netip.AddrPort
	// sticky is how long a client stays with an endpoint after it was heard of;
	// zero is not at all.
	sticky time.Duration
}

// A balancer spreads clients over backends, each in its turn.
type balancer struct {
	now func() time.Time

	mu sync.Mutex
	backends
	next  int
	stays map[netip.Addr]stay
}

type stay struct {
	endpoint netip.AddrPort
	until    time.Time
}

func newBalancer(b backends) *balancer {
	return &balancer{now: time.Now, backends: b, stays: map[netip.Addr]stay{}}
}

// set changes the backends. Clients stay with those that do.
func (l *balancer) set(b backends) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backends = b
	now := l.now()
	for client, s := range l.stays {
		if b.sticky == 0 || now.After(s.until) || !slices.Contains(b.endpoints, s.endpoint) {
			delete(l.stays, client)
		}
	}
}

// Pick says where a client's next connection goes.
func (l *balancer) Pick(client netip.AddrPort) (netip.AddrPort, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.endpoints) == 0 {
		return netip.AddrPort{}, false
	}
	if l.sticky == 0 {
		return l.turn(), true
	}
	ip, now := client.Addr().Unmap(), l.now()
	s, ok := l.stays[ip]
	if !ok || now.After(s.until) {
		s.endpoint = l.turn()
	}
	s.until = now.Add(l.sticky)
	l.stays[ip] = s
	return s.endpoint, true
}

func (l *balancer) turn() netip.AddrPort {
	l.next++
	return l.endpoints[l.next%len(l.endpoints)]
}

// Has says whether an endpoint is still one.
func (l *balancer) Has(endpoint netip.AddrPort) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.endpoints, endpoint)
}
