package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/ui"
)

// A clusterDoor is the front door beside a cluster that somebody else runs: to its
// pages, its API and what the controllers answer. S3 and images are not behind it.
type clusterDoor struct {
	address, host, settings string
	listener                net.Listener
	gateway                 *gateway.Gateway
}

func (d *clusterDoor) flags(f *pflag.FlagSet) {
	f.StringVar(&d.address, "front-door-bind-address", "", "where people find the pages and the cluster's API, with TLS unless it is a loopback; empty is nowhere")
	f.StringVar(&d.host, "front-door-host", "localhost", "host of the certificate that the front door makes itself; weir.yaml can name one that was given")
	f.StringVar(&d.settings, "settings-dir", "/etc/weir", "folder whose weir.yaml says how people sign in, and by which certificate; without one, by weir's own ways")
}

// open makes the door, before the controllers add to it.
func (d *clusterDoor) open(ctx context.Context, config *rest.Config) error {
	s, err := readSettings(d.settings)
	if err != nil {
		return err
	}
	people, err := identity.New(ctx, config)
	if err != nil {
		return err
	}
	own, authority, err := selfSigned(d.host)
	if err != nil {
		return err
	}
	now := newReread(d.settings, s)
	known, err := newCertificates(d.settings, own, now.settings)
	if err != nil {
		return err
	}
	if d.listener, err = net.Listen("tcp", d.address); err != nil {
		return fmt.Errorf("--front-door-bind-address %s: %w; name another, or none", d.address, err)
	}
	d.gateway, err = gateway.New(gateway.Config{
		REST: config, Identity: people, Pages: ui.Handler(), Audit: slog.New(slog.NewJSONHandler(os.Stdout, nil)),
		SignIn: func() *gateway.SignIn { return &now.settings().SignIn },
		Limits: func() gateway.RequestLimits { return now.settings().FrontDoor.Limits },
		TLS:    known.config(),
		Plain:  func(a net.Addr) bool { return a.(*net.TCPAddr).IP.IsLoopback() },
		Authority: func(host string) []byte {
			if known.names(host) {
				return nil
			}
			return authority
		},
	}, menuRoute(now))
	return err
}
