package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/weir-ml/weir/cluster/network/relay"
)

const (
	nic = 1
	// connecting is how many connections may be on their way at once. Each is
	// a goroutine that dials; more would have to try again, as with any router.
	connecting = 1024
	// dialTimeout is how long the outside may take to accept a connection.
	dialTimeout = 30 * time.Second
)

// A stack takes every packet for its own, whatever its address, and dials that
// address in the machine's network for it.
type stack struct {
	*gvisor.Stack
	sockets  []*os.File
	resolver *resolver
	cancel   context.CancelFunc
}

func newStack(sockets []*os.File, resolvConf string) (*stack, error) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // The stack works until it is closed.
	s := &stack{sockets: sockets, cancel: cancel, Stack: gvisor.New(gvisor.Options{
		NetworkProtocols:   []gvisor.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []gvisor.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})}
	if err := s.configure(ctx, resolvConf); err != nil {
		s.close()
		return nil, fmt.Errorf("start the stack of the way out: %w", err)
	}
	return s, nil
}

func (s *stack) configure(ctx context.Context, resolvConf string) error {
	var fds []int
	for _, f := range s.sockets {
		fds = append(fds, int(f.Fd()))
	}
	link, err := fdbased.New(&fdbased.Options{
		FDs:                fds,
		MTU:                mtu,
		EthernetHeader:     true,
		Address:            tcpip.LinkAddress(mac(farMAC)),
		PacketDispatchMode: fdbased.PacketMMap,
		// The other end of the wire is this machine's memory.
		RXChecksumOffload: true,
	})
	if err != nil {
		return err
	}
	if err := s.CreateNIC(nic, link); err != nil {
		return errors.New(err.String())
	}
	address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: toStack(far).WithPrefix()}
	if err := s.AddProtocolAddress(nic, address, gvisor.AddressProperties{}); err != nil {
		return errors.New(err.String())
	}
	for _, set := range []func() tcpip.Error{
		func() tcpip.Error { return s.SetPromiscuousMode(nic, true) },
		func() tcpip.Error { return s.SetSpoofing(nic, true) },
		func() tcpip.Error {
			return s.AddStaticNeighbor(nic, ipv4.ProtocolNumber, toStack(near), tcpip.LinkAddress(mac(nearMAC)))
		},
		func() tcpip.Error {
			sack := tcpip.TCPSACKEnabled(true)
			return s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack)
		},
	} {
		if err := set(); err != nil {
			return errors.New(err.String())
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, Gateway: toStack(near), NIC: nic}})

	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s.Stack, 0, connecting, func(r *tcp.ForwarderRequest) { s.connection(ctx, r) }).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s.Stack, s.datagram).HandlePacket)
	s.resolver, err = startResolver(s.Stack, resolvConf)
	return err
}

// connection carries a TCP connection out. It is accepted once the other side
// has: what is refused there is refused here.
func (s *stack) connection(ctx context.Context, r *tcp.ForwarderRequest) {
	to := netip.AddrPortFrom(fromStack(r.ID().LocalAddress), r.ID().LocalPort)
	if !reachable(to.Addr()) {
		r.Complete(true)
		return
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	server, err := dialer.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		r.Complete(true)
		return
	}
	var queue waiter.Queue
	endpoint, refused := r.CreateEndpoint(&queue)
	r.Complete(refused != nil)
	if refused != nil { // the client has gone meanwhile
		_ = server.Close()
		return
	}
	relay.Join(gonet.NewTCPConn(&queue, endpoint), server)
}

// datagram carries a UDP flow out, from its first datagram on.
func (s *stack) datagram(r *udp.ForwarderRequest) {
	to := netip.AddrPortFrom(fromStack(r.ID().LocalAddress), r.ID().LocalPort)
	if !reachable(to.Addr()) {
		return
	}
	server, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return
	}
	var queue waiter.Queue
	endpoint, refused := r.CreateEndpoint(&queue)
	if refused != nil {
		_ = server.Close()
		return
	}
	go relay.Exchange(gonet.NewUDPConn(&queue, endpoint), server)
}

// reachable says whether the inner process and its pods may reach an address.
func reachable(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && a != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// close stops the stack. gVisor removes an interface under a lock that a packet
// under way may be waiting for, and waits for the packet: so packets are turned
// away first, and if that came to nothing the rest is left to the process's end.
func (s *stack) close() {
	s.cancel()
	if s.resolver != nil {
		s.resolver.close()
	}
	s.DisableNIC(nic)
	removed := make(chan struct{})
	go func() {
		defer close(removed)
		s.RemoveNIC(nic)
		s.Close()
		closeAll(s.sockets)
	}()
	select {
	case <-removed:
	case <-time.After(time.Second):
	}
}

func toStack(a netip.Addr) tcpip.Address   { return tcpip.AddrFrom4(a.As4()) }
func fromStack(a tcpip.Address) netip.Addr { return netip.AddrFrom4(a.As4()) }
