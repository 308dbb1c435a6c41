// Package s3 serves S3 over a folder: versitygw, embedded, where what has been
// acknowledged is on the disk.
//
//	listeners ── bytes ──▶ socket ──▶ versitygw ──▶ durable ──▶ files in Dir
//
// Buckets are folders and objects are files in them, so people can look, and
// copy them away.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

// A Config says what to serve, and to whom.
type Config struct {
	// Dir holds the buckets. It is made when absent. It becomes the process's
	// working directory, since versitygw names files by where they lie in it.
	Dir string
	// Sockets is a private folder with a short path; a temporary one if empty.
	Sockets string
	// Listeners take the requests. They are closed in the end.
	Listeners []net.Listener
	// The one account, and the region that its requests must name.
	AccessKey, SecretKey, Region string
}

// A Server is a running S3.
type Server struct{ done chan error }

// Done yields once, when the server has ended: nil if it was asked to.
func (s *Server) Done() <-chan error { return s.done }

const (
	maxConnections = 4096
	maxRequests    = 1024
	maxParts       = 10000 // as AWS has it
)

// Start serves until ctx ends. It returns once requests are taken. A process
// can have one server.
func Start(ctx context.Context, c Config) (*Server, error) {
	gateway, socket, err := gatewayOf(c)
	if err != nil {
		return nil, fmt.Errorf("start S3 in %s: %w", c.Dir, err)
	}
	s := &Server{done: make(chan error, 1)}
	served := make(chan error, 1)
	go func() { served <- gateway.ServeMultiPort([]string{socket}) }()
	if err := awaitSocket(ctx, socket, served); err != nil {
		return nil, fmt.Errorf("start S3 in %s: %w", c.Dir, err)
	}

	var relays sync.WaitGroup
	for _, l := range c.Listeners {
		relays.Go(func() { relay(l, socket) })
	}
	go func() {
		var err error
		select {
		case <-ctx.Done():
		case err = <-served:
		}
		for _, l := range c.Listeners {
			_ = l.Close()
		}
		relays.Wait()
		_ = gateway.ShutDown() // what it has acknowledged is on the disk
		_ = os.Remove(socket)
		s.done <- err
	}()
	return s, nil
}

func gatewayOf(c Config) (*s3api.S3ApiServer, string, error) {
	if c.AccessKey == "" || c.SecretKey == "" {
		return nil, "", errors.New("no keys were given: S3 without keys would be open to everybody")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, "", err
	}
	buckets := filepath.Join(dir, "buckets")
	if err := os.MkdirAll(buckets, 0o700); err != nil {
		return nil, "", err
	}
	attributes, options, err := attributesIn(dir, buckets)
	if err != nil {
		return nil, "", err
	}
	files, err := posix.New(buckets, attributes, options)
	if err != nil {
		return nil, "", err
	}
	if c.Sockets == "" {
		if c.Sockets, err = os.MkdirTemp("", "weir-s3-"); err != nil {
			return nil, "", err
		}
	}
	root := auth.Account{Access: c.AccessKey, Secret: c.SecretKey, Role: auth.RoleAdmin}
	gateway, err := s3api.New(
		&durable{Backend: files, root: buckets, sync: syncFile},
		middlewares.RootUserConfig{Access: c.AccessKey, Secret: c.SecretKey}, c.Region,
		auth.NewIAMServiceSingle(root), nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(maxConnections, maxRequests), s3api.WithMpMaxParts(maxParts),
	)
	return gateway, filepath.Join(c.Sockets, "s3"), err
}

// attributesIn is where an object's metadata goes: into extended attributes of
// its file, or into files beside the buckets where the file system has none.
func attributesIn(dir, buckets string) (meta.MetadataStorer, posix.PosixOpts, error) {
	xattr := meta.XattrMeta{}
	if err := xattr.Test(buckets); err == nil {
		return xattr, posix.PosixOpts{}, nil
	}
	beside := filepath.Join(dir, "metadata")
	if err := os.MkdirAll(beside, 0o700); err != nil {
		return nil, posix.PosixOpts{}, err
	}
	sidecar, err := meta.NewSideCar(beside)
	return sidecar, posix.PosixOpts{SideCarDir: beside}, err
}

// relay passes connections on to the socket. The gateway binds addresses only
// by itself, and ours were made by somebody else, perhaps in another network
// namespace.
func relay(l net.Listener, socket string) {
	for {
		outer, err := l.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			defer outer.Close()
			inner, err := net.Dial("unix", socket)
			if err != nil {
				return
			}
			defer inner.Close()
			go func() {
				_, _ = io.Copy(inner, outer)
				_ = inner.(*net.UnixConn).CloseWrite()
			}()
			_, _ = io.Copy(outer, inner)
		}()
	}
}
