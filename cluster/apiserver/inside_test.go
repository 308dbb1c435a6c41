package apiserver

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"k8s.io/client-go/rest"
)

// asking is a client of a handler in this process.
func asking(t *testing.T, handler http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	config := (&Server{handler: handler}).Inside(&x509.Certificate{Raw: []byte("me")})
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, config.Host
}

func TestInside(t *testing.T) {
	client, host := asking(t, func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Asked", fmt.Sprintf("%s %s %s by %s", r.Method, r.RequestURI, r.Header.Get("Accept"), r.TLS.PeerCertificates[0].Raw))
		r.Header.Del("Accept")
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("Late", "yes")
		_, _ = w.Write(bytes.Repeat(asked, 100_000)) // more than lies between the two
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, host+"/a%2Fb?c=d", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "all")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := answer.Header.Get("Asked"), "POST /a%2Fb?c=d all by me"; answer.Status != "201 Created" || got != want {
		t.Errorf("%s, asked %q, want 201 Created and %q", answer.Status, got, want)
	}
	if answer.Header.Get("Late") != "" || r.Header.Get("Accept") == "" {
		t.Error("what the handler does with headers afterwards is seen")
	}
	if string(said) != strings.Repeat("hello", 100_000) {
		t.Errorf("%d bytes, want 500,000", len(said))
	}
}

// What is flushed is read before the handler is done, and a handler sees that
// nobody reads any more.
func TestInsideWatches(t *testing.T) {
	for name, leave := range map[string]func(body io.Closer, cancel func()){
		"closes":  func(body io.Closer, _ func()) { _ = body.Close() },
		"cancels": func(_ io.Closer, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			client, host := asking(t, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.WriteString(w, "first"); err != nil {
					t.Error(err)
				}
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				_, err := io.WriteString(w, "nobody reads this")
				ended <- err
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, host, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			first := make([]byte, len("first"))
			if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first" {
				t.Fatalf("read %q, %v", first, err)
			}
			leave(answer.Body, cancel)
			if err := <-ended; err == nil {
				t.Error("a handler may write though nobody reads")
			}
			if _, err := answer.Body.Read(first); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("reading on says %v", err)
			}
		})
	}
}

// A handler that breaks off is not taken for one that has said all, and one that
// takes too long is left.
func TestInsideBreaksOff(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"before its answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"within its answer": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic("broken")
		},
		"never": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			client, host := asking(t, handler)
			client.Timeout = 100 * time.Millisecond
			if name != "never" {
				client.Timeout = time.Minute
			}
			answer, err := client.Get(host)
			if err != nil {
				return
			}
			defer answer.Body.Close()
			if all, err := io.ReadAll(answer.Body); err == nil {
				t.Errorf("%q is taken for all", all)
			}
		})
	}
}

// A request whose body cannot be read is refused by the handler, as it would be.
func TestInsideBrokenRequest(t *testing.T) {
	client, host := asking(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	answer, err := client.Post(host, "", iotest.ErrReader(errors.New("torn")))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusBadRequest || string(said) != "torn\n" {
		t.Errorf("%s %q, %v", answer.Status, said, err)
	}
}
