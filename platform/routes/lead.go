package routes

import (
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
)

// Lead lets a proxy answer, whose headers count in place of ours. An answer that
// comes while the body is still on its way is the last of its connection. Otherwise
// Go's server would first take what is left of the body, and the proxy, which misses
// it then, would break off the answer.
func Lead(w http.ResponseWriter, r *http.Request, proxy *httputil.ReverseProxy) {
	clear(w.Header())
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		body := &watchedBody{ReadCloser: r.Body}
		led := *r
		led.Body = body
		r, w = &led, earlyAnswer{w, body}
	}
	proxy.ServeHTTP(w, r)
}

// A watchedBody knows whether all of it has been read.
type watchedBody struct {
	io.ReadCloser
	ended atomic.Bool
}

// Read notes the end.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
	}
	return n, err
}

// An earlyAnswer may come before the end of a body.
type earlyAnswer struct {
	http.ResponseWriter
	body *watchedBody
}

// WriteHeader closes the connection after an answer that is early.
func (a earlyAnswer) WriteHeader(code int) {
	if code >= http.StatusOK && !a.body.ended.Load() {
		a.Header().Set("Connection", "close")
	}
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is how what can be done with the answer itself is still found.
func (a earlyAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
