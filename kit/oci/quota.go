package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// A QuotaError says that a namespace has no room for what is pushed to it.
type QuotaError struct {
	Namespace   string
	Limit, Used int64 // in bytes
}

// Is makes it an unix.EDQUOT.
func (e *QuotaError) Is(target error) bool { return target == unix.EDQUOT }

func (e *QuotaError) Error() string {
	return fmt.Sprintf("namespace %s may have %s of images, and has %s: remove images that nobody needs, or ask for more", e.Namespace, humanize.Bytes(uint64(e.Limit)), humanize.Bytes(uint64(e.Used)))
}

// A namespaceUse is what a namespace has of what it may have.
type namespaceUse struct {
	name  string
	limit int64
	blobs map[digest.Digest]bool
	used  int64
}

// use looks what the namespace of a repository has, nil if that is not limited.
func (h *Host) use(repository string) (*namespaceUse, error) {
	namespace, _, inside := strings.Cut(repository, "/")
	if h.Limit == nil || !inside {
		return nil, nil
	}
	limit, limited, err := h.Limit(namespace)
	if err != nil || !limited {
		return nil, err
	}
	u := &namespaceUse{name: namespace, limit: limit, blobs: map[digest.Digest]bool{}}
	repositories, err := h.store.repositories()
	if err != nil {
		return nil, err
	}
	for _, r := range repositories {
		if !strings.HasPrefix(r, h.full(namespace)+"/") {
			continue
		}
		for _, folder := range []string{blobsFolder, manifestsFolder} {
			if err := eachFile(h.store.repository(r, folder), func(path string, _ fs.FileInfo) error {
				return u.add(h.store, digest.Digest(filepath.Base(path)))
			}); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

func (u *namespaceUse) add(s *Store, d digest.Digest) error {
	if u.blobs[d] {
		return nil
	}
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", d, err)
	}
	info, err := os.Stat(s.blobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	u.blobs[d] = true
	u.used += info.Size()
	return nil
}

// room is how much more the namespace may have.
func (u *namespaceUse) room() int64 {
	if u == nil {
		return math.MaxInt64 - 1
	}
	return max(u.limit-u.used, 0)
}

// full is the error that says so.
func (u *namespaceUse) full() error { return &QuotaError{u.name, u.limit, u.used} }

// admit lets a blob into a repository by put, unless its namespace has no room for it.
// With a limit, one blob is let in at a time.
func (h *Host) admit(repository string, d digest.Digest, size int64, put func() error) error {
	if h.Limit == nil {
		return put()
	}
	h.admitting.Lock()
	defer h.admitting.Unlock()
	u, err := h.use(repository)
	if err != nil {
		return err
	}
	if u != nil && !u.blobs[d] && size > u.room() {
		return u.full()
	}
	return put()
}
