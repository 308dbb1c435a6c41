package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/client-go/util/cert"
)

// givenFor writes a certificate for hosts, as somebody would who has one.
func givenFor(t *testing.T, dir string, hosts ...string) certificateFiles {
	t.Helper()
	text, key, err := cert.GenerateSelfSignedCertKey(hosts[0], nil, hosts[1:])
	if err != nil {
		t.Fatal(err)
	}
	f := certificateFiles{File: filepath.Join(dir, "given.pem"), Key: filepath.Join(dir, "given.key")}
	for file, data := range map[string][]byte{f.File: text, f.Key: key} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// listenTLS answers at a free port of the loopback as c says.
func listenTLS(t *testing.T, c *tls.Config) net.Addr {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()} //nolint:gosec // Its clients are the test's.
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr()
}

// shown is the certificate that a host is known by.
func shown(t *testing.T, at net.Addr, host string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", at.String(), &tls.Config{InsecureSkipVerify: true, ServerName: host}) //nolint:gosec // The test looks itself.
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// A certificate that was given is for its hosts, as it is at the moment, and ours
// is for all others.
func TestGivenCertificates(t *testing.T) {
	dir := t.TempDir()
	_, own, err := certificateFor(dir, "front", "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	given := givenFor(t, dir, "weir.example.com")
	if err := os.WriteFile(settingsFile(dir), fmt.Appendf(nil, "frontDoor:\n  certificate: {file: %s, key: %s}\n", given.File, given.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCertificates(dir, own, newReread(dir, s).settings)
	if err != nil {
		t.Fatal(err)
	}
	at := listenTLS(t, c.config())
	for host, want := range map[string]bool{"weir.example.com": true, "other.example.com": false, "localhost": false, "127.0.0.1": false} {
		if got := shown(t, at, host).VerifyHostname("weir.example.com") == nil; got != want || c.names(host) != want {
			t.Errorf("%s has the given certificate: %v, %v; want %v", host, got, c.names(host), want)
		}
	}

	first := shown(t, at, "weir.example.com")
	if err := os.WriteFile(given.File, []byte("half of a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !shown(t, at, "weir.example.com").Equal(first) {
		t.Error("a file that is no certificate changes it")
	}
	givenFor(t, dir, "weir.example.com", "new.example.com")
	for _, host := range []string{"weir.example.com", "new.example.com"} {
		if now := shown(t, at, host); now.Equal(first) || now.VerifyHostname(host) != nil {
			t.Errorf("%s has the certificate from before it was renewed", host)
		}
	}
	if err := os.WriteFile(settingsFile(dir), []byte("logs: {keep: 24h}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if shown(t, at, "weir.example.com").VerifyHostname("localhost") != nil {
		t.Error("a certificate is used that the settings name no longer")
	}
}

// pebble is an authority with which clients of ACME are tried: it looks for each
// host as a real one does. The test builds it, and needs its module.
const pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.8.0"

// A certificate is got from an authority when a host is first asked for, and kept.
func TestCertificatesByACME(t *testing.T) {
	dir := t.TempDir()
	authority, own, err := certificateFor(dir, "front", "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	var c *certificates
	at := listenTLS(t, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.config(), nil }}) //nolint:gosec // The config that it leads to says.
	directory := startPebble(t, dir, at.(*net.TCPAddr).Port)
	text := fmt.Sprintf("frontDoor:\n  acme:\n    hosts: [weir.example.com]\n    email: ada@example.com\n    directory: %s\n    caFile: %s\n", directory, authority.CertFile())
	if err := os.WriteFile(settingsFile(dir), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = newCertificates(dir, own, newReread(dir, s).settings); err != nil {
		t.Fatal(err)
	}
	got := shown(t, at, "weir.example.com")
	if got.VerifyHostname("weir.example.com") != nil || !strings.HasPrefix(got.Issuer.CommonName, "Pebble") {
		t.Errorf("weir.example.com has a certificate of %s for %v", got.Issuer, got.DNSNames)
	}
	if other := shown(t, at, "other.example.com"); other.VerifyHostname("localhost") != nil {
		t.Errorf("other.example.com has a certificate for %v", other.DNSNames)
	}
	if c, err = newCertificates(dir, own, newReread(dir, s).settings); err != nil {
		t.Fatal(err)
	}
	if again := shown(t, at, "weir.example.com"); !again.Equal(got) {
		t.Error("the certificate is got again after a restart")
	}
}

// startPebble starts an authority that takes every host for 127.0.0.1 and looks
// there by TLS at a port, and returns the address of its directory.
func startPebble(t *testing.T, dir string, port int) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("there is no folder to keep pebble in:", err)
	}
	program := filepath.Join(cache, "weir-tests", "pebble", "pebble")
	if _, err := os.Stat(program); err != nil {
		build := exec.CommandContext(t.Context(), "go", "install", pebble)
		build.Env = append(os.Environ(), "GOBIN="+filepath.Dir(program), "GOFLAGS=-trimpath")
		if out, err := build.CombinedOutput(); err != nil {
			t.Skipf("pebble cannot be had here: %v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	file := filepath.Join(dir, "pebble.json")
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": address, "certificate": filepath.Join(dir, "pki", "front.crt"), "privateKey": filepath.Join(dir, "pki", "front.key"),
		"httpPort": 1, "tlsPort": port,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := exec.CommandContext(ctx, program, "-config", file, "-dnsserver", startNames(t))
	run.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = run.Wait() })
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "https://" + address + "/dir"
		}
		if time.Now().After(deadline) {
			t.Fatal("pebble does not listen")
		}
	}
}

// startNames answers for every name that it is at 127.0.0.1.
func startNames(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	return c.LocalAddr().String()
}
