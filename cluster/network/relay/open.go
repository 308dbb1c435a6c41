package relay

import (
	"context"
	"fmt"
	"io"
	"net"
)

// A Place is a network namespace, to listen in.
type Place interface {
	Listen(ctx context.Context, address string) (net.Listener, error)
	ListenPacket(ctx context.Context, address string) (net.PacketConn, error)
}

// Here is the network namespace of this process.
type Here struct{}

// Listen listens for TCP connections.
func (Here) Listen(ctx context.Context, address string) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", address)
}

// ListenPacket listens for UDP datagrams.
func (Here) ListenPacket(ctx context.Context, address string) (net.PacketConn, error) {
	var c net.ListenConfig
	return c.ListenPacket(ctx, "udp", address)
}

// Open listens at an address for a protocol as Kubernetes writes it, TCP or UDP,
// and relays what comes until it is closed.
func Open(ctx context.Context, where Place, protocol, address string, targets Targets) (io.Closer, error) {
	switch protocol {
	case "TCP", "":
		l, err := where.Listen(ctx, address)
		if err != nil {
			return nil, err
		}
		go func() { _ = TCP(l, targets) }()
		return l, nil
	case "UDP":
		p, err := where.ListenPacket(ctx, address)
		if err != nil {
			return nil, err
		}
		c, ok := p.(*net.UDPConn)
		if !ok {
			_ = p.Close()
			return nil, fmt.Errorf("listen on %s: %T is no UDP connection", address, p)
		}
		go func() { _ = UDP(c, targets) }()
		return c, nil
	}
	return nil, fmt.Errorf("protocol %s is not relayed: only TCP and UDP are", protocol)
}
