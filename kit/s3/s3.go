// Package s3 serves S3 over a folder: versitygw, embedded, where what has been
// acknowledged is on the disk.
//
//	listeners ──▶ versitygw ──▶ durable ──▶ Dir/buckets
//
// Buckets are folders and objects are files in them, so people can look, and
// copy them away.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

// A Config says what to serve, and to whom.
type Config struct {
	// Dir holds the buckets. It is made when absent.
	Dir string
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
	maxParts       = 10000   // as AWS has it
	maxCopy        = 5 << 30 // bytes, as AWS has it
	patience       = 5 * time.Second
)

// Start serves until ctx ends, and then finishes the requests that it has. When
// Start returns, requests are taken.
func Start(ctx context.Context, c Config) (*Server, error) {
	app, err := appOf(c)
	if err != nil {
		return nil, fmt.Errorf("start S3 in %s: %w", c.Dir, err)
	}
	app.Handler() // puts the routes in order, which serving on a listener would do
	ended := make(chan error, len(c.Listeners))
	for _, l := range c.Listeners {
		go func() { ended <- app.Server().Serve(l) }()
	}
	s := &Server{done: make(chan error, 1)}
	go func() {
		var err error
		select {
		case <-ctx.Done():
		case err = <-ended:
		}
		// What does not end in time was not acknowledged, and is lost.
		_ = app.ShutdownWithTimeout(patience)
		for _, l := range c.Listeners {
			_ = l.Close() // one that was not served yet is still open
		}
		s.done <- err
	}()
	return s, nil
}

func appOf(c Config) (*fiber.App, error) {
	if c.AccessKey == "" || c.SecretKey == "" {
		return nil, errors.New("no keys were given: S3 without keys would be open to everybody")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	buckets := filepath.Join(dir, "buckets")
	if err := os.MkdirAll(buckets, 0o700); err != nil {
		return nil, err
	}
	attributes, err := attributesIn(dir, buckets)
	if err != nil {
		return nil, err
	}
	there, err := newPlace(buckets)
	if err != nil {
		return nil, err
	}
	var files *posix.Posix
	there.do(func() { files, err = posix.New(buckets, attributes, posix.PosixOpts{CopyObjectThreshold: maxCopy}) })
	if err != nil {
		return nil, err
	}
	signed := links{access: c.AccessKey, secret: c.SecretKey, region: c.Region, now: time.Now}
	gateway, err := s3api.New(
		&durable{Posix: files, root: buckets, region: c.Region, sync: syncPath},
		middlewares.RootUserConfig{Access: c.AccessKey, Secret: c.SecretKey}, c.Region,
		newAccount(c.AccessKey, c.SecretKey), nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(maxConnections, maxRequests), s3api.WithMpMaxParts(maxParts),
		s3api.WithMiddleware("/", func(request fiber.Ctx) (err error) {
			if err := signed.renew(request.Context(), request); err != nil {
				return err
			}
			there.do(func() { err = request.Next() })
			return err
		}),
	)
	if err != nil {
		return nil, err
	}
	return inside(gateway)
}

// inside is the app in a gateway, which keeps it to itself and binds addresses
// only by their names. Our listeners were made by somebody else, perhaps in
// another network namespace.
func inside(gateway *s3api.S3ApiServer) (*fiber.App, error) {
	field := reflect.ValueOf(gateway).Elem().FieldByName("app")
	if !field.IsValid() || field.Type() != reflect.TypeFor[*fiber.App]() {
		return nil, errors.New("this versitygw keeps its app elsewhere: bring kit/s3 up to it")
	}
	return (*fiber.App)(field.UnsafePointer()), nil
}
