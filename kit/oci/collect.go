package oci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// ErrBusy says that images are put into the store just now.
var ErrBusy = errors.New("images are put into the store just now: try again when that is done")

// Collect removes what no name needs: manifests that no tag leads to, and blobs that
// no manifest consists of. What is younger than grace stays, since somebody may be
// about to name it, and so does a manifest that used says is in use; nil is none. It
// returns how many bytes are free again. While somebody puts images into the store it
// does nothing, and the error is ErrBusy.
func (s *Store) Collect(grace time.Duration, used func(digest.Digest) bool) (freed int64, err error) {
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // nothing was ever put here
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return 0, ErrBusy
		}
		return 0, err
	}
	c := &collector{store: s, since: time.Now().Add(-grace), used: used, live: map[digest.Digest]bool{}}
	repositories, err := s.repositories()
	if err != nil {
		return 0, err
	}
	for _, r := range repositories {
		if err := c.repository(r); err != nil {
			return 0, err
		}
	}
	return c.sweep()
}

// A collector knows which blobs are needed.
type collector struct {
	store *Store
	since time.Time
	used  func(digest.Digest) bool
	live  map[digest.Digest]bool
}

// repositories lists all repositories, also those without a tag.
func (s *Store) repositories() ([]string, error) {
	var all []string
	root := s.path("repositories")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.IsDir() || !strings.HasPrefix(d.Name(), "_") {
			return err
		}
		repository, err := filepath.Rel(root, filepath.Dir(p))
		if err == nil && (len(all) == 0 || all[len(all)-1] != repository) {
			all = append(all, repository)
		}
		if err != nil {
			return err
		}
		return filepath.SkipDir
	})
	return all, err
}

// repository finds what a repository needs, and takes from it what it does not.
func (c *collector) repository(name string) error {
	s := c.store
	needed := map[digest.Digest]bool{}
	need := func(target ocispec.Descriptor) error {
		err := s.walk(target, func(d ocispec.Descriptor, _ bool) error {
			needed[d.Digest] = true
			return nil
		})
		var broken *BrokenError
		if errors.As(err, &broken) { // there is nothing to keep of what is missing
			return nil
		}
		return err
	}
	var targets []ocispec.Descriptor
	err := eachFile(s.repository(name, tagsFolder), func(path string, _ fs.FileInfo) error {
		var t tag
		err := readJSON(path, &t)
		targets = append(targets, t.Target)
		return err
	})
	if err != nil {
		return err
	}
	manifests := map[string]ocispec.Descriptor{}
	err = eachFile(s.repository(name, manifestsFolder), func(path string, info fs.FileInfo) error {
		var d ocispec.Descriptor
		if err := readJSON(path, &d); err != nil {
			return err
		}
		manifests[path] = d
		if info.ModTime().After(c.since) || c.used != nil && c.used(d.Digest) {
			targets = append(targets, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := need(t); err != nil {
			return err
		}
	}
	// What says something about a manifest stays with it.
	for again := true; again; {
		again = false
		for _, d := range manifests {
			if !needed[d.Digest] && needed[s.subjectOf(d)] {
				again = true
				if err := need(d); err != nil {
					return err
				}
				needed[d.Digest] = true
			}
		}
	}
	for path, d := range manifests {
		if !needed[d.Digest] {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	err = eachFile(s.repository(name, blobsFolder), func(path string, info fs.FileInfo) error {
		d := digest.Digest(filepath.Base(path))
		if needed[d] || info.ModTime().After(c.since) {
			c.live[d] = true
			return nil
		}
		return os.Remove(path)
	})
	for d := range needed {
		c.live[d] = true
	}
	return err
}

// subjectOf is the manifest that another one says something about, or "".
func (s *Store) subjectOf(d ocispec.Descriptor) digest.Digest {
	var about struct {
		Subject *ocispec.Descriptor `json:"subject"`
	}
	if err := s.read(d, &about); err != nil || about.Subject == nil {
		return ""
	}
	return about.Subject.Digest
}

// sweep removes the blobs that nobody needs, and uploads that nobody goes on with.
func (c *collector) sweep() (freed int64, err error) {
	algorithms, err := filepath.Glob(c.store.path("blobs", "*"))
	if err != nil {
		return 0, err
	}
	for _, dir := range algorithms {
		err := eachFile(dir, func(path string, info fs.FileInfo) error {
			if c.live[digest.NewDigestFromEncoded(digest.Algorithm(filepath.Base(dir)), filepath.Base(path))] {
				return nil
			}
			freed += info.Size()
			return os.Remove(path)
		})
		if err != nil {
			return freed, err
		}
	}
	return freed, eachFile(c.store.path("uploads"), func(path string, info fs.FileInfo) error {
		if info.ModTime().After(time.Now().Add(-PushTime)) {
			return nil
		}
		freed += info.Size()
		return os.Remove(path)
	})
}

// PushTime is how long a push may take, with its pauses, and what came with it is needed
// by nothing yet.
const PushTime = 24 * time.Hour

// eachFile visits the files in a folder, which need not exist.
func eachFile(dir string, visit func(path string, info fs.FileInfo) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err == nil && strings.HasPrefix(e.Name(), ".") { // being written
			continue
		}
		if err == nil {
			err = visit(filepath.Join(dir, e.Name()), info)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
