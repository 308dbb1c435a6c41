package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// server listens and does something with each connection.
func server(t *testing.T, do func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go do(c.(*net.TCPConn))
		}
	}()
	return addrPort(l.Addr())
}

// through is a connection by way of a relay.
func through(t *testing.T, targets Targets) (*net.TCPConn, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { _ = TCP(l, targets) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn), nil
}

// A side that has said all that it has to say can still listen.
func TestTCPHalfClosed(t *testing.T) {
	at := server(t, func(c *net.TCPConn) {
		heard, _ := io.ReadAll(c)
		_, _ = c.Write(bytes.ToUpper(heard))
		_ = c.Close()
	})
	c, err := through(t, To(at))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "HELLO" {
		t.Errorf("heard %q, %v", got, err)
	}
}

// What breaks on one side is broken on the other, and not merely over.
func TestTCPReset(t *testing.T) {
	at := server(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
		_ = c.Close()
	})
	for name, targets := range map[string]Targets{"ByTheServer": To(at), "ForWantOfOne": nowhere{}, "ForWantOfAnswer": To(netip.MustParseAddrPort("127.0.0.1:1"))} {
		c, err := through(t, targets)
		if err == nil {
			_, _ = io.WriteString(c, "hello")
			_, err = io.ReadAll(c)
		}
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%s: %v, want a reset", name, err)
		}
	}
}

type nowhere struct{}

func (nowhere) Pick(netip.AddrPort) (netip.AddrPort, bool) { return netip.AddrPort{}, false }
func (nowhere) Has(netip.AddrPort) bool                    { return false }

// moving leads to one target after the other.
type moving struct {
	targets []netip.AddrPort
	at      atomic.Int32
}

func (m *moving) Pick(netip.AddrPort) (netip.AddrPort, bool) { return m.targets[m.at.Load()], true }
func (m *moving) Has(target netip.AddrPort) bool             { return m.targets[m.at.Load()] == target }

// Datagrams of one client go to one target, and to another when that has gone.
func TestUDP(t *testing.T) {
	m := &moving{}
	for _, name := range []string{"a", "b"} {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		m.targets = append(m.targets, addrPort(c.LocalAddr()))
		go func() {
			for b := make([]byte, 10); ; {
				_, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = c.WriteTo([]byte(name), from)
			}
		}()
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- UDP(l.(*net.UDPConn), m) }()
	c, err := net.Dial("udp", l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, want := range []string{"a", "a", "b"} {
		if want == "b" {
			m.at.Store(1)
		}
		_, _ = io.WriteString(c, "?")
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 10)
		if n, err := c.Read(b); err != nil || string(b[:n]) != want {
			t.Errorf("answered by %q, %v, want by %q", b[:n], err, want)
		}
	}
	_ = l.Close()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// BenchmarkConnection is a connection, one byte there and back, by way of a
// relay; the way without is there to compare with.
func BenchmarkConnection(b *testing.B) {
	echo := func(c *net.TCPConn) {
		_, _ = io.Copy(c, c)
		_ = c.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echo(c.(*net.TCPConn))
		}
	}()
	relayed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer relayed.Close()
	go func() { _ = TCP(relayed, To(addrPort(l.Addr()))) }()

	for name, at := range map[string]string{"Direct": l.Addr().String(), "Relayed": relayed.Addr().String()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c, err := net.Dial("tcp", at)
				if err != nil {
					b.Fatal(err)
				}
				one := make([]byte, 1)
				if _, err := c.Write(one); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(one); err != nil {
					b.Fatal(err)
				}
				_ = c.Close()
			}
		})
		b.Run(name+"Bytes", func(b *testing.B) {
			c, err := net.Dial("tcp", at)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			const chunk = 1 << 20
			b.SetBytes(chunk)
			out, back := make([]byte, chunk), make([]byte, chunk)
			for b.Loop() {
				go func() { _, _ = c.Write(out) }()
				if _, err := io.ReadFull(c, back); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
