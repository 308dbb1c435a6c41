// Package network gives pods addresses of their own.
//
// Each pod has a network namespace with one end of a veth pair; the other end
// lies in this program's own namespace, which is the router between them. No
// two pods share a wire, so whatever goes from one to another passes through
// the router, where services are translated.
//
//	pod 10.244.3.7        this program's network namespace        pod 10.244.3.8
//	eth0 ─────────────── pod17  ── weir0 10.244.0.1 ──  pod18 ─────────────── eth0
//	                                 services 10.43.0.0/16
//	                                      │
//	                               way out (package outside)
//
// A namespace with its pair takes the kernel a few milliseconds, so some are
// always kept ready.
package network

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"

	"github.com/vishvananda/netlink"

	"github.com/weir-ml/weir/cluster/network/netns"
)

// A Config says which addresses there are.
type Config struct {
	// PodCIDR are the addresses of pods; its first is the router's.
	PodCIDR netip.Prefix
	// ServiceCIDR are the addresses of services: this namespace answers for
	// all of them, where nothing translates them before.
	ServiceCIDR netip.Prefix
	// Device is the interface that holds the router's address, weir0 if empty.
	Device string
	// Ready is how many namespaces are kept ready, 8 if zero.
	Ready int
}

// An Attachment is a pod's place on the network.
type Attachment struct {
	IP netip.Addr
	// Namespace is the pod's network namespace; it stays the network's. It is
	// nil where pods are on the machine's network.
	Namespace *os.File
}

// A PortMapping leads a port of the node to one of a pod.
type PortMapping struct {
	HostIP                  string // "" is every address of the node
	HostPort, ContainerPort uint16
	Protocol                string // TCP or UDP
}

// A Network hands out namespaces with addresses.
type Network struct {
	gateway netip.Addr
	links   *netlink.Handle
	ready   chan *place
	failed  chan error

	mu       sync.Mutex
	attached map[string]*attached
	free     *addresses
	machine  *machine // nil is none
}

type attached struct {
	place *place
	ports []io.Closer
}

// Start prepares the network namespace of this program, which should be its
// own, and keeps namespaces ready until the context ends.
func Start(ctx context.Context, c Config) (*Network, error) {
	if c.Device == "" {
		c.Device = "weir0"
	}
	if c.Ready == 0 {
		c.Ready = 8
	}
	free, err := newAddresses(c.PodCIDR)
	if err != nil {
		return nil, err
	}
	links, err := netlink.NewHandle(routing)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	n := &Network{
		gateway:  free.gateway,
		links:    links,
		ready:    make(chan *place, c.Ready),
		failed:   make(chan error),
		attached: map[string]*attached{},
		free:     free,
	}
	if err := n.prepare(c); err != nil {
		links.Close()
		return nil, err
	}
	netns.OwnThread(func() { n.keepReady(ctx) })
	return n, nil
}

// Gateway is the router's address: every pod can reach this program there, and
// the node has it as its own.
func (n *Network) Gateway() netip.Addr { return n.gateway }

// Attach gives the pod with this id a namespace with an address, and leads
// ports of the node to it. It fails when the kernel refuses a namespace, when
// no address is free, and when a port is taken.
func (n *Network) Attach(ctx context.Context, id string, ports []PortMapping) (*Attachment, error) {
	var p *place
	select {
	case p = <-n.ready:
	case err := <-n.failed:
		return nil, fmt.Errorf("attach %s: %w", id, err)
	case <-ctx.Done():
		return nil, fmt.Errorf("attach %s: %w", id, ctx.Err())
	}
	open, err := n.openPorts(ctx, ports, p.address)
	if err != nil {
		n.release(p)
		return nil, fmt.Errorf("attach %s: %w", id, err)
	}

	n.mu.Lock()
	before := n.attached[id]
	n.attached[id] = &attached{place: p, ports: open}
	n.mu.Unlock()
	n.close(before)
	return &Attachment{IP: p.address, Namespace: p.namespace}, nil
}

// Detach takes back what Attach gave. An id that is not known is one that has
// been detached.
func (n *Network) Detach(id string) error {
	n.mu.Lock()
	a := n.attached[id]
	delete(n.attached, id)
	n.mu.Unlock()
	n.close(a)
	return nil
}

func (n *Network) close(a *attached) {
	if a == nil {
		return
	}
	closeAll(a.ports)
	n.release(a.place)
}

// release lets go of a namespace. The kernel ends it, and the veth pair with
// it, once its last process is gone; many at once cost it little more than one.
// Deleting the pair here would hold up all others for a few milliseconds.
func (n *Network) release(p *place) {
	if p.link != 0 {
		_ = n.links.RouteDel(p.route())
	}
	_ = p.namespace.Close()
	n.mu.Lock()
	n.free.put(p.address)
	n.mu.Unlock()
}
