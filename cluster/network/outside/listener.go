package outside

import (
	"errors"
	"net"
	"sync"
)

// MultiListener accepts what any of the listeners accepts, for servers that
// take only one. Its address is that of the first.
func MultiListener(listeners ...net.Listener) net.Listener {
	m := &multiListener{listeners: listeners, accepted: make(chan accepted), closed: make(chan struct{})}
	for _, l := range listeners {
		go m.accept(l)
	}
	return m
}

type multiListener struct {
	listeners []net.Listener
	accepted  chan accepted
	closed    chan struct{}
	once      sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

func (m *multiListener) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case m.accepted <- accepted{conn, err}:
		case <-m.closed:
			if conn != nil {
				_ = conn.Close()
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Accept waits for the next connection to any of the listeners.
func (m *multiListener) Accept() (net.Conn, error) {
	select {
	case a := <-m.accepted:
		return a.conn, a.err
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close closes all of the listeners.
func (m *multiListener) Close() error {
	var err error
	m.once.Do(func() {
		close(m.closed)
		for _, l := range m.listeners {
			err = errors.Join(err, l.Close())
		}
	})
	return err
}

// Addr is the address of the first.
func (m *multiListener) Addr() net.Addr { return m.listeners[0].Addr() }
