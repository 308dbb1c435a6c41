package outside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// A Config says what the outer process offers.
type Config struct {
	// ResolvConf names the machine's name servers, /etc/resolv.conf if empty.
	// They may well be on its loopback, where only the outer process reaches them.
	ResolvConf string
}

// Serve is the outer process's part: it carries what comes from the inner one
// out, until ctx ends or the inner process does. The file is the outer one of
// Pair.
//
// Who sends packets reaches what this process can reach, except the machine's
// loopback and link-local addresses: a service that listens there alone has been
// kept from the network on purpose, and a cloud machine's credentials lie there.
func Serve(ctx context.Context, file *os.File, c Config) error {
	if c.ResolvConf == "" {
		c.ResolvConf = "/etc/resolv.conf"
	}
	control, err := open(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = control.Close() })()
	defer control.Close()

	for {
		var r request
		files, err := receive(control, &r)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("hear what the inner process wants: %w", err)
		}
		var socket *os.File // to hand over
		switch {
		case r.Link && len(files) > 0:
			var s *stack
			if s, err = newStack(files, c.ResolvConf); err == nil {
				defer s.close()
			}
		case r.Listen != nil:
			socket, err = listenHere(ctx, *r.Listen)
		default:
			err = errors.New("the inner process asks for something unknown: is it another version?")
		}
		if err := answer(control, socket, err); err != nil {
			return fmt.Errorf("answer the inner process: %w", err)
		}
	}
}

func answer(control *net.UnixConn, socket *os.File, err error) error {
	if err != nil {
		return send(control, reply{Error: err.Error()})
	}
	if socket == nil {
		return send(control, reply{})
	}
	defer socket.Close()
	return send(control, reply{}, socket)
}

func listenHere(ctx context.Context, l listen) (*os.File, error) {
	var config net.ListenConfig
	switch l.Network {
	case "tcp":
		opened, err := config.Listen(ctx, l.Network, l.Address)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		return opened.(*net.TCPListener).File()
	case "udp":
		opened, err := config.ListenPacket(ctx, l.Network, l.Address)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		return opened.(*net.UDPConn).File()
	}
	return nil, fmt.Errorf("listen on %s: network %q is neither tcp nor udp", l.Address, l.Network)
}
