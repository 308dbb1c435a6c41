package apiserver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/kit/part"
)

// Inside is how who lives in this process reaches the server, as the bearer of a
// certificate: its handler is called, without a connection. It asks and is
// answered as anyone, but nothing is framed, encrypted and sent through the
// system, which took a third of the time in which pods are made. It carries
// requests and watches, but not what takes a connection over, as exec does.
func (s *Server) Inside(bearer *x509.Certificate) *rest.Config {
	return &rest.Config{
		Host:      "http://kubernetes.default",
		Transport: &inside{handler: s.handler, bearer: &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{bearer}}},
		QPS:       -1,
	}
}

// inside is a transport that ends in a handler of this process.
type inside struct {
	handler http.Handler
	bearer  *tls.ConnectionState
}

// RoundTrip returns what the handler answers once it begins to: when it flushes,
// has written much, or is done.
func (t *inside) RoundTrip(r *http.Request) (*http.Response, error) {
	// The handler sees when the asker goes away, and nothing else of its context.
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // It is another's.
	a := &answer{header: http.Header{}, begun: make(chan struct{}), gone: ctx.Done(), cancel: cancel}
	a.changed.L = &a.mu
	stop := context.AfterFunc(r.Context(), func() { a.end(context.Cause(r.Context())); cancel() })

	asked := t.received(r).WithContext(ctx)
	go func() {
		part.Enter(ctx, part.APIServer)
		defer cancel()
		defer stop()
		defer asked.Body.Close()
		a.end(serve(t.handler, a, asked))
	}()

	<-a.begun
	return a.response(r)
}

// received is a request as a server has it that read it from a connection.
func (t *inside) received(r *http.Request) *http.Request {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	return &http.Request{
		Method: r.Method, URL: &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}, RequestURI: r.URL.RequestURI(),
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: r.Header.Clone(), Body: body, ContentLength: r.ContentLength,
		Host: r.URL.Host, RemoteAddr: "127.0.0.1:0", TLS: t.bearer,
	}
}

// serve has a handler answer, and says why it broke off if it did.
func serve(handler http.Handler, a *answer, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			err = fmt.Errorf("the API server failed at %s %s: %v", r.Method, r.RequestURI, p)
			klog.ErrorS(err, "A handler panicked", "stack", string(debug.Stack()))
		}
	}()
	handler.ServeHTTP(a, r)
	return nil
}

// An answer is what a handler writes while the asker reads it.
type answer struct {
	gone   <-chan struct{} // closed when nobody reads any more
	cancel func()
	header http.Header   // which the handler fills in
	begun  chan struct{} // closed when the head below is known

	mu      sync.Mutex
	changed sync.Cond // of what follows
	head    http.Header
	status  int
	unread  bytes.Buffer
	done    bool  // nothing more will be written
	err     error // why not all was
	known   bool  // that begun is closed
}

// most is how many bytes lie between a handler and an asker before it waits.
const most = 64 << 10

func (a *answer) Header() http.Header { return a.header }

// WriteHeader notes the status. News of what is to come, 1xx, is left out.
func (a *answer) WriteHeader(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if status >= http.StatusOK {
		a.writeHeader(status)
	}
}

func (a *answer) writeHeader(status int) {
	if a.status == 0 {
		a.status, a.head = status, a.header.Clone()
	}
}

// Write waits while too much is unread, and fails when nobody reads.
func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeHeader(http.StatusOK)
	for !a.done && a.unread.Len() >= most {
		a.begin()
		a.changed.Wait()
	}
	if a.done {
		return 0, cmp.Or(a.err, io.ErrClosedPipe)
	}
	a.unread.Write(p)
	a.changed.Broadcast()
	return len(p), nil
}

// Flush lets the asker see what was written.
func (a *answer) Flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeHeader(http.StatusOK)
	a.begin()
}

// begin lets the asker have the head. It follows writeHeader, or an error.
func (a *answer) begin() {
	if !a.known {
		a.known = true
		close(a.begun)
	}
}

// CloseNotify is how handlers of old heard that nobody reads any more.
func (a *answer) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	go func() {
		<-a.gone
		gone <- true
	}()
	return gone
}

// end says that nothing more will be written, and why if that is not all.
func (a *answer) end(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	if a.done, a.err = true, err; err == nil {
		a.writeHeader(http.StatusOK)
	}
	a.begin()
	a.changed.Broadcast()
}

// response is what the asker gets, of which it reads the rest.
func (a *answer) response(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	length := int64(-1)
	if a.done {
		length = int64(a.unread.Len())
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: a.head, ContentLength: length, Body: body{a}, Request: r,
	}, nil
}

// body is an answer as its asker has it.
type body struct{ *answer }

func (b body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.unread.Len() == 0 && !b.done {
		b.changed.Wait()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.unread.Read(p)
	if b.unread.Len() == 0 && b.unread.Cap() > most/4 {
		b.unread = bytes.Buffer{} // A watch may be silent for long.
	}
	b.changed.Broadcast()
	return n, err
}

// Close tells the handler that nobody reads any more.
func (b body) Close() error {
	b.end(http.ErrBodyReadAfterClose)
	b.cancel()
	return nil
}
