package pki

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificatesAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		why   string
		hosts []string
		later time.Duration
		kept  bool
	}{
		"Same":        {why: "A restart must not make kubeconfigs invalid.", hosts: []string{"localhost", "127.0.0.1"}, kept: true},
		"NewName":     {why: "A server that is reached by another name needs it in its certificate.", hosts: []string{"localhost", "10.0.0.1"}},
		"TimeIsUp":    {why: "A certificate is renewed before it ends, or an old installation would not start.", hosts: []string{"localhost", "127.0.0.1"}, later: certificateLife - time.Hour},
		"HalfItsLife": {why: "There is no need to renew early.", hosts: []string{"localhost", "127.0.0.1"}, later: certificateLife / 2, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := open(t, dir)
			first, err := a.Server("apiserver", "localhost", "127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			before := read(t, first.CertFile)

			again := open(t, dir)
			again.now = func() time.Time { return time.Now().Add(c.later) }
			if _, err := again.Server("apiserver", c.hosts...); err != nil {
				t.Fatal(err)
			}
			if kept := bytes.Equal(before, read(t, first.CertFile)); kept != c.kept {
				t.Errorf("kept %v, want %v: %s", kept, c.kept, c.why)
			}
		})
	}
}

func TestNobodyElseReadsKeys(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	if _, err := a.Client("admin", "admin", "system:masters"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.SigningKey("service-accounts"); err != nil {
		t.Fatal(err)
	}
	keys, _ := filepath.Glob(filepath.Join(dir, "*.key"))
	if len(keys) != 3 {
		t.Fatalf("keys %v, want those of the authority, the admin and service accounts", keys)
	}
	for _, k := range keys {
		info, err := os.Stat(k)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", k, info.Mode())
		}
	}
}

func TestBrokenAuthorityIsSaid(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "authority.crt"), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a broken authority was opened; a new one in silence would cut off every client")
	}
}

func open(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
