package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	gatewayTime  = 5 * time.Second // of each figure
	gatewayMany  = 32              // connections at a time
	gatewayIdle  = 10000
	gatewayAsked = "/api/v1/namespaces/default"
	// Limits are looked at, and not reached.
	gatewayLimits = "frontDoor: {limits: {perSecond: 1000000}}\n"
)

// ofGateway measures what the front door adds to a request to the API server,
// beside nginx and HAProxy that do the same: they end one connection, add who is
// asking and pass on by TLS. Only the front door finds out who is asking.
func (b *bench) ofGateway(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(b.scratch, "weir-")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(gatewayLimits), 0o600); err != nil {
		return err
	}
	w, err := b.up(ctx, dir, "--without", "node,controllers,s3")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	door, err := w.frontDoor()
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(w.dir, "kubeconfig"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	secure, err := rest.TLSConfigFor(config)
	if err != nil {
		return err
	}
	doors := []entrance{
		{name: "API server itself", url: config.Host, tls: secure, header: http.Header{"Impersonate-User": {"owner"}, "Impersonate-Group": {"weir:owners"}}},
		*door,
	}
	peers, stop, err := b.peersOf(ctx, config)
	if err != nil {
		return err
	}
	defer stop()
	doors = append(doors, peers...)

	b.report.table("GET of a namespace, by way of", "p50, one at a time", "p99", fmt.Sprintf("requests/s, %d at a time", gatewayMany), "p99")
	for _, d := range doors {
		one, err := d.load(ctx, 1)
		if err != nil {
			return err
		}
		many, err := d.load(ctx, gatewayMany)
		if err != nil {
			return err
		}
		b.report.cells(d.name, micro(one.median()), micro(one.quantile(0.99)), fmt.Sprintf("%.0f", float64(len(many))/gatewayTime.Seconds()), micro(many.quantile(0.99)))
	}
	return b.ofIdleConnections(ctx, w, door.url)
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// An entrance is one way to the API server.
type entrance struct {
	name, url string
	tls       *tls.Config
	header    http.Header
}

// frontDoor is the way by weir's, as the owner.
func (w *weir) frontDoor() (*entrance, error) {
	data, err := os.ReadFile(filepath.Join(w.dir, "state.json"))
	if err != nil {
		return nil, err
	}
	var at struct{ Front struct{ URL, Token string } }
	if err := json.Unmarshal(data, &at); err != nil {
		return nil, fmt.Errorf("read what weir says of itself: %w", err)
	}
	return &entrance{name: "front door", url: at.Front.URL, header: http.Header{"Authorization": {"Bearer " + at.Front.Token}}}, nil
}

// load asks by so many connections for a while, and returns how long each
// answer took.
func (e *entrance) load(ctx context.Context, connections int) (samples, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, TLSClientConfig: e.tls}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ask := func() (time.Duration, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+gatewayAsked, nil)
		if err != nil {
			return 0, err
		}
		r.Header = e.header.Clone()
		began := time.Now()
		a, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		defer a.Body.Close()
		if _, err := io.Copy(io.Discard, a.Body); err != nil {
			return 0, err
		}
		if a.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s: %s", e.name, a.Status)
		}
		return time.Since(began), nil
	}
	for range 200 { // until it is warm
		if _, err := ask(); err != nil {
			return nil, fmt.Errorf("by way of %s: %w", e.name, err)
		}
	}
	all, errs := make([]samples, connections), make([]error, connections)
	var group sync.WaitGroup
	end := time.Now().Add(gatewayTime)
	for i := range connections {
		group.Go(func() {
			for time.Now().Before(end) && errs[i] == nil {
				var took time.Duration
				if took, errs[i] = ask(); errs[i] == nil {
					all[i] = append(all[i], took)
				}
			}
		})
	}
	group.Wait()
	var sum samples
	for _, s := range all {
		sum = append(sum, s...)
	}
	return sum, errors.Join(errs...)
}

// peersOf starts nginx and HAProxy, those that there are, before the API server.
func (b *bench) peersOf(ctx context.Context, config *rest.Config) ([]entrance, func(), error) {
	dir, err := os.MkdirTemp(b.scratch, "peers-")
	if err != nil {
		return nil, nil, err
	}
	pair := append(append([]byte{}, config.CertData...), config.KeyData...)
	if len(pair) == 0 {
		for _, file := range []string{config.CertFile, config.KeyFile} {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, nil, err
			}
			pair = append(pair, data...)
		}
	}
	key := filepath.Join(dir, "admin.pem")
	if err := os.WriteFile(key, pair, 0o644); err != nil { //nolint:gosec // nginx's workers read it as another user, and it is gone with the folder.
		return nil, nil, err
	}
	server := strings.TrimPrefix(config.Host, "https://")
	var found []entrance
	var stops []func()
	stop := func() {
		for _, s := range stops {
			s()
		}
	}
	for _, p := range []struct{ name, program, text string }{
		{"nginx", "nginx", `daemon off; worker_processes auto; pid DIR/nginx.pid; error_log DIR/error.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000;
  client_body_temp_path DIR/1; proxy_temp_path DIR/2; fastcgi_temp_path DIR/3; uwsgi_temp_path DIR/4; scgi_temp_path DIR/5;
  upstream api { server SERVER; keepalive 256; keepalive_requests 1000000; }
  server { listen 127.0.0.1:PORT;
    location / { proxy_pass https://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Impersonate-User owner; proxy_set_header Impersonate-Group weir:owners;
      proxy_ssl_certificate KEY; proxy_ssl_certificate_key KEY; proxy_ssl_session_reuse on; } } }
`},
		{"HAProxy", "haproxy", `global
  maxconn 4096
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend door
  bind 127.0.0.1:PORT
  http-request set-header Impersonate-User owner
  http-request set-header Impersonate-Group weir:owners
  default_backend api
backend api
  server api SERVER ssl verify none crt KEY alpn http/1.1
`},
	} {
		program, err := exec.LookPath(p.program)
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: no %s here to stand beside\n", p.program)
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, stop, err
		}
		address := l.Addr().String()
		_ = l.Close()
		_, port, _ := net.SplitHostPort(address)
		file := filepath.Join(dir, p.program+".conf")
		text := strings.NewReplacer("DIR", dir, "PORT", port, "SERVER", server, "KEY", key).Replace(p.text)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, stop, err
		}
		flag := map[string]string{"nginx": "-c", "haproxy": "-f"}[p.program]
		c := exec.CommandContext(context.WithoutCancel(ctx), program, flag, file)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			return nil, stop, err
		}
		stops = append(stops, func() { _ = c.Process.Signal(syscall.SIGTERM); _ = c.Wait() })
		if err := answers(ctx, address); err != nil {
			return nil, stop, fmt.Errorf("start %s: %w", p.name, err)
		}
		found = append(found, entrance{name: p.name, url: "http://" + address, header: http.Header{}})
	}
	return found, stop, nil
}

// answers waits until somebody listens.
func answers(ctx context.Context, address string) error {
	var dialer net.Dialer
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// ofIdleConnections measures what connections take that say nothing.
func (b *bench) ofIdleConnections(ctx context.Context, w *weir, url string) error {
	before, err := useOf(w.pid)
	if err != nil {
		return err
	}
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	var dialer net.Dialer
	for range gatewayIdle {
		c, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			return fmt.Errorf("open connection %d: %w", len(open)+1, err)
		}
		open = append(open, c)
		if _, err := io.WriteString(c, "GET /session HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return err
		}
	}
	if err := wait(ctx, time.Second); err != nil {
		return err
	}
	after, err := useOf(w.pid)
	if err != nil {
		return err
	}
	b.report.row(fmt.Sprintf("%d idle connections", gatewayIdle), "%d MB more", (after.resident-before.resident)>>20)
	return nil
}
