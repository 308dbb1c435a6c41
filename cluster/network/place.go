package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/network/netns"
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
	router, err := netns.Current()
	if err != nil {
		n.fail(ctx, err)
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
	if p.namespace, err = netns.New(); err != nil {
		return err
	}
	inside, err := netlink.NewHandle(routing)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer inside.Close()
	setPodSysctls()

	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = "eth0", mtu
	wire := fmt.Sprintf("pod%x", p.address.As4())
	err = inside.LinkAdd(&netlink.Veth{
		LinkAttrs: attributes, PeerName: wire, PeerMTU: mtu, PeerNamespace: netlink.NsFd(int(router.Fd())),
	})
	if err != nil {
		return fmt.Errorf("add veth pair eth0, %s: %w", wire, err)
	}
	return errors.Join(n.leadTo(p, wire), p.furnish(inside), netns.UntilUp(n.links, wire), netns.UntilUp(inside, "eth0"))
}

// leadTo makes the router's end of the wire lead to the pod.
func (n *Network) leadTo(p *place, wire string) error {
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
	return nil
}

// setPodSysctls runs in the pod's namespace. What a pod would miss on a kernel
// that lacks one of these is small.
func setPodSysctls() {
	_ = setSysctl("net/ipv6/conf/default/disable_ipv6", "1")
	_ = setSysctl("net/ipv4/ip_unprivileged_port_start", "0")
	if setSysctl("net/ipv4/ping_group_range", "0 2147483647") != nil {
		_ = setSysctl("net/ipv4/ping_group_range", "0 0") // in a user namespace there is one group
	}
}

// furnish sets up what the pod sees: lo, and eth0 with its address and the way
// to everyone else.
func (p *place) furnish(links *netlink.Handle) error {
	lo, errLo := links.LinkByName("lo")
	eth0, errEth := links.LinkByName("eth0")
	if err := errors.Join(errLo, errEth); err != nil {
		return fmt.Errorf("find the pod's interfaces: %w", err)
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"set lo up", func() error { return links.LinkSetUp(lo) }},
		{"give eth0 its address", func() error {
			return links.AddrAdd(eth0, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(p.address, 32))})
		}},
		{"set eth0 up", func() error { return links.LinkSetUp(eth0) }},
		// The gateway is not in the pod's network of one address, but on the wire.
		{"add the pod's default route", func() error {
			return links.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: p.gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
		}},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}
