// Package s3 serves S3 over a folder: versitygw, embedded, where what has been
// acknowledged is on the disk.
//
//	listeners ──▶ versitygw ──▶ durable ──▶ Dir/buckets
//	Dial ───────▶ versitygw ─────┘
//
// Who dials in the process may come with further keys, and has looked what they
// may: here each may do everything.
//
// Buckets are folders and objects are files in them, so people can look, and
// copy them away.
package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp/fasthttputil"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
)

// A Config says what to serve, and to whom.
type Config struct {
	// Dir holds the buckets. It is made when absent.
	Dir string
	// Listeners take the requests. They are closed in the end.
	Listeners []net.Listener
	// The one account, and the region that its requests must name.
	AccessKey, SecretKey, Region string
	// Accounts yields the secret of a further key, which counts by Dial alone; nil
	// is none.
	Accounts func(access string) (secret string, there bool)
}

// A Server is a running S3.
type Server struct {
	done chan error
	// inner serves who dials, from when somebody first does.
	inner func() (*fasthttputil.InmemoryListener, error)
}

// Dial connects to the server as a part of the program that has found out what the
// requests it sends may do. They are signed by the keys of Config.Accounts, and
// no others.
func (s *Server) Dial() (net.Conn, error) {
	l, err := s.inner()
	if err != nil {
		return nil, fmt.Errorf("connect to S3: %w", err)
	}
	return l.Dial()
}

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
	b, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("start S3 in %s: %w", c.Dir, err)
	}
	app, err := b.app(c.AccessKey, c.SecretKey, newAccount(c.AccessKey, c.SecretKey))
	if err != nil {
		return nil, fmt.Errorf("start S3 in %s: %w", c.Dir, err)
	}
	ended := make(chan error, len(c.Listeners))
	for _, l := range c.Listeners {
		go func() { ended <- app.Server().Serve(l) }()
	}
	s := &Server{done: make(chan error, 1)}
	var dialed []*fiber.App
	var mu sync.Mutex
	s.inner = sync.OnceValues(func() (*fasthttputil.InmemoryListener, error) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		access, secret := rand.Text(), rand.Text() // which nobody has
		within, err := b.app(access, secret, accounts{newAccount(access, secret), c.Accounts})
		if err != nil {
			return nil, err
		}
		dialed = append(dialed, within)
		l := fasthttputil.NewInmemoryListener()
		go func() { _ = within.Server().Serve(l) }() // It ends when the server does.
		return l, nil
	})
	go func() {
		var err error
		select {
		case <-ctx.Done():
		case err = <-ended:
		}
		// What does not end in time was not acknowledged, and is lost.
		mu.Lock()
		defer mu.Unlock()
		for _, a := range append(dialed, app) {
			_ = a.ShutdownWithTimeout(patience)
		}
		for _, l := range c.Listeners {
			_ = l.Close() // one that was not served yet is still open
		}
		s.done <- err
	}()
	return s, nil
}

// buckets are what is served, whoever asks.
type buckets struct {
	config Config
	there  *place
	files  *durable
}

func open(c Config) (*buckets, error) {
	if c.AccessKey == "" || c.SecretKey == "" {
		return nil, errors.New("no keys were given: S3 without keys would be open to everybody")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "buckets")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	attributes, err := attributesIn(dir, root)
	if err != nil {
		return nil, err
	}
	there, err := newPlace(root)
	if err != nil {
		return nil, err
	}
	var files *posix.Posix
	there.do(func() { files, err = posix.New(root, attributes, posix.PosixOpts{CopyObjectThreshold: maxCopy}) })
	if err != nil {
		return nil, err
	}
	return &buckets{c, there, &durable{Posix: files, root: root, region: c.Region, sync: syncPath}}, nil
}

// app serves the buckets to one account, who may do everything, and to others.
func (b *buckets) app(access, secret string, others auth.IAMService) (*fiber.App, error) {
	signed := links{access: access, secret: secret, region: b.config.Region, now: time.Now}
	gateway, err := s3api.New(
		b.files,
		middlewares.RootUserConfig{Access: access, Secret: secret}, b.config.Region,
		others, nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(maxConnections, maxRequests), s3api.WithMpMaxParts(maxParts),
		s3api.WithMiddleware("/", func(request fiber.Ctx) (err error) {
			if err := signed.renew(request.Context(), request); err != nil {
				return err
			}
			for _, name := range []string{"uploadId", "versionId"} {
				for _, id := range request.Request().URI().QueryArgs().PeekMulti(name) {
					if !isPart(string(id)) {
						return s3err.GetNoSuchUploadErr(string(id))
					}
				}
			}
			b.there.do(func() { err = request.Next() })
			return err
		}),
	)
	if err != nil {
		return nil, err
	}
	app, err := inside(gateway)
	if err == nil {
		app.Handler() // puts the routes in order, which serving on a listener would do
	}
	return app, err
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
