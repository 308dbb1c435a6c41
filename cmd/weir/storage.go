package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/kit/s3"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/packaging"
)

// A storage is the running S3.
type storage struct {
	endpoint
	port   int
	server *s3.Server
}

// startS3 serves the buckets of dir until ctx ends: to pods, and to the machine,
// with TLS where it is open to others. People's own keys count by the front door.
func startS3(ctx context.Context, dir string, m *machine, people *identity.Store) (*storage, error) {
	e, err := s3Keys(filepath.Join(dir, "s3"))
	if err != nil {
		return nil, err
	}
	port := m.s3[0].Addr().(*net.TCPAddr).Port
	e.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	if len(m.names) > 0 {
		e.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
		if e.CAFile, err = withTLS(dir, m); err != nil {
			return nil, err
		}
	}
	l, err := m.withPods(m.s3)
	if err != nil {
		return nil, err
	}
	server, err := s3.Start(ctx, s3.Config{
		Dir: filepath.Join(dir, "s3"), Listeners: []net.Listener{l},
		AccessKey: e.AccessKey, SecretKey: e.SecretKey, Region: e.Region, Accounts: people.S3Secret,
	})
	if err != nil {
		return nil, err
	}
	return &storage{endpoint: e, port: port, server: server}, nil
}

// withTLS puts TLS before the machine's listeners of S3, and returns the file of
// the authority to trust.
func withTLS(dir string, m *machine) (string, error) {
	authority, certificate, err := certificateFor(dir, "s3", append([]string{"localhost", "127.0.0.1"}, m.names...)...)
	if err != nil {
		return "", err
	}
	for i, l := range m.s3 {
		m.s3[i] = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	}
	return authority.CertFile(), nil
}

// code is the code that runs bring.
func (s *storage) code() (*packaging.Store, error) {
	return packaging.Open(packaging.Access{Endpoint: s.URL, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey, CAFile: s.CAFile})
}

// forPods is how pods reach it, on the address of this process that they know: by
// the front door, with keys of their namespace, or past it where there is none, by
// the keys that open everything.
func (s *storage) forPods(k *cluster.Cluster, people *identity.Store, front *frontDoor) (*admission.Store, error) {
	at := func(port int) string { return "http://" + netip.AddrPortFrom(k.Address(), uint16(port)).String() }
	if front == nil {
		return &admission.Store{Endpoint: at(s.port), Region: s.Region, Keys: func(context.Context, string) (string, string, error) {
			return s.AccessKey, s.SecretKey, nil
		}}, nil
	}
	core, err := kubernetes.NewForConfig(k.Inside)
	if err != nil {
		return nil, fmt.Errorf("lead pods to S3: %w", err)
	}
	return &admission.Store{Endpoint: at(front.port), Region: s.Region, Keys: func(ctx context.Context, namespace string) (string, string, error) {
		n, err := core.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if err != nil {
			return "", "", err
		}
		key, err := people.PodsS3Key(ctx, namespace, n.UID)
		if err != nil {
			return "", "", err
		}
		return key.Access, key.Secret, nil
	}}, nil
}

// wait returns when all that was acknowledged is on the disk and S3 has ended.
func (s *storage) wait() { <-s.server.Done() } //nolint:errcheck // Why it has ended is of no use any more.

// s3Keys are an installation's keys. They are made once.
func s3Keys(dir string) (endpoint, error) {
	var e endpoint
	file := filepath.Join(dir, "keys.json")
	data, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(data, &e); err != nil {
			return e, fmt.Errorf("read %s: %w", file, err)
		}
		return e, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return e, fmt.Errorf("read S3 keys: %w", err)
	}
	e = endpoint{AccessKey: "weir-" + rand.Text()[:12], SecretKey: rand.Text() + rand.Text()[:14], Region: "us-east-1"}
	if data, err = json.Marshal(e); err != nil {
		return e, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return e, fmt.Errorf("keep S3 keys: %w", err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return e, fmt.Errorf("keep S3 keys: %w", err)
	}
	return e, nil
}
