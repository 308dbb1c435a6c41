package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/weir-ml/weir/cluster/namespaces"
)

// fetchedVariable tells the inner process of a build where the outer one has put what
// it fetched: that is on the machine's own network, the inner one is not.
const fetchedVariable = "WEIR_FETCHED"

// fetches are the addresses that a build has fetched, as files of a folder.
type fetches struct {
	dir    string
	inside bool
}

// fetches is where this build keeps what it fetches.
func (b *builder) fetches() (*fetches, error) {
	if _, _, inside := namespaces.Inside(); inside {
		return &fetches{os.Getenv(fetchedVariable), true}, nil
	}
	dir, err := os.MkdirTemp("", "weir-fetched-")
	if err != nil {
		return nil, err
	}
	return &fetches{dir: dir}, os.Setenv(fetchedVariable, dir)
}

func (f *fetches) remove() {
	if !f.inside {
		os.RemoveAll(f.dir)
	}
}

// fetch fetches an address, unless it was fetched already.
func (f *fetches) fetch(ctx context.Context, address, checksum string) (string, error) {
	file := filepath.Join(f.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(address+" "+checksum))))
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	wanted := digest.Digest(checksum)
	if checksum != "" {
		if err := wanted.Validate(); err != nil {
			return "", fmt.Errorf("--checksum=%s: %w: write it as sha256:…", checksum, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetch %s: %s", address, answer.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer out.Close()
	algorithm := digest.Canonical
	if checksum != "" {
		algorithm = wanted.Algorithm()
	}
	sum := algorithm.Digester()
	if _, err := io.Copy(io.MultiWriter(out, sum.Hash()), answer.Body); err != nil {
		return "", errors.Join(fmt.Errorf("fetch %s: %w", address, err), os.Remove(file))
	}
	if checksum != "" && sum.Digest() != wanted {
		return "", errors.Join(fmt.Errorf("fetch %s: its checksum is %s, not %s", address, sum.Digest(), wanted), os.Remove(file))
	}
	return file, out.Close()
}
