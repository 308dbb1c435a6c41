package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"k8s.io/client-go/util/cert"

	"github.com/weir-ml/weir/cluster/pki"
	"github.com/weir-ml/weir/platform/training/trainjob"
)

// reportsPort is where the programs of TrainJobs report to. It stands in the
// pods, which stay when weir is started again.
const reportsPort = 10443

// A reports is where the programs of TrainJobs say how far they are: a listener
// that pods reach, and how they know it.
type reports struct {
	listener net.Listener
	address  *trainjob.Reporting
}

// openReports listens on the address of this process that pods know.
func openReports(dir string, address netip.Addr) (*reports, error) {
	authority, certificate, err := certificateFor(dir, "reports", address.String())
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(address, reportsPort).String())
	if err != nil { // Without namespaces of our own, another weir may have the port.
		l, err = net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
	}
	if err != nil {
		return nil, fmt.Errorf("listen for reports of TrainJobs: %w", err)
	}
	return &reports{
		listener: tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}),
		address:  &trainjob.Reporting{URL: "https://" + l.Addr().String(), Authority: authority.CertPEM()},
	}, nil
}

// openReportsAt listens where pods reach this process by a host, with a
// certificate of its own making.
func openReportsAt(address, host string) (*reports, error) {
	certificate, authority, err := selfSigned(host)
	if err != nil {
		return nil, fmt.Errorf("listen for reports of TrainJobs: %w", err)
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, fmt.Errorf("listen for reports of TrainJobs: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("listen for reports of TrainJobs: %w", err)
	}
	return &reports{listener: l, address: &trainjob.Reporting{URL: "https://" + net.JoinHostPort(host, port), Authority: authority}}, nil
}

// selfSigned is a certificate for a host, and what to trust for it, as PEM.
func selfSigned(host string) (pair tls.Certificate, authority []byte, err error) {
	authority, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err == nil {
		pair, err = tls.X509KeyPair(authority, key)
	}
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make a certificate for %s: %w", host, err)
	}
	return pair, authority, nil
}

// certificateFor is a certificate for hosts, and the authority to trust for it.
func certificateFor(dir, name string, hosts ...string) (*pki.Authority, tls.Certificate, error) {
	authority, err := pki.Open(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	pair, err := authority.Server(name, hosts...)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("read the certificate of %s: %w", name, err)
	}
	return authority, certificate, nil
}
