// Package pki makes an installation's own certificate authority, the
// certificates its components know each other by, and their kubeconfigs.
//
//	authority ─┬─ apiserver           (serving)
//	           ├─ kubelet             (serving)
//	           ├─ admin, scheduler, … (clients: the name is the user, the organisation its group)
//	           └─ front-proxy         (client: the API server, when it stands in for a user)
//
// Everything is made once per installation and kept; a certificate is made
// again when its names change or its time runs out.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is made again.
	renewBefore = 60 * 24 * time.Hour
)

// An Authority signs the certificates of one installation.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time
}

// A Pair names the PEM files of a certificate and its key.
type Pair struct {
	CertFile, KeyFile string
}

// Certificate is the pair's public half.
func (p Pair) Certificate() (*x509.Certificate, error) {
	cert, _, err := load(p)
	return cert, err
}

// Open reads the authority kept in dir, or makes it. Files are readable by
// their owner only.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder for certificates: %w", err)
	}
	a := &Authority{dir: dir, now: time.Now}
	pair := a.pair("authority")
	cert, key, err := load(pair)
	switch {
	case err == nil:
		a.cert, a.key = cert, key
		return a, nil
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("read certificate authority in %s: %w (remove both its files to make a new one; kubeconfigs made before stop working)", dir, err)
	}

	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "weir"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
	}
	if a.cert, a.key, err = a.sign(template, authorityLife); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return a, write(pair, a.cert, a.key)
}

// CertFile is the PEM file of the authority's own certificate.
func (a *Authority) CertFile() string { return a.pair("authority").CertFile }

// KeyFile is the PEM file of the authority's key.
func (a *Authority) KeyFile() string { return a.pair("authority").KeyFile }

// CertPEM is the authority's own certificate.
func (a *Authority) CertPEM() []byte { return encodeCert(a.cert) }

// Server returns a certificate to serve under hosts: DNS names and addresses.
func (a *Authority) Server(name string, hosts ...string) (Pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	return a.issue(name, template)
}

// Client returns a certificate that the API server takes for user in groups.
func (a *Authority) Client(name, user string, groups ...string) (Pair, error) {
	return a.issue(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// SigningKey returns the file of a private key by which tokens of service
// accounts are signed.
func (a *Authority) SigningKey(name string) (string, error) {
	file := filepath.Join(a.dir, name+".key")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make key %s: %w", name, err)
	}
	return file, writeKey(file, key)
}

func (a *Authority) pair(name string) Pair {
	return Pair{CertFile: filepath.Join(a.dir, name+".crt"), KeyFile: filepath.Join(a.dir, name+".key")}
}

func (a *Authority) issue(name string, template *x509.Certificate) (Pair, error) {
	pair := a.pair(name)
	if cert, _, err := load(pair); err == nil && a.stillGood(cert, template) {
		return pair, nil
	}
	cert, key, err := a.sign(template, certificateLife)
	if err != nil {
		return Pair{}, fmt.Errorf("make certificate %s: %w", name, err)
	}
	return pair, write(pair, cert, key)
}

func (a *Authority) stillGood(have, want *x509.Certificate) bool {
	sameIP := func(x, y net.IP) bool { return x.Equal(y) }
	return a.now().Add(renewBefore).Before(have.NotAfter) &&
		have.CheckSignatureFrom(a.cert) == nil &&
		have.Subject.CommonName == want.Subject.CommonName &&
		slices.Equal(have.Subject.Organization, want.Subject.Organization) &&
		slices.Equal(have.DNSNames, want.DNSNames) &&
		slices.EqualFunc(have.IPAddresses, want.IPAddresses, sameIP)
}

// sign makes a key and the certificate for it; an authority signs itself.
func (a *Authority) sign(template *x509.Certificate, life time.Duration) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = serial
	// A little in the past, so that a clock which is a little behind trusts it.
	template.NotBefore = a.now().Add(-5 * time.Minute)
	template.NotAfter = a.now().Add(life)

	parent, signer := template, crypto.Signer(key)
	if !template.IsCA {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func load(p Pair) (*x509.Certificate, crypto.Signer, error) {
	certPEM, err := os.ReadFile(p.CertFile)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := os.ReadFile(p.KeyFile)
	if err != nil {
		return nil, nil, err
	}
	c, _ := pem.Decode(certPEM)
	k, _ := pem.Decode(keyPEM)
	if c == nil || k == nil {
		return nil, nil, fmt.Errorf("%s or %s is not PEM", p.CertFile, p.KeyFile)
	}
	cert, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.CertFile, err)
	}
	key, err := x509.ParseECPrivateKey(k.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.KeyFile, err)
	}
	return cert, key, nil
}

func write(p Pair, cert *x509.Certificate, key crypto.Signer) error {
	if err := writeKey(p.KeyFile, key); err != nil {
		return err
	}
	return writeFile(p.CertFile, encodeCert(cert))
}

func writeKey(file string, key crypto.Signer) error {
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func encodeCert(cert *x509.Certificate) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // a buffer takes everything
	return b.Bytes()
}

// writeFile replaces file in one step, so that a crash leaves the old or the new.
func writeFile(file string, data []byte) error {
	temp := file + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, file)
}
