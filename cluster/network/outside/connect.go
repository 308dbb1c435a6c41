package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
)

// A Gateway is the inner process's way out.
type Gateway struct {
	// DNS answers as the machine's own resolver does, on port 53.
	DNS netip.Addr

	mu      sync.Mutex // a request and its reply are one
	control *net.UnixConn
}

// Connect makes the default route of this network namespace lead outside. What
// this process sends comes from source, which must be an address of its own, as
// the router's is; what others send through it keeps its address. The file is
// the inner one of Pair.
func Connect(ctx context.Context, file *os.File, source netip.Addr) (*Gateway, error) {
	control, err := open(file)
	if err != nil {
		return nil, err
	}
	packets, err := wire(source)
	if err != nil {
		_ = control.Close()
		return nil, err
	}
	defer closeAll(packets)
	g := &Gateway{DNS: far, control: control}
	if _, err := g.ask(ctx, request{Link: true}, packets...); err != nil {
		_ = control.Close()
		return nil, fmt.Errorf("hand over the way out: %w", err)
	}
	return g, nil
}

// Close takes the way out back.
func (g *Gateway) Close() error { return g.control.Close() }

// Listen listens for TCP connections in the machine's network namespace, at an
// address such as 127.0.0.1:8080.
func (g *Gateway) Listen(ctx context.Context, address string) (net.Listener, error) {
	file, err := g.socket(ctx, listen{Network: "tcp", Address: address})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileListener(file)
}

// ListenPacket does the same for UDP.
func (g *Gateway) ListenPacket(ctx context.Context, address string) (net.PacketConn, error) {
	file, err := g.socket(ctx, listen{Network: "udp", Address: address})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FilePacketConn(file)
}

func (g *Gateway) socket(ctx context.Context, l listen) (*os.File, error) {
	files, err := g.ask(ctx, request{Listen: &l})
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		closeAll(files)
		return nil, fmt.Errorf("listen on %s: the outer process handed over %d sockets", l.Address, len(files))
	}
	return files[0], nil
}

// ask sends a request and waits for its reply.
func (g *Gateway) ask(ctx context.Context, r request, files ...*os.File) ([]*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := send(g.control, r, files...); err != nil {
		return nil, fmt.Errorf("ask the outer process: %w", err)
	}
	var answer reply
	received, err := receive(g.control, &answer)
	if err != nil {
		return nil, fmt.Errorf("ask the outer process: %w", err)
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return received, nil
}
