package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/platform/gateway"
)

// doorSettings say where the front door is, and by which certificate it is known.
type doorSettings struct {
	// Listen is an IP address, as --listen takes it; with a port, the door is at
	// that one and no other.
	Listen string `json:"listen,omitempty"`
	// Certificate is one that was given; nil is that of weir's own authority.
	Certificate *certificateFiles `json:"certificate,omitempty"`
	// ACME gets certificates from an authority, such as Let's Encrypt; nil does
	// not.
	ACME *acmeSettings `json:"acme,omitempty"`
	// Limits say how many requests each person may send.
	Limits gateway.RequestLimits `json:"limits,omitzero"`
}

// certificateFiles are a certificate, with those that lead to its authority, and
// its key, in PEM. They are read again when they change.
type certificateFiles struct {
	File string `json:"file"`
	Key  string `json:"key"`
}

// acmeSettings are for an authority that looks whether the door answers for a
// host by TLS at port 443.
type acmeSettings struct {
	// Hosts are the names that people open.
	Hosts []string `json:"hosts"`
	// Email is whom the authority writes to.
	Email string `json:"email,omitempty"`
	// Directory is the authority's address; Let's Encrypt's if empty. CAFile has
	// who vouches for it, if that is nobody whom the machine knows.
	Directory string `json:"directory,omitempty"`
	CAFile    string `json:"caFile,omitempty"`
}

func (d *doorSettings) check() error {
	if d.Listen != "" {
		if _, _, err := parseListen(d.Listen); err != nil {
			return &gateway.FieldError{Field: "listen", Err: err}
		}
	}
	if c := d.Certificate; c != nil {
		for _, f := range []struct{ field, file string }{{"file", c.File}, {"key", c.Key}} {
			if _, err := os.Stat(f.file); err != nil {
				return &gateway.FieldError{Field: "certificate." + f.field, Err: fmt.Errorf("%w: name the file, in PEM", err)}
			}
		}
		if _, err := c.load(); err != nil {
			return &gateway.FieldError{Field: "certificate", Err: err}
		}
	}
	if err := gateway.Within("limits", d.Limits.Check()); err != nil {
		return err
	}
	if d.ACME != nil {
		return gateway.Within("acme", d.ACME.check())
	}
	return nil
}

func (a *acmeSettings) check() error {
	if len(a.Hosts) == 0 {
		return &gateway.FieldError{Field: "hosts", Err: errors.New("it is missing: name the hosts that people open, as [weir.example.com]")}
	}
	for i, h := range a.Hosts {
		if !strings.Contains(strings.Trim(h, "."), ".") || net.ParseIP(h) != nil || strings.ContainsAny(h, "*/: ") {
			return &gateway.FieldError{Field: fmt.Sprintf("hosts[%d]", i), Err: fmt.Errorf("%q is no name of a host that an authority vouches for: say one as weir.example.com", h)}
		}
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return &gateway.FieldError{Field: "directory", Err: fmt.Errorf("%q is no address: say the authority's, with https://", a.Directory)}
	}
	if a.CAFile != "" {
		if _, err := poolOf(a.CAFile); err != nil {
			return &gateway.FieldError{Field: "caFile", Err: err}
		}
	}
	return nil
}

// parseListen reads an address, and a port if it has one; 0 is any.
func parseListen(text string) (netip.Addr, int, error) {
	host, port := text, 0
	if h, p, err := net.SplitHostPort(text); err == nil {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return netip.Addr{}, 0, fmt.Errorf("%q: %q is no port: say a number from 1 to 65535", text, p)
		}
		host = h
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("%q is no IP address, with a port or without; 0.0.0.0 means all of this machine's", text)
	}
	return address, port, nil
}

// A reread has the settings as they are now: what asks for them gets what
// weir.yaml says at that moment. One that cannot be read changes nothing.
type reread struct {
	dir  string
	mu   sync.Mutex
	last string
	is   *settings
}

// newReread begins with settings that have been read.
func newReread(dir string, s *settings) *reread {
	return &reread{dir: dir, last: versionOf(settingsFile(dir)), is: s}
}

func (r *reread) settings() *settings {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := versionOf(settingsFile(r.dir)); now != r.last {
		r.last = now
		s, err := readSettings(r.dir)
		if err != nil {
			klog.ErrorS(err, "Settings stay as they were")
			return r.is
		}
		r.is = s
	}
	return r.is
}
