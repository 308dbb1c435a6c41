// Package etcd keeps the cluster's objects: upstream's etcd, embedded, with one
// member, which answers on a socket that only its owner may open.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Config says where etcd keeps its data and where it listens.
type Config struct {
	// Dir holds the data. It is made when absent.
	Dir string
	// Sockets is a private folder with a short path: a socket's name has at
	// most 107 bytes.
	Sockets string
	// Log is the file that takes etcd's own log.
	Log string
}

// A Server is a running etcd.
type Server struct {
	// Endpoint is where clients connect.
	Endpoint string

	ready chan struct{}
	done  chan error
}

// Ready is closed once etcd has elected itself and serves.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Done yields once, when etcd has ended: nil if it was asked to.
func (s *Server) Done() <-chan error { return s.done }

// Start runs etcd until ctx ends.
func Start(ctx context.Context, c Config) (*Server, error) {
	config := embed.NewConfig()
	config.Dir = c.Dir
	config.LogLevel = "error"
	config.LogOutputs = []string{c.Log}
	// A single member waits for its own election: the time-out is short, and
	// ticks are as rare as it allows, since each costs a little when idle.
	config.TickMs, config.ElectionMs = 20, 100
	config.AutoCompactionMode, config.AutoCompactionRetention = embed.CompactorModePeriodic, "5m"
	config.QuotaBackendBytes = 8 << 30

	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	client, peer := socket(c.Sockets, "client"), socket(c.Sockets, "peer")
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	e, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start etcd in %s: %w", c.Dir, err)
	}
	s := &Server{Endpoint: client.String(), ready: make(chan struct{}), done: make(chan error, 1)}
	go s.run(ctx, e)
	return s, nil
}

func (s *Server) run(ctx context.Context, e *embed.Etcd) {
	for ready := e.Server.ReadyNotify(); ; {
		select {
		case <-ready:
			close(s.ready)
			ready = nil
		case err := <-e.Err():
			e.Close()
			s.done <- fmt.Errorf("etcd: %w", err)
			return
		case <-e.Server.StopNotify():
			e.Close()
			s.done <- errors.New("etcd stopped by itself")
			return
		case <-ctx.Done():
			closeWithin(e, 5*time.Second)
			s.done <- nil
			return
		}
	}
}

// closeWithin closes etcd, but does not wait for clients who keep connections
// open: what was acknowledged is on disk already.
func closeWithin(e *embed.Etcd, d time.Duration) {
	closed := make(chan struct{})
	go func() {
		e.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(d):
	}
}

func socket(dir, name string) url.URL {
	return url.URL{Scheme: "unix", Path: filepath.Join(dir, "etcd-"+name)}
}
