package cri

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialIn connects to a port of localhost in a network namespace; nil is this program's own.
func dialIn(ctx context.Context, network *os.File, port int32) (net.Conn, error) {
	if network == nil {
		return dialLocal(ctx, port)
	}

	type result struct {
		conn net.Conn
		err  error
	}
	dialed := make(chan result, 1)
	go func() {
		// A socket belongs for good to the namespace of the thread that made it. The
		// thread is never unlocked, so it ends with the goroutine and nobody else
		// finds themselves in the pod.
		runtime.LockOSThread()
		if err := enter(network); err != nil {
			dialed <- result{err: err}
			return
		}
		conn, err := dialLocal(ctx, port)
		dialed <- result{conn, err}
	}()
	r := <-dialed
	return r.conn, r.err
}

func enter(network *os.File) error {
	conn, err := network.SyscallConn()
	if err != nil {
		return fmt.Errorf("enter the pod's network: %w", err)
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = unix.Setns(int(fd), unix.CLONE_NEWNET) }); err != nil {
		failed = err
	}
	if failed != nil {
		return fmt.Errorf("enter the pod's network: %w", failed)
	}
	return nil
}

// dialLocal tries both addresses of localhost, in the calling goroutine alone.
func dialLocal(ctx context.Context, port int32) (net.Conn, error) {
	var dialer net.Dialer
	conn, err4 := dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err4 == nil {
		return conn, nil
	}
	conn, err := dialer.DialContext(ctx, "tcp6", fmt.Sprintf("[::1]:%d", port))
	if err == nil {
		return conn, nil
	}
	return nil, err4
}
