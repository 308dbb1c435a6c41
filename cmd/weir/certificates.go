package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"k8s.io/klog/v2"
)

// certificates are those by which the front door is known: one that was given or
// got from an authority for the hosts that it names, and for all else that of
// weir's own authority.
type certificates struct {
	own      tls.Certificate
	settings func() *settings
	acme     *autocert.Manager // nil without ACME
	hosts    []string          // of ACME

	mu    sync.Mutex
	last  string // of the files that were read
	given *tls.Certificate
}

// newCertificates are as the settings have them. Certificates of an authority are
// kept in dir.
func newCertificates(dir string, own tls.Certificate, settings func() *settings) (*certificates, error) {
	c := &certificates{own: own, settings: settings}
	a := settings().FrontDoor.ACME
	if a == nil {
		return c, nil
	}
	client := &acme.Client{DirectoryURL: a.Directory}
	if a.CAFile != "" {
		pool, err := poolOf(a.CAFile)
		if err != nil {
			return nil, err
		}
		client.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	}
	c.hosts = a.Hosts
	c.acme = &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(dir, "pki", "acme")),
		HostPolicy: autocert.HostWhitelist(a.Hosts...), Email: a.Email, Client: client,
	}
	return c, nil
}

// config is how connections are answered.
func (c *certificates) config() *tls.Config {
	t := &tls.Config{GetCertificate: c.choose, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.acme != nil {
		t.NextProtos = append(t.NextProtos, acme.ALPNProto)
	}
	return t
}

// choose is the certificate for who says hello.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.acme != nil && slices.Contains(c.hosts, hello.ServerName) {
		return c.acme.GetCertificate(hello)
	}
	host := hello.ServerName
	if host == "" { // It is no name: addresses are not said.
		host, _, _ = net.SplitHostPort(hello.Conn.LocalAddr().String())
	}
	if given := c.asGiven(); given != nil && given.Leaf.VerifyHostname(host) == nil {
		return given, nil
	}
	return &c.own, nil
}

// asGiven is the certificate of the files that the settings name. Files that cannot
// be read, as while they are written, leave the one before.
func (c *certificates) asGiven() *tls.Certificate {
	files := c.settings().FrontDoor.Certificate
	c.mu.Lock()
	defer c.mu.Unlock()
	if files == nil {
		c.given, c.last = nil, ""
		return nil
	}
	now := fmt.Sprint(*files, versionOf(files.File), versionOf(files.Key))
	if now == c.last {
		return c.given
	}
	c.last = now
	given, err := files.load()
	if err != nil {
		klog.ErrorS(err, "The front door keeps the certificate that it had")
		return c.given
	}
	c.given = given
	return given
}

// load reads a certificate and its key.
func (f *certificateFiles) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.File, f.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s with key %s: %w; both are PEM, and the key is the certificate's own", f.File, f.Key, err)
	}
	return &pair, nil
}

// names says whether a host has a certificate that is not of weir's own authority,
// so that clients know it by themselves.
func (c *certificates) names(host string) bool {
	if slices.Contains(c.hosts, host) {
		return true
	}
	given := c.asGiven()
	return given != nil && given.Leaf.VerifyHostname(host) == nil
}

// poolOf are the authorities of a file.
func poolOf(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return pool, nil
}
