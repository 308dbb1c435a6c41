package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A Kept is what stays from one run to the next, so that what the API server was
// told stays true: it may ask before we are ready, and then waits for an answer.
// Were it told anew at each start, it would until then ask nobody, or get no
// answer where a run was killed.
type Kept struct {
	listener     net.Listener
	certificates certificates
	// host is what the API server calls; empty is what the listener says.
	host string
}

// kept is a Kept in its file.
type kept struct {
	Address                     string
	Authority, Certificate, Key []byte
}

// Keep listens, on the loopback, where the last run on a folder did, if that is
// free. Call it before the API server starts.
func Keep(dir string) (*Kept, error) {
	file := filepath.Join(dir, "admission.json")
	var last kept
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w; remove it to have it made anew", file, err)
	}

	listener, err := listenAgain(last.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for admission: %w", err)
	}
	k := &Kept{listener: listener, certificates: certificates{last.Authority, last.Certificate, last.Key}}
	address := listener.Addr().String()
	valid := k.certificates.check("127.0.0.1", time.Now()) == nil
	if valid && address == last.Address {
		return k, nil
	}
	if !valid {
		if k.certificates, err = newCertificates("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	c := k.certificates
	if data, err = json.Marshal(kept{address, c.authority, c.certificate, c.key}); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, fmt.Errorf("keep the certificates of admission: %w", err)
	}
	return k, nil
}

// Open listens where an API server elsewhere can call us by a host. What it is
// told holds until another takes our place.
func Open(address, host string) (*Kept, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for admission: %w", err)
	}
	c, err := newCertificates(host)
	if err != nil {
		return nil, err
	}
	return &Kept{listener: listener, certificates: c, host: host}, nil
}

// address is where the API server finds us.
func (k *Kept) address() string {
	address := k.listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if k.host == "" || err != nil {
		return address
	}
	return net.JoinHostPort(k.host, port)
}

// listenAgain listens on an address if it can, and else on any of the loopback.
func listenAgain(address string) (net.Listener, error) {
	if address != "" {
		if l, err := net.Listen("tcp", address); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}
