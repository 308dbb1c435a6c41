package main

import (
	"net"
	"sync"
)

// A joined listener accepts what any of several listeners accept. Its address
// is the first one's.
type joined struct {
	listeners []net.Listener
	accepted  chan accept
	closed    chan struct{}
	once      sync.Once
}

type accept struct {
	conn net.Conn
	err  error
}

// join makes one listener of several: the machine's and the pods' network lead
// to the same server.
func join(listeners ...net.Listener) net.Listener {
	j := &joined{listeners: listeners, accepted: make(chan accept), closed: make(chan struct{})}
	for _, l := range listeners {
		go j.acceptFrom(l)
	}
	return j
}

func (j *joined) acceptFrom(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case j.accepted <- accept{conn, err}:
		case <-j.closed:
			if conn != nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			return
		}
	}
}

// Accept returns the next connection of any of the listeners.
func (j *joined) Accept() (net.Conn, error) {
	select {
	case a := <-j.accepted:
		return a.conn, a.err
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

// Close closes all the listeners.
func (j *joined) Close() error {
	var first error
	j.once.Do(func() {
		close(j.closed)
		for _, l := range j.listeners {
			if err := l.Close(); err != nil && first == nil {
				first = err
			}
		}
	})
	return first
}

// Addr is the address of the first listener.
func (j *joined) Addr() net.Addr { return j.listeners[0].Addr() }
