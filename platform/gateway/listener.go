package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// tlsHandshake is the first byte of a connection that speaks TLS.
const tlsHandshake = 0x16

// A fork tells connections that speak TLS from those that do not, so that one
// port takes both: browsers open a laptop's door without a certificate to accept,
// and kubectl sends tokens by TLS alone.
type fork struct {
	from          net.Listener
	secure, plain *lane
	config        *tls.Config
}

func newFork(l net.Listener, config *tls.Config) *fork {
	return &fork{from: l, config: config, secure: newLane(l.Addr()), plain: newLane(l.Addr())}
}

// run sorts connections until the listener is closed.
func (f *fork) run(ctx context.Context) error {
	defer f.secure.Close()
	defer f.plain.Close()
	for {
		c, err := f.from.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go f.sort(c)
	}
}

func (f *fork) sort(c net.Conn) {
	peeked := &peekedConn{Conn: c}
	if err := peeked.peek(); err != nil {
		_ = c.Close()
		return
	}
	if peeked.first[0] == tlsHandshake && f.config != nil {
		f.secure.take(tls.Server(peeked, f.config))
		return
	}
	f.plain.take(peeked)
}

// A peekedConn is a connection whose first byte has been looked at.
type peekedConn struct {
	net.Conn
	first [1]byte
	kept  bool
}

func (c *peekedConn) peek() error {
	if err := c.SetReadDeadline(time.Now().Add(idlePatience)); err != nil {
		return err
	}
	if _, err := c.Conn.Read(c.first[:]); err != nil {
		return err
	}
	c.kept = true
	return c.SetReadDeadline(time.Time{})
}

// Read gives the byte back first.
func (c *peekedConn) Read(p []byte) (int, error) {
	if !c.kept || len(p) == 0 {
		return c.Conn.Read(p)
	}
	c.kept = false
	p[0] = c.first[0]
	return 1, nil
}

// ReadFrom leaves it to the connection, by which the kernel sends files.
func (c *peekedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// A lane is a listener of connections that somebody else has accepted.
type lane struct {
	address net.Addr
	conns   chan net.Conn
	closed  context.Context
	close   context.CancelFunc
}

func newLane(address net.Addr) *lane {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // It is how a lane is closed, and no work hangs on it.
	return &lane{address: address, conns: make(chan net.Conn), closed: ctx, close: cancel}
}

func (l *lane) take(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed.Done():
		_ = c.Close()
	}
}

// Accept is the next connection.
func (l *lane) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

// Close lets Accept end.
func (l *lane) Close() error { l.close(); return nil }

// Addr is where the connections come in.
func (l *lane) Addr() net.Addr { return l.address }

type connKey struct{}

// withConn lets a request know its connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// insecure says whether a request came without TLS where that is not allowed.
func (g *Gateway) insecure(r *http.Request) bool {
	if r.TLS != nil || g.config.Plain == nil {
		return false
	}
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	return ok && !g.config.Plain(c.LocalAddr())
}

// secureInstead leads a request to the same by TLS. What it said has been heard
// by others already, so nothing that changes anything is led on.
func secureInstead(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "this door speaks TLS: ask by https://", http.StatusUpgradeRequired)
		return
	}
	http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

// serve serves all lanes until the first of them fails or ctx ends.
func (f *fork) serve(ctx context.Context, server *http.Server) error {
	ended := make(chan error, 3)
	go func() { ended <- f.run(ctx) }()
	for _, l := range []*lane{f.secure, f.plain} {
		go func() { ended <- server.Serve(l) }()
	}
	select {
	case err := <-ended:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	case <-ctx.Done():
		_ = f.from.Close()
		return nil
	}
}
