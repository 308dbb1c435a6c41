package cluster

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A part that does not work says why.
func TestWhyAPartDoesNotWork(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/well" {
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		if r.URL.Path == "/readyz" {
			_, _ = w.Write([]byte("[+]ping ok\n[-]etcd failed: reason withheld\n[-]informer-sync failed: reason withheld\nreadyz check failed\n"))
		}
	}))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) func(context.Context) error {
		return func(ctx context.Context) error { return asks(ctx, client.RESTClient(), path) }
	}
	k := &Cluster{failed: make(chan error, 1)}
	end := func(part string, err error) func(context.Context) error {
		done := make(chan error, 1)
		done <- err
		<-k.watch(part, done)
		return func(context.Context) error { return k.hasEnded(part) }
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late := func(context.Context) error { return ctx.Err() }

	for part, c := range map[string]struct {
		why  string
		fail func(context.Context) error
		want string
	}{
		"Well":     {"it answers", ask("/well"), ""},
		"NotReady": {"it names what does not hold", ask("/readyz"), "it is not ready: etcd, informer-sync"},
		"NoAnswer": {"whoever is asked says no", ask("/gone"), "it does not answer: "},
		"Runs":     {"it has not ended", func(context.Context) error { return k.hasEnded("runs") }, ""},
		"Ended":    {"it ended by itself", end("ended", nil), "it has ended, and starts with the next weir up"},
		"Failed":   {"it ended, and said why", end("failed", errors.New("out of leases")), "it has ended: out of leases"},
		"Taken":    {"somebody listens there", connects(server.Listener.Addr().(*net.TCPAddr).AddrPort()), ""},
	} {
		got := look(t.Context(), []Probe{{part, c.fail}})[0]
		said := ""
		if got.Err != nil {
			said = got.Err.Error()
		}
		if got.Name != part || said != c.want && (c.want == "" || !strings.Contains(said, c.want)) {
			t.Errorf("%s, %s: %q, want %q", part, c.why, said, c.want)
		}
	}
	if got := look(ctx, []Probe{{"late", late}})[0]; got.Err == nil || !strings.HasPrefix(got.Err.Error(), "it says nothing within 2s") {
		t.Errorf("of a part that takes too long it is said: %v", got.Err)
	}
}

// Parts that are not the cluster's come after its own, and none waits for another:
// of these two each waits until the other is looked at.
func TestPartsAreLookedAtAtOnce(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	k := &Cluster{REST: &rest.Config{Host: server.URL}}
	met := make(chan struct{})
	parts := k.Parts(t.Context(),
		Probe{"one", func(ctx context.Context) error {
			select {
			case met <- struct{}{}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}},
		Probe{"other", func(ctx context.Context) error {
			select {
			case <-met:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}},
	)
	last := parts[len(parts)-2:]
	if want := []Part{{Name: "one"}, {Name: "other"}}; !slices.Equal(last, want) {
		t.Errorf("the last parts are %v, want %v", last, want)
	}
}
