package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/platform/routes"
)

// An upstream is the API server, asked as whoever asks us.
type upstream struct {
	proxy *httputil.ReverseProxy
	// acting may act for anybody; plain carries whatever it is given, so that a
	// caller's own token counts and nothing of ours does. inside does as acting, but
	// takes no connection over; nil is none.
	acting, plain, inside http.RoundTripper
}

func newUpstream(config *rest.Config, inside http.RoundTripper) (*upstream, error) {
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("find the API server %q: %w", config.Host, err)
	}
	u := &upstream{inside: inside}
	if u.acting, err = roundTripper(config); err != nil {
		return nil, err
	}
	if u.plain, err = roundTripper(rest.AnonymousClientConfig(config)); err != nil {
		return nil, err
	}
	u.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
			as(p.Out.Header, routes.CallerOf(p.In.Context()))
		},
		Transport:      u,
		BufferPool:     newBuffers(),
		ErrorHandler:   unreachable,
		ModifyResponse: foreign,
	}
	return u, nil
}

// roundTripper speaks HTTP/1.1 alone: upgrades need it, and many requests at a
// time are faster on several connections.
func roundTripper(config *rest.Config) (http.RoundTripper, error) {
	secure, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	return rest.HTTPWrappersForConfig(config, newTransport(func(t *http.Transport) {
		t.TLSClientConfig = secure
		if config.Dial != nil {
			t.DialContext = config.Dial
		}
	}))
}

// newTransport is how we reach what is behind us.
func newTransport(change func(*http.Transport)) *http.Transport {
	t := &http.Transport{
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // Who asks says what they understand.
		WriteBufferSize:       32 << 10,
		ReadBufferSize:        32 << 10,
	}
	change(t)
	return t
}

// RoundTrip sends a request the way that its caller's rights need.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	c := routes.CallerOf(r.Context())
	switch {
	case c == nil || c.Token != "":
		return u.plain.RoundTrip(r)
	case u.inside == nil || r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect || r.Header.Get("Impersonate-User") == "":
		return u.acting.RoundTrip(r)
	}
	return u.inside.RoundTrip(r)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	routes.Lead(w, r, u.proxy)
}

// as tells the API server whom it is asked for.
func as(h http.Header, c *routes.Caller) {
	h.Del("Authorization")
	h.Del("Cookie")
	routes.WithoutToken(h)
	switch {
	case c == nil:
		return
	case c.Token != "":
		h.Set("Authorization", "Bearer "+c.Token)
		return
	}
	h.Set("Impersonate-User", c.Name)
	if c.UID != "" {
		h.Set("Impersonate-Uid", c.UID)
	}
	h["Impersonate-Group"] = c.Groups
	for key, values := range c.Extra {
		h["Impersonate-Extra-"+url.PathEscape(key)] = values
	}
}

// foreign makes an answer harmless: through the API server's proxies it may be
// from any pod.
func foreign(r *http.Response) error {
	for _, name := range []string{"Set-Cookie", "Clear-Site-Data", "Service-Worker-Allowed"} {
		r.Header.Del(name)
	}
	asData(r.Header)
	return nil
}

// unreachable says that what is behind us did not answer.
func unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		// Who asked has gone, or may no longer ask.
		panic(http.ErrAbortHandler)
	}
	routes.Refuse(w, http.StatusBadGateway, fmt.Sprintf("what stands behind the front door did not answer: %v", err))
}

// buffers are used again from one answer to the next.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}}
}

// Get is a buffer.
func (b *buffers) Get() []byte { return *b.pool.Get().(*[]byte) }

// Put gives one back.
func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
