package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/weir-ml/weir/cluster/network/relay"
)

// at is where to listen.
type at struct {
	protocol corev1.Protocol
	netip.AddrPort
}

// ports are the listeners that are open, each with its backends.
type ports struct {
	machine Machine
	open    map[at]*port
}

type port struct {
	*balancer
	close func() error
}

func newPorts(m Machine) *ports { return &ports{machine: m, open: map[at]*port{}} }

// set closes what is not wanted any more, opens what is, and tells all of them
// where to lead. One that cannot be opened does not keep the others from it; the
// error names all of them.
func (p *ports) set(ctx context.Context, wanted map[at]backends) error {
	for a, open := range p.open {
		if _, ok := wanted[a]; !ok {
			_ = open.close()
			delete(p.open, a)
		}
	}
	var errs []error
	for a, b := range wanted {
		if open := p.open[a]; open != nil {
			open.set(b)
			continue
		}
		opened, err := p.listen(ctx, a, b)
		if err != nil {
			errs = append(errs, fmt.Errorf("listen on %s/%s: %w", a.AddrPort, a.protocol, err))
			continue
		}
		p.open[a] = opened
	}
	return errors.Join(errs...)
}

func (p *ports) listen(ctx context.Context, a at, b backends) (*port, error) {
	lb := newBalancer(b)
	switch a.protocol {
	case corev1.ProtocolTCP:
		l, err := p.machine.Listen(ctx, a.String())
		if err != nil {
			return nil, err
		}
		go func() { _ = relay.TCP(l, lb) }()
		return &port{lb, l.Close}, nil
	case corev1.ProtocolUDP:
		c, err := p.machine.ListenPacket(ctx, a.String())
		if err != nil {
			return nil, err
		}
		go func() { _ = relay.UDP(c.(*net.UDPConn), lb) }()
		return &port{lb, c.Close}, nil
	}
	return nil, fmt.Errorf("protocol %s is not relayed: it takes nftables", a.protocol)
}

// here listens in this network namespace.
type here struct{ net.ListenConfig }

func (h here) Listen(ctx context.Context, address string) (net.Listener, error) {
	return h.ListenConfig.Listen(ctx, "tcp", address)
}

func (h here) ListenPacket(ctx context.Context, address string) (net.PacketConn, error) {
	return h.ListenConfig.ListenPacket(ctx, "udp", address)
}
