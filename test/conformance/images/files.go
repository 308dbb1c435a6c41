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

// empty makes the image's folder anew. What runs from it goes on: files that
// are open outlive their names.
func (m maker) empty(image string) func() error {
	return func() error { return os.RemoveAll(filepath.Join(m.dir, image)) }
}

// program puts a program that was built into files, without copying it: the
// folders are in one cache.
func (m maker) program(files, name, program string) func() error {
	return func() error {
		target := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.Link(filepath.Join(m.bin, program), target)
	}
}

func folder(files, name string) func() error {
	return func() error { return os.MkdirAll(filepath.Join(files, name), 0o755) }
}

func link(files, name, to string) func() error {
	return func() error {
		if err := os.MkdirAll(files, 0o755); err != nil {
			return err
		}
		return os.Symlink(to, filepath.Join(files, name))
	}
}

func text(files, name, content string) func() error {
	return func() error {
		target := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(content), 0o644)
	}
}

// certificate writes agnhost's own: for localhost, known to nobody.
func certificate(files string) func() error {
	return func() error {
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
