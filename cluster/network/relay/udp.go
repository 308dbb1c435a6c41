package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// idle is how long the datagrams of one client go to the same target after the
// last one: the kernel's own time for a UDP stream.
const idle = 120 * time.Second

// maxDatagram is the longest datagram there is.
const maxDatagram = 64 << 10

// UDP relays the datagrams that c receives, and what comes back, until c is
// closed. Datagrams of one client go to one target as long as they keep coming
// and the target stays.
func UDP(c *net.UDPConn, targets Targets) error {
	f := &flows{listener: c, targets: targets, to: map[netip.AddrPort]*flow{}}
	defer f.close()

	buffer := make([]byte, maxDatagram)
	for {
		n, client, err := c.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue // the error of a datagram sent before, which its flow sees too
		}
		if server := f.of(client); server != nil {
			_, _ = server.Write(buffer[:n])
		}
	}
}

// flows are the clients that have been heard of lately.
type flows struct {
	listener *net.UDPConn
	targets  Targets

	mu sync.Mutex
	to map[netip.AddrPort]*flow
}

type flow struct {
	*net.UDPConn
	target netip.AddrPort
}

func (f *flows) of(client netip.AddrPort) *flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	if server := f.to[client]; server != nil {
		if f.targets.Has(server.target) {
			_ = server.SetReadDeadline(time.Now().Add(idle))
			return server
		}
		_ = server.Close()
		delete(f.to, client)
	}
	target, ok := f.targets.Pick(client)
	if !ok {
		return nil
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return nil
	}
	server := &flow{UDPConn: c, target: target}
	_ = server.SetReadDeadline(time.Now().Add(idle))
	f.to[client] = server
	go f.back(client, server)
	return server
}

// back carries what the server answers, until it has been silent for long or
// says that nobody is there.
func (f *flows) back(client netip.AddrPort, server *flow) {
	defer f.forget(client, server)
	buffer := make([]byte, maxDatagram)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		_ = server.SetReadDeadline(time.Now().Add(idle))
		if _, err := f.listener.WriteToUDPAddrPort(buffer[:n], client); errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (f *flows) forget(client netip.AddrPort, server *flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.to[client] == server {
		delete(f.to, client)
	}
	_ = server.Close()
}

func (f *flows) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, server := range f.to {
		_ = server.Close()
	}
}

// Exchange carries datagrams between a and b, which are connected to one client
// and one server, until both have been silent for long, and closes both.
func Exchange(a, b net.Conn) {
	var both sync.WaitGroup
	carry := func(to, from net.Conn) {
		buffer := make([]byte, maxDatagram)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				break
			}
			until := time.Now().Add(idle)
			_, _ = a.SetReadDeadline(until), b.SetReadDeadline(until)
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		_, _ = a.Close(), b.Close()
	}
	until := time.Now().Add(idle)
	_, _ = a.SetReadDeadline(until), b.SetReadDeadline(until)
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}
