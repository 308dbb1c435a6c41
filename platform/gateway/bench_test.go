package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// What the door adds to a request to something that answers at once, and that it
// adds no more where there are a thousand routes.
func BenchmarkDoor(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer upstream.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	users, err := identity.New(ctx, clustertest.REST(b))
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := users.NewToken(ctx, identity.Subject{User: "ada", Foreign: true}, "bench", nil, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	for name, more := range map[string]int{"10Routes": 10, "1000Routes": 1000} {
		g, err := gateway.New(gateway.Config{
			REST: &rest.Config{Host: upstream.URL}, Identity: users, Pages: http.NotFoundHandler(),
			Limits: func() gateway.RequestLimits { return gateway.RequestLimits{PerSecond: 1e6} },
		})
		if err != nil {
			b.Fatal(err)
		}
		for i := range more {
			if err := g.Add(gateway.Route{Owner: "weir", Pattern: fmt.Sprintf("GET /area%d/{name}", i), Rule: routes.SignedIn, Handler: http.NotFoundHandler()}); err != nil {
				b.Fatal(err)
			}
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		go func() { _ = g.Serve(ctx, l) }()
		b.Run(name, func(b *testing.B) { get(b, "http://"+l.Addr().String()+"/api/x", token) })
	}
	b.Run("Direct", func(b *testing.B) { get(b, upstream.URL+"/api/x", token) })
}

func get(b *testing.B, url, token string) {
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != http.StatusOK {
			b.Fatal(a.Status, err)
		}
		a.Body.Close()
	}
}
