package cri

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/weir-ml/weir/cluster/network/netns"
)

// dialIn connects to a port of localhost in a network namespace; nil is this program's own.
func dialIn(ctx context.Context, network *os.File, port int32) (net.Conn, error) {
	if network == nil {
		return dialLocal(ctx, port)
	}
	var conn net.Conn
	err := netns.In(network, func() (err error) {
		conn, err = dialLocal(ctx, port)
		return err
	})
	return conn, err
}

// dialLocal tries both addresses of localhost, in the calling goroutine alone.
func dialLocal(ctx context.Context, port int32) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		return conn, nil
	}
	if conn, err6 := dialer.DialContext(ctx, "tcp6", fmt.Sprintf("[::1]:%d", port)); err6 == nil {
		return conn, nil
	}
	return nil, err
}
