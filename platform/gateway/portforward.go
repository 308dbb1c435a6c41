package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // Its successor has other types than those of client-go's dialer.
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/weir-ml/weir/platform/routes"
)

// portsRoute leads to the ports of pods, as kubectl port-forward does, through
// the API server and with the same right:
//
//	/portforward/NAMESPACE/POD/PORT/
func (g *Gateway) portsRoute() Route {
	return Route{
		Owner: "kubernetes", Pattern: "/portforward/{namespace}/{pod}/{port}/{rest...}", Handler: http.HandlerFunc(g.forward),
		Rule: routes.MayWithPod("create", "portforward"),
	}
}

// forward answers as the program does that listens at a port of a pod. Its pages
// act as nobody, and it does not learn who looks.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request) {
	namespace, pod, port := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("port")
	place, err := routes.PlaceOf(r, fmt.Sprintf("/portforward/%s/%s/%s/", namespace, pod, port))
	if err != nil {
		routes.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		routes.Refuse(w, http.StatusBadRequest, fmt.Sprintf("port %q is no number from 1 to 65535", port))
		return
	}
	config := routes.CallerOf(r.Context()).Config(g.config.REST)
	routes.Lead(w, r, &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			u := p.Out.URL
			u.Scheme, u.Host = "http", pod
			u.Path, u.RawPath = "/"+strings.TrimPrefix(u.Path, place.Path()), ""
			if raw := p.In.URL.RawPath; raw != "" {
				u.RawPath = "/" + strings.TrimPrefix(raw, place.Path())
			}
			p.Out.Host = p.In.Host
			routes.Anonymous(p.Out.Header)
			p.Out.Header.Set("X-Forwarded-Prefix", strings.TrimSuffix(place.Path(), "/"))
		},
		// A connection is one to the API server, which is made for whoever asks.
		Transport: newTransport(func(t *http.Transport) {
			t.DisableKeepAlives = true
			t.DialContext = func(context.Context, string, string) (net.Conn, error) { return dialPod(config, namespace, pod, port) }
		}),
		BufferPool:     g.kubernetes.proxy.BufferPool,
		ModifyResponse: place.Confine,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // Who asked has gone, or may no longer ask.
			}
			routes.Refuse(w, http.StatusBadGateway, fmt.Sprintf("port %s of pod %s/%s does not answer as a page does: %v", port, namespace, pod, err))
		},
	})
}

// dialPod connects to a port in a pod.
func dialPod(config *rest.Config, namespace, pod, port string) (net.Conn, error) {
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	at := target.JoinPath("api/v1/namespaces", namespace, "pods", pod, "portforward")
	conn, _, err := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, at).Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	stream := func(kind string) (httpstream.Stream, error) {
		h := http.Header{}
		h.Set(corev1.StreamType, kind)
		h.Set(corev1.PortHeader, port)
		h.Set(corev1.PortForwardRequestIDHeader, "0")
		return conn.CreateStream(h)
	}
	c := &podConn{conn: conn}
	if c.trouble, err = stream(corev1.StreamTypeError); err == nil {
		_ = c.trouble.Close() // We say nothing there.
		c.Stream, err = stream(corev1.StreamTypeData)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// A podConn is a connection to a port in a pod.
type podConn struct {
	httpstream.Stream
	trouble httpstream.Stream // on which is said why there is none
	conn    httpstream.Connection
}

// Read reads what the program in the pod writes.
func (c *podConn) Read(p []byte) (int, error) {
	n, err := c.Stream.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		if said, _ := io.ReadAll(io.LimitReader(c.trouble, 4096)); len(said) > 0 {
			return 0, errors.New(string(said))
		}
	}
	return n, err
}

// Close ends the connection, and that to the API server.
func (c *podConn) Close() error { return c.conn.Close() }

// LocalAddr is none.
func (c *podConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is none.
func (c *podConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline does nothing: who asks goes away instead.
func (c *podConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *podConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *podConn) SetWriteDeadline(time.Time) error { return nil }
