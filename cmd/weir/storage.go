package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/weir-ml/weir/kit/s3"
	"github.com/weir-ml/weir/platform/admission"
)

// A storage is the running S3.
type storage struct {
	endpoint
	port   int
	server *s3.Server
}

// startS3 serves the buckets of dir on a listener, until ctx ends.
func startS3(ctx context.Context, dir string, l net.Listener) (*storage, error) {
	e, err := s3Keys(filepath.Join(dir, "s3"))
	if err != nil {
		return nil, err
	}
	e.URL = "http://" + l.Addr().String()
	server, err := s3.Start(ctx, s3.Config{
		Dir: filepath.Join(dir, "s3"), Listeners: []net.Listener{l},
		AccessKey: e.AccessKey, SecretKey: e.SecretKey, Region: e.Region,
	})
	if err != nil {
		return nil, err
	}
	return &storage{endpoint: e, port: l.Addr().(*net.TCPAddr).Port, server: server}, nil
}

// forPods is how pods reach it, on the address of this process that they know.
func (s *storage) forPods(address netip.Addr) *admission.Store {
	url := "http://" + netip.AddrPortFrom(address, uint16(s.port)).String()
	return &admission.Store{Endpoint: url, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey}
}

// wait returns when all that was acknowledged is on the disk and S3 has ended.
func (s *storage) wait() { <-s.server.Done() }

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
