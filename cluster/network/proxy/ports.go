package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/weir-ml/weir/cluster/network/relay"
)

// at is where to listen.
type at struct {
	protocol corev1.Protocol
	netip.AddrPort
}

// ports are the listeners that are open, each with its backends.
type ports struct {
	where relay.Place
	open  map[at]*port
}

type port struct {
	*balancer
	io.Closer
}

func newPorts(where relay.Place) *ports { return &ports{where: where, open: map[at]*port{}} }

// set closes what is not wanted any more, opens what is, and tells all of them
// where to lead. One that cannot be opened does not keep the others from it; the
// error names all of them.
func (p *ports) set(ctx context.Context, wanted map[at]backends) error {
	for a, open := range p.open {
		if _, ok := wanted[a]; !ok {
			_ = open.Close()
			delete(p.open, a)
		}
	}
	var errs []error
	for a, b := range wanted {
		if open := p.open[a]; open != nil {
			open.set(b)
			continue
		}
		lb := newBalancer(b)
		opened, err := relay.Open(ctx, p.where, string(a.protocol), a.AddrPort.String(), lb)
		if err != nil {
			errs = append(errs, fmt.Errorf("listen on %s/%s: %w", a.AddrPort, a.protocol, err))
			continue
		}
		p.open[a] = &port{lb, opened}
	}
	return errors.Join(errs...)
}
