package images

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// steps does one step after another, until one fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// program puts a program that was built into files, without copying it: the
// folders are in one cache.
func (m maker) program(files, name, program string) func() error {
	return func() error {
		from, target := filepath.Join(m.bin, program), filepath.Join(files, name)
		built, err := os.Stat(from)
		if err != nil {
			return err
		}
		if there, err := os.Stat(target); err == nil && os.SameFile(built, there) {
			return nil
		}
		return put(target, func(temporary string) error { return os.Link(from, temporary) })
	}
}

func folder(files, name string) func() error {
	return func() error { return os.MkdirAll(filepath.Join(files, name), 0o755) }
}

func link(files, name, to string) func() error {
	return func() error {
		target := filepath.Join(files, name)
		if there, err := os.Readlink(target); err == nil && there == to {
			return nil
		}
		return put(target, func(temporary string) error { return os.Symlink(to, temporary) })
	}
}

func text(files, name, content string) func() error {
	return func() error {
		target := filepath.Join(files, name)
		if there, err := os.ReadFile(target); err == nil && string(there) == content {
			return nil
		}
		return put(target, func(temporary string) error { return os.WriteFile(temporary, []byte(content), 0o644) })
	}
}

// put puts what make makes in the place of target, in one step: containers may be
// running from the folder.
func put(target string, make func(temporary string) error) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	temporary := target + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := make(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, target)
}

// certificate writes agnhost's own: for localhost, known to nobody.
func certificate(files string) func() error {
	return func() error {
		if _, err := os.Stat(filepath.Join(files, "localhost.key")); err == nil {
			return nil
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1),
			NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		return steps(
			text(files, "localhost.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
			text(files, "localhost.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))),
		)
	}
}
