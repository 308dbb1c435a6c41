// Package gateway is weir's front door: one address for the pages, the
// Kubernetes API, S3 and whatever else people reach.
//
//	request ─▶ what clients must not say is taken off
//	        ─▶ which route is it? (table)
//	        ─▶ who is it? (cookie, token: identity), and do they ask too often?
//	        ─▶ may they? (the route's rule)
//	        ─▶ its handler, which acts with the rights of who asks
//
// It has no rights of its own to give away: whoever asks the Kubernetes API
// through it is answered as if they had asked the API server.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/platform/gateway/identity"
)

// A Config says what a gateway leads to.
type Config struct {
	// REST reaches the API server, as somebody who may act for anybody.
	REST *rest.Config
	// Inside does the same at less cost, where the API server is in this process.
	// It takes no connections over, and nil is REST alone.
	Inside *rest.Config
	// Identity knows who people are.
	Identity *identity.Store
	// Pages answers whatever is no route.
	Pages http.Handler
	// Audit takes who signed in, and what they did that the API server's own
	// audit does not know of; nil is nowhere.
	Audit *slog.Logger
	// TLS is how connections that begin with TLS are answered; nil does without.
	TLS *tls.Config
	// Authority yields the certificate by which clients know the one of a host, in
	// PEM; none if they know it by themselves.
	Authority func(host string) []byte
	// Plain says at which of our addresses others are answered; nil is all.
	Plain func(net.Addr) bool
	// Storage is the S3 behind the door; nil is none.
	Storage *Storage
	// SignIn yields how people sign in, whenever somebody does; nil is by weir's
	// own ways alone.
	SignIn func() *SignIn
	// Limits yields how many requests each person may send, whenever it is looked
	// at, once a second at most; nil is the usual.
	Limits func() RequestLimits
	// Machine says how the installation fares, as JSON; nil says nothing.
	Machine func(context.Context) any
}

// A Gateway is a front door. It is an http.Handler.
type Gateway struct {
	config     Config
	core       kubernetes.Interface
	table      *table
	kubernetes *upstream
	store      *store       // nil without a Storage
	signed     http.Handler // leads to it whoever signs requests
	attempts   *attempts
	throttle   *throttle
	oidc       oidcDoor
}

// New returns the front door with its own routes and those that are given.
func New(c Config, more ...Route) (*Gateway, error) {
	if c.Audit == nil {
		c.Audit = slog.New(slog.DiscardHandler)
	}
	if c.Inside == nil {
		c.Inside = c.REST
	}
	core, err := kubernetes.NewForConfig(c.Inside)
	if err != nil {
		return nil, fmt.Errorf("open the front door: %w", err)
	}
	g := &Gateway{config: c, core: core, table: newTable(), attempts: newAttempts(), throttle: newThrottle(c.Limits)}
	if g.kubernetes, err = newUpstream(c.REST, c.Inside.Transport); err != nil {
		return nil, fmt.Errorf("open the front door: %w", err)
	}
	if c.Storage != nil {
		if g.store, err = newStore(*c.Storage); err != nil {
			return nil, fmt.Errorf("open the front door: %w", err)
		}
		g.signed = count("s3", g.serveSigned)
	}
	return g, g.Add(slices.Concat(g.ownRoutes(), more)...)
}

// Add adds routes, before the door serves.
func (g *Gateway) Add(more ...Route) error {
	for _, r := range more {
		if err := g.table.add(r, g.guard); err != nil {
			return fmt.Errorf("open the front door: %w", err)
		}
	}
	return nil
}

// Routes are all that the door leads to.
func (g *Gateway) Routes() []Route { return slices.Clone(g.table.all) }

// Limits on what comes in. A body may be as long as it likes and take as long:
// a model is 10 GB, and a watch lasts for hours.
const (
	headerPatience = 10 * time.Second
	idlePatience   = 3 * time.Minute
	maxHeaders     = 64 << 10
)

// Serve serves on a listener until ctx ends, and then gives what is under way a
// moment to end.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler: g, Protocols: protocols,
		ReadHeaderTimeout: headerPatience, IdleTimeout: idlePatience, MaxHeaderBytes: maxHeaders,
		ConnContext: withConn, ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(klog.Background()), slog.LevelDebug),
	}
	if err := newFork(l, g.config.TLS).serve(ctx, server); err != nil {
		return fmt.Errorf("serve the front door on %s: %w", l.Addr(), err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(last); errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // Watches do not end by themselves.
	}
	return nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.insecure(r) {
		secureInstead(w, r)
		return
	}
	if g.store != nil && isSigned(r) {
		g.signed.ServeHTTP(w, r) // S3 says who may: it knows the signature.
		return
	}
	strip(r.Header)
	protect(w.Header())
	g.table.ServeHTTP(w, r)
}
