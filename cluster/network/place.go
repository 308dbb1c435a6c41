package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// mtu is that of all wires here: none has an end outside of this machine, so
// the longest packet there is costs the least.
const mtu = 65520

// A place is a network namespace that waits for a pod, or has one.
type place struct {
	namespace *os.File
	address   netip.Addr
	gateway   netip.Addr
	link      int // the router's end of the wire
}

// route leads to the pod.
func (p *place) route() *netlink.Route {
	return &netlink.Route{
		LinkIndex: p.link, Dst: ipNet(netip.PrefixFrom(p.address, 32)),
		Src: p.gateway.AsSlice(), Scope: unix.RT_SCOPE_LINK,
	}
}

// keepReady makes places until ctx ends. It has a thread to itself, and leaves
// that in the namespace it made last.
func (n *Network) keepReady(ctx context.Context) {
	router, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.fail(ctx, fmt.Errorf("open this network namespace: %w", err))
		return
	}
	defer router.Close()
	for ctx.Err() == nil {
		p, err := n.newPlace(router)
		if err != nil {
			n.fail(ctx, err)
			continue
		}
		select {
		case n.ready <- p:
		case <-ctx.Done():
			n.release(p)
		}
	}
	for {
		select {
		case p := <-n.ready:
			n.release(p)
		default:
			return
		}
	}
}

// fail tells whoever waits for a place, and waits a moment for somebody to.
func (n *Network) fail(ctx context.Context, err error) {
	select {
	case n.failed <- err:
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// newPlace makes a namespace with an address, wired to the router's. The calling
// thread is in the new namespace afterwards.
func (n *Network) newPlace(router *os.File) (*place, error) {
	n.mu.Lock()
	address, err := n.free.take()
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p := &place{address: address, gateway: n.gateway}
	if err := n.build(p, router); err != nil {
		n.release(p)
		return nil, err
	}
	return p, nil
}

func (n *Network) build(p *place, router *os.File) (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if p.namespace, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return fmt.Errorf("open the new network namespace: %w", err)
	}
	wire := fmt.Sprintf("pod%x", p.address.As4())
	if err := p.furnish(router, wire); err != nil {
		return err
	}
	link, err := n.links.LinkByName(wire)
	if err != nil {
		return fmt.Errorf("find %s: %w", wire, err)
	}
	p.link = link.Attrs().Index
	if err := n.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", wire, err)
	}
	if err := n.links.RouteReplace(p.route()); err != nil {
		return fmt.Errorf("route %s to %s: %w", p.address, wire, err)
	}
	return n.untilUp(p)
}

// untilUp waits until both ends of the wire carry packets. The kernel says so
// only after it has set them up, in its own time, and drops what comes before:
// a pod's first connection would take a second longer.
func (n *Network) untilUp(p *place) error {
	for range 1000 {
		outer, err := n.links.LinkByIndex(p.link)
		if err != nil {
			return fmt.Errorf("look at the router's end of the wire: %w", err)
		}
		inner, err := netlink.LinkByName("eth0")
		if err != nil {
			return fmt.Errorf("look at the pod's end of the wire: %w", err)
		}
		if outer.Attrs().OperState == netlink.OperUp && inner.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("the wire to %s stays down", p.address)
}

// furnish sets up what the pod sees: lo, and eth0 with its address and the way
// to everyone else. It runs in the new namespace.
func (p *place) furnish(router *os.File, wire string) error {
	// The kernel may lack these; what a pod would miss then is small.
	_ = setSysctl("net/ipv6/conf/default/disable_ipv6", "1")
	_ = setSysctl("net/ipv4/ip_unprivileged_port_start", "0")
	if setSysctl("net/ipv4/ping_group_range", "0 2147483647") != nil {
		_ = setSysctl("net/ipv4/ping_group_range", "0 0") // in a user namespace there is one group
	}

	links, err := netlink.NewHandle(routing)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer links.Close()
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = "eth0", mtu
	err = links.LinkAdd(&netlink.Veth{
		LinkAttrs: attributes, PeerName: wire, PeerMTU: mtu, PeerNamespace: netlink.NsFd(int(router.Fd())),
	})
	if err != nil {
		return fmt.Errorf("add veth pair eth0, %s: %w", wire, err)
	}
	lo, errLo := links.LinkByName("lo")
	eth0, errEth := links.LinkByName("eth0")
	if err := errors.Join(errLo, errEth); err != nil {
		return fmt.Errorf("find the pod's interfaces: %w", err)
	}
	return errors.Join(
		links.LinkSetUp(lo),
		links.AddrAdd(eth0, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(p.address, 32))}),
		links.LinkSetUp(eth0),
		// The gateway is not in the pod's network of one address, but on the wire.
		links.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: p.gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)}),
	)
}

// onOwnThread runs f on a thread that nothing else runs on, and that ends with
// it. It is never the process's first: /proc/self is that one's.
func onOwnThread(f func()) {
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f)
			close(started)
			runtime.UnlockOSThread()
			return
		}
		close(started)
		f()
	}()
	<-started
}
