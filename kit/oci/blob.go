package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// blobPath is where a blob lies. The digest must have been looked at: it names a file.
func (s *Store) blobPath(d digest.Digest) string {
	return s.path("blobs", d.Algorithm().String(), d.Encoded())
}

// Has says whether a blob is in the store.
func (s *Store) Has(d digest.Digest) bool {
	if d.Validate() != nil {
		return false
	}
	info, err := os.Stat(s.blobPath(d))
	return err == nil && info.Mode().IsRegular()
}

// Blob opens a blob. The error is fs.ErrNotExist where there is none.
func (s *Store) Blob(d digest.Digest) (*os.File, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("digest %q: %w", d, err)
	}
	return os.Open(s.blobPath(d))
}

// maxDocument is how large a manifest or a config may be.
const maxDocument = 16 << 20

// document reads a small blob whole.
func (s *Store) document(d ocispec.Descriptor) ([]byte, error) {
	f, err := s.Blob(d.Digest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &BrokenError{d.Digest, "it is missing"}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = &BrokenError{d.Digest, fmt.Sprintf("it is larger than %d MiB, and should be a description", maxDocument>>20)}
	}
	return data, err
}

// Put keeps what content holds, and returns its digest and size. The digest must be
// want, unless that is "". Fresh says that it was not there before. What is read is
// on the disk when Put returns.
func (s *Store) Put(want digest.Digest, content io.Reader) (got ocispec.Descriptor, fresh bool, err error) {
	algorithm := digest.Canonical
	if want != "" {
		if err := want.Validate(); err != nil {
			return got, false, fmt.Errorf("digest %q: %w", want, err)
		}
		algorithm = want.Algorithm()
	}
	if err := os.MkdirAll(s.path("uploads"), 0o755); err != nil {
		return got, false, err
	}
	f, err := os.CreateTemp(s.path("uploads"), "put-*")
	if err != nil {
		return got, false, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	digester := algorithm.Digester()
	n, err := io.Copy(&early{file: f}, io.TeeReader(content, digester.Hash()))
	if err != nil {
		return got, false, err
	}
	got = ocispec.Descriptor{Digest: digester.Digest(), Size: n}
	if want != "" && got.Digest != want {
		return got, false, &BrokenError{want, fmt.Sprintf("the content is another: its digest is %s", got.Digest)}
	}
	if s.Has(got.Digest) {
		return got, false, nil
	}
	return got, true, s.adopt(f, got.Digest)
}

// roomy says what to do where the disk is full.
func (s *Store) roomy(err error) error {
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return fmt.Errorf("the disk of %s is full: make room, for one by weir image prune or weir image remove (%w)", s.dir, err)
}

// An early file is written to the disk as it comes, so that little is left to wait for
// when it has to be there. The file stands apart: it would be copied to in a way of its own.
type early struct {
	file    *os.File
	waiting int

	// at is where the file is written to, and end where it will end; 0 is not known.
	// Up to room the disk has room for it.
	at, end, room int64
}

// earlyBytes is how much of it waits, and roomBytes for how much room is made at once:
// that takes the file system a fraction of what it takes block by block, and little of it
// is in vain when nothing more comes.
const (
	earlyBytes = 8 << 20
	roomBytes  = 64 << 20
)

// Write is an io.Writer's.
func (e *early) Write(p []byte) (int, error) {
	if e.at+int64(len(p)) > e.room && e.room < e.end {
		from := max(e.at, e.room)
		e.room = min(from+roomBytes, e.end)
		_ = unix.Fallocate(int(e.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, from, e.room-from) // Write does what this does not.
	}
	n, err := e.file.Write(p)
	e.at += int64(n)
	if e.waiting += n; e.waiting >= earlyBytes {
		e.waiting = 0
		_ = unix.SyncFileRange(int(e.file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // Sync does what this does not.
	}
	return n, err
}

// adopt makes an open file the blob that it holds.
func (s *Store) adopt(f *os.File, d digest.Digest) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(s.path("blobs", d.Algorithm().String()), 0o755); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.blobPath(d))
}
