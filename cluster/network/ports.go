package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"

	"github.com/weir-ml/weir/cluster/network/relay"
)

// A machine is where ports of the node are open too.
type machine struct {
	relay.Place
	address netip.Addr
}

// OpenPortsOn makes the ports of the node that pods ask for be open in another
// network namespace too, at one address: the machine's, from where people call.
// It is for pods that are attached afterwards.
func (n *Network) OpenPortsOn(place relay.Place, address netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.machine = &machine{place, address}
}

// openPorts leads ports of the node to the pod with this address, and returns
// what closes them.
func (n *Network) openPorts(ctx context.Context, ports []PortMapping, pod netip.Addr) (open []io.Closer, err error) {
	n.mu.Lock()
	machine := n.machine
	n.mu.Unlock()
	for _, p := range ports {
		if p.HostPort == 0 {
			continue
		}
		opened, err := p.open(ctx, machine, relay.To(netip.AddrPortFrom(pod, p.ContainerPort)))
		open = append(open, opened...)
		if err != nil {
			closeAll(open)
			return nil, fmt.Errorf("host port %d/%s: %w", p.HostPort, p.Protocol, err)
		}
	}
	return open, nil
}

func (p PortMapping) open(ctx context.Context, machine *machine, to relay.Targets) ([]io.Closer, error) {
	port := strconv.Itoa(int(p.HostPort))
	here, err := relay.Open(ctx, relay.Here{}, p.Protocol, net.JoinHostPort(p.HostIP, port), to)
	if err != nil {
		return nil, err
	}
	if machine == nil || !p.onMachine() {
		return []io.Closer{here}, nil
	}
	there, err := relay.Open(ctx, machine, p.Protocol, net.JoinHostPort(machine.address.String(), port), to)
	if err != nil {
		return []io.Closer{here}, fmt.Errorf("on the machine: %w", err)
	}
	return []io.Closer{here, there}, nil
}

// onMachine says whether the machine has the address too: an address of the
// node's own network, it has not.
func (p PortMapping) onMachine() bool {
	ip, err := netip.ParseAddr(p.HostIP)
	return err != nil || ip.IsUnspecified() || ip.IsLoopback()
}

func closeAll(open []io.Closer) {
	for _, c := range open {
		_ = c.Close()
	}
}
