// Package oci keeps images of containers in a folder, without a daemon.
//
//	archive, registry ──▶ blobs/         what images are made of, by its digest
//	                      repositories/  what is called how
//	Find ──▶ Image ──Unpack──▶ layers/   folders for an overlay, by what they hold
//
// Files are changed in one step and by their content, so several processes may use
// one store at once, and a process that is killed leaves nothing half.
package oci

import (
	_ "crypto/sha512" // of which some digests are
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// A Store keeps images in a folder.
type Store struct {
	dir     string
	own     string            // the registry that this is
	aliases map[string]string // of registries
	plain   []string          // registries without TLS

	removing sync.RWMutex // held while unpacked layers leave their places
}

// Plain names registries that have no TLS, as "registry.example:5000". Those on this
// machine's loopback need not be named.
func (s *Store) Plain(registries ...string) { s.plain = registries }

// Alias makes the registries of some names, as "localhost:8080", mean that of
// another, which the store itself is: nothing is pulled from it.
func (s *Store) Alias(name string, others ...string) {
	s.own, s.aliases = name, map[string]string{}
	for _, o := range others {
		s.aliases[o] = name
	}
}

// parse reads a name, of which the registry may be an alias.
func (s *Store) parse(text string) (Name, error) {
	n, err := ParseName(text)
	host, rest, _ := strings.Cut(n.Repository, "/")
	if name, ok := s.aliases[host]; ok {
		n.Repository = name + "/" + rest
	}
	return n, err
}

// Open opens the store in dir, which need not exist: it is made when something is
// put into it.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open images: %w", err)
	}
	return &Store{dir: abs}, nil
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// A NotFoundError is about an image that is not in the store.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("image %s: not here: `weir image list` says what is", e.Name)
}

// Is makes it an fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// A BrokenError says what is wrong with an image that is in the store or comes
// from elsewhere.
type BrokenError struct {
	Digest  digest.Digest
	Problem string
}

// Is makes it an fs.ErrInvalid.
func (e *BrokenError) Is(target error) bool { return target == fs.ErrInvalid }

func (e *BrokenError) Error() string { return fmt.Sprintf("%s: %s", e.Digest, e.Problem) }

// writeWhole replaces a file in one step, with what must be on the disk by then.
func writeWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
