// Package relay carries connections and datagrams from where they arrive to
// where they are wanted, in this process: what a kernel does with address
// translation, for kernels that are not ours to configure.
//
//	client ──▶ listener ── Pick(client) ──▶ target
package relay

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Targets say where connections and datagrams go.
type Targets interface {
	// Pick says where this client's go; false when there is nowhere.
	Pick(client netip.AddrPort) (netip.AddrPort, bool)
	// Has says whether what goes to a target already may go on doing so. It is
	// asked of datagrams; a connection lasts as long as its two ends want.
	Has(target netip.AddrPort) bool
}

// To is one target for all.
type To netip.AddrPort

// Pick returns the target.
func (t To) Pick(netip.AddrPort) (netip.AddrPort, bool) { return netip.AddrPort(t), true }

// Has says that the target stays.
func (t To) Has(netip.AddrPort) bool { return true }

// dialTimeout is how long a target may take to accept. It is a machine away at
// most, so what takes longer has gone.
const dialTimeout = 5 * time.Second

// TCP relays every connection that l accepts, until l is closed. It returns
// when it accepts no more; connections under way go on.
func TCP(l net.Listener, targets Targets) error {
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of files, for instance: the next may have better luck, but
			// not at once.
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // There is no fact to wait for.
			continue
		}
		go relay(client, targets)
	}
}

func relay(client net.Conn, targets Targets) {
	target, ok := targets.Pick(addrPort(client.RemoteAddr()))
	if !ok {
		reset(client)
		return
	}
	server, err := net.DialTimeout("tcp", target.String(), dialTimeout)
	if err != nil {
		reset(client)
		return
	}
	Join(client, server)
}

// reset lets the client see that nobody has taken the connection, rather than
// somebody who had nothing to say.
func reset(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// Join carries bytes between a and b until both directions have ended, and
// closes both. Either side may say that it has finished, and still be read from.
func Join(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
	_, _ = a.Close(), b.Close()
}

func carry(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		// One direction is broken: nothing sensible can come of the other.
		reset(to)
		reset(from)
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort()
	case *net.UDPAddr:
		return a.AddrPort()
	}
	return netip.AddrPort{}
}
