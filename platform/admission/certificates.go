package admission

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lifetime is how long a certificate is good: longer than a process runs, or
// than a cluster that keeps it in a Secret.
const lifetime = 10 * 365 * 24 * time.Hour

// certificates are who we are: a key pair, and the authority that vouches for
// it, as PEM.
type certificates struct {
	authority, certificate, key []byte
}

// config is how we serve. The pair was checked when it was read or made.
func (c certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.X509KeyPair(c.certificate, c.key)
			return &pair, err
		},
	}
}

// certificates are made anew, unless they are kept: here, or with a Service as
// what its pods share.
func (s *Server) certificates(ctx context.Context) (certificates, error) {
	if k := s.options.Kept; k != nil {
		return k.certificates, nil
	}
	service := s.options.Service
	if service == nil {
		host, _, err := net.SplitHostPort(s.address())
		if err != nil {
			return certificates{}, fmt.Errorf("make certificates for %s: %w", s.address(), err)
		}
		return newCertificates(host)
	}

	host := service.Name + "." + service.Namespace + ".svc"
	made, err := newCertificates(host)
	if err != nil {
		return certificates{}, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: service.Name + "-certificates"},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{"ca.crt": made.authority, corev1.TLSCertKey: made.certificate, corev1.TLSPrivateKeyKey: made.key},
	}
	err = s.client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		err = s.live.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	}
	if err != nil {
		return certificates{}, fmt.Errorf("keep certificates in secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	kept := certificates{secret.Data["ca.crt"], secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]}
	if err := kept.check(host, time.Now()); err != nil {
		return certificates{}, fmt.Errorf("certificates in secret %s/%s: %w: delete the secret to have them made anew", secret.Namespace, secret.Name, err)
	}
	return kept, nil
}

// check tells whether an API server that calls a host would believe us.
func (c certificates) check(host string, now time.Time) error {
	pair, err := tls.X509KeyPair(c.certificate, c.key)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.authority) {
		return fmt.Errorf("ca.crt holds no certificate")
	}
	_, err = pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now})
	return err
}

// newCertificates makes an authority and has it vouch for a host. The
// authority's key is then forgotten.
func newCertificates(host string) (certificates, error) {
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "weir admission"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{host}
	}

	fail := func(err error) (certificates, error) {
		return certificates{}, fmt.Errorf("make certificates for %s: %w", host, err)
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	authority, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return fail(err)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), rootKey)
	if err != nil {
		return fail(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return fail(err)
	}
	return certificates{inPEM("CERTIFICATE", authority), inPEM("CERTIFICATE", certificate), inPEM("PRIVATE KEY", key)}, nil
}

func inPEM(kind string, data []byte) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: data}) // A buffer takes all.
	return b.Bytes()
}
