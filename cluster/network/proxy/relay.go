package proxy

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/kubernetes/pkg/proxy"
	"k8s.io/kubernetes/pkg/proxy/runner"

	"github.com/weir-ml/weir/cluster/network/relay"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// relaying keeps a listener for each port of each service that has somewhere to
// lead to. A service without endpoints has none, so it refuses, as it should.
type relaying struct {
	node    string
	nodeIPs []netip.Addr
	sync    *runner.BoundedFrequencyRunner

	serviceChanges   *proxy.ServiceChangeTracker
	endpointsChanges *proxy.EndpointsChangeTracker
	known            struct{ services, slices, all atomic.Bool }

	mu        sync.Mutex
	services  proxy.ServicePortMap
	endpoints proxy.EndpointsMap
	ports     *ports
}

func newRelay(c Config) *relaying {
	r := &relaying{
		node:             c.NodeName,
		nodeIPs:          []netip.Addr{c.NodeIP, loopback},
		serviceChanges:   proxy.NewServiceChangeTracker(corev1.IPv4Protocol, nil, nil),
		endpointsChanges: proxy.NewEndpointsChangeTracker(corev1.IPv4Protocol, c.NodeName, nil, nil),
		services:         proxy.ServicePortMap{},
		endpoints:        proxy.EndpointsMap{},
		ports:            newPorts(relay.Here{}),
	}
	r.sync = runner.NewBoundedFrequencyRunner("relay", r.apply, time.Millisecond, again, time.Hour)
	return r
}

func (r *relaying) run(ctx context.Context) {
	r.sync.Loop(ctx.Done())
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.ports.set(context.WithoutCancel(ctx), nil)
}

func (r *relaying) synced(context.Context) bool { return r.known.all.Load() }

// apply opens and closes what has changed. It waits until both, services and
// endpoints, are known: before, everything would seem to have no endpoints.
func (r *relaying) apply() error {
	if !r.known.services.Load() || !r.known.slices.Load() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.services.Update(r.serviceChanges)
	r.endpoints.Update(r.endpointsChanges)

	wanted := map[at]backends{}
	for name, service := range r.services {
		internal, external := r.backendsOf(name, service)
		if ip, ok := netip.AddrFromSlice(service.ClusterIP().To4()); ok && len(internal.endpoints) > 0 {
			wanted[at{service.Protocol(), netip.AddrPortFrom(ip, uint16(service.Port()))}] = internal
		}
		if service.NodePort() == 0 || len(external.endpoints) == 0 {
			continue
		}
		for _, ip := range r.nodeIPs {
			wanted[at{service.Protocol(), netip.AddrPortFrom(ip, uint16(service.NodePort()))}] = external
		}
	}
	err := r.ports.set(context.Background(), wanted) //nolint:forbidigo // The tracker that calls this has no context; listening takes no time.
	r.known.all.Store(true)
	return err
}

// backendsOf are those for who calls from within the cluster, and from outside.
func (r *relaying) backendsOf(name proxy.ServicePortName, service proxy.ServicePort) (internal, external backends) {
	cluster, local, _, _ := proxy.CategorizeEndpoints(r.endpoints[name], service, r.node, nil)
	choose := func(localOnly bool) backends {
		b := backends{}
		if service.SessionAffinityType() == corev1.ServiceAffinityClientIP {
			b.sticky = time.Duration(service.StickyMaxAgeSeconds()) * time.Second
		}
		from := cluster
		if localOnly {
			from = local
		}
		for _, e := range from {
			if a, err := netip.ParseAddrPort(e.String()); err == nil {
				b.endpoints = append(b.endpoints, a)
			}
		}
		return b
	}
	return choose(service.InternalPolicyLocal()), choose(service.ExternalPolicyLocal())
}

// What follows is how upstream's configuration tells of changes.

func (r *relaying) OnServiceAdd(s *corev1.Service) { r.OnServiceUpdate(nil, s) }

func (r *relaying) OnServiceUpdate(before, s *corev1.Service) {
	if r.serviceChanges.Update(before, s) {
		r.sync.Run()
	}
}

func (r *relaying) OnServiceDelete(s *corev1.Service) { r.OnServiceUpdate(s, nil) }

func (r *relaying) OnServiceSynced() {
	r.known.services.Store(true)
	r.sync.Run()
}

func (r *relaying) OnEndpointSliceAdd(s *discoveryv1.EndpointSlice) {
	if r.endpointsChanges.EndpointSliceUpdate(s, false) {
		r.sync.Run()
	}
}

func (r *relaying) OnEndpointSliceUpdate(_, s *discoveryv1.EndpointSlice) { r.OnEndpointSliceAdd(s) }

func (r *relaying) OnEndpointSliceDelete(s *discoveryv1.EndpointSlice) {
	if r.endpointsChanges.EndpointSliceUpdate(s, true) {
		r.sync.Run()
	}
}

func (r *relaying) OnEndpointSlicesSynced() {
	r.known.slices.Store(true)
	r.sync.Run()
}
