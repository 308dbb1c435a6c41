package oci

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// A Host is a store as the registry of a name: what is pushed to it as ada/mnist is
// the image "weir.local/ada/mnist". It does what kit/registry asks of a store. A
// repository gives out what was put into it, though the store have more.
type Host struct {
	// Limit says how many bytes the repositories of a namespace may have together,
	// and whether it is limited at all; nil limits none. A namespace is the first
	// part of the name of a repository.
	Limit func(namespace string) (bytes int64, limited bool, err error)

	store *Store
	name  string

	admitting sync.Mutex // held while a blob is let in

	mu      sync.Mutex
	uploads map[string]*upload
}

// Host returns the store as the registry of a name.
func (s *Store) Host(name string) *Host {
	return &Host{store: s, name: name, uploads: map[string]*upload{}}
}

func (h *Host) full(repository string) string { return h.name + "/" + repository }

// file is one of the small files that say what a repository has.
func (h *Host) file(repository string, elem ...string) string {
	return h.store.repository(h.full(repository), elem...)
}

// Repositories lists those that have anything.
func (h *Host) Repositories() ([]string, error) {
	all, err := h.store.repositories()
	var own []string
	for _, r := range all {
		if rest, ok := strings.CutPrefix(r, h.name+"/"); ok {
			own = append(own, rest)
		}
	}
	slices.Sort(own)
	return own, err
}

// Tags lists the tags of a repository.
func (h *Host) Tags(repository string) ([]string, error) {
	if _, err := os.Stat(h.file(repository)); err != nil {
		return nil, err
	}
	var all []string
	err := eachFile(h.file(repository, tagsFolder), func(path string, _ fs.FileInfo) error {
		all = append(all, filepath.Base(path))
		return nil
	})
	slices.Sort(all)
	return all, err
}

// nameOf is a tag or a digest of a repository.
func (h *Host) nameOf(repository, reference string) Name {
	if strings.Contains(reference, ":") {
		return Name{Repository: h.full(repository), Digest: digest.Digest(reference)}
	}
	return Name{Repository: h.full(repository), Tag: reference}
}

// Manifest finds a manifest or an index by its tag or digest.
func (h *Host) Manifest(repository, reference string) (ocispec.Descriptor, []byte, error) {
	t, err := h.store.target(h.nameOf(repository, reference))
	if err != nil {
		return ocispec.Descriptor{}, nil, err
	}
	data, err := h.store.document(t.Target)
	return t.Target, data, err
}

// Manifests lists the manifests and indexes of a repository.
func (h *Host) Manifests(repository string) ([]ocispec.Descriptor, error) {
	var all []ocispec.Descriptor
	err := eachFile(h.file(repository, manifestsFolder), func(path string, _ fs.FileInfo) error {
		var d ocispec.Descriptor
		err := readJSON(path, &d)
		all = append(all, d)
		return err
	})
	return all, err
}

// PutManifest keeps a manifest or an index, under a tag unless that is "".
func (h *Host) PutManifest(repository, name string, d ocispec.Descriptor, data []byte) error {
	release, err := h.store.share()
	if err != nil {
		return err
	}
	defer release()
	err = h.admit(repository, d.Digest, d.Size, func() error {
		if _, _, err := h.store.Put(d.Digest, strings.NewReader(string(data))); err != nil {
			return err
		}
		return writeJSON(h.file(repository, manifestsFolder, d.Digest.String()), d)
	})
	if err != nil {
		return err
	}
	if name == "" {
		return nil
	}
	return h.store.setTag(Name{Repository: h.full(repository), Tag: name}, tag{Target: d})
}

// DeleteManifest removes a tag, or a manifest with all its tags.
func (h *Host) DeleteManifest(repository, reference string) error {
	n := h.nameOf(repository, reference)
	if n.Digest == "" {
		return os.Remove(h.file(repository, tagsFolder, n.Tag))
	}
	if err := os.Remove(h.file(repository, manifestsFolder, n.Digest.String())); err != nil {
		return err
	}
	return eachFile(h.file(repository, tagsFolder), func(path string, _ fs.FileInfo) error {
		var t tag
		if err := readJSON(path, &t); err != nil || t.Target.Digest != n.Digest {
			return err
		}
		return os.Remove(path)
	})
}

// Blob opens a blob that the repository has.
func (h *Host) Blob(repository string, d digest.Digest) (*os.File, error) {
	_, err := os.Stat(h.file(repository, blobsFolder, d.String()))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(h.file(repository, manifestsFolder, d.String()))
	}
	if err != nil {
		return nil, err
	}
	return h.store.Blob(d)
}

// DeleteBlob takes a blob from a repository.
func (h *Host) DeleteBlob(repository string, d digest.Digest) error {
	return os.Remove(h.file(repository, blobsFolder, d.String()))
}

// Mount gives a repository a blob that another has.
func (h *Host) Mount(repository, from string, d digest.Digest) error {
	release, err := h.store.share()
	if err != nil {
		return err
	}
	defer release()
	f, err := h.Blob(from, d)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return h.admit(repository, d, info.Size(), func() error { return touch(h.file(repository, blobsFolder, d.String())) })
}

// An upload is a blob that comes in parts.
type upload struct {
	mu   sync.Mutex
	hash hash.Hash // of what has come; nil where somebody else took some of it
	size int64
}

// uploadID is random, and ends with the sum of its repository, whose upload it is.
var uploadID = regexp.MustCompile(`^[0-9a-f]{48}$`)

func sumOf(repository string) string {
	sum := sha256.Sum256([]byte(repository))
	return hex.EncodeToString(sum[:8])
}

// NewUpload begins an upload to a repository.
func (h *Host) NewUpload(repository string) (string, error) {
	id := strings.ToLower(hex.EncodeToString([]byte(rand.Text())[:16])) + sumOf(repository)
	if err := os.MkdirAll(h.store.path("uploads"), 0o755); err != nil {
		return "", err
	}
	f, err := os.OpenFile(h.store.path("uploads", id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uploads[id] = &upload{hash: digest.Canonical.Hash()}
	return id, f.Close()
}

// find finds an upload of a repository, and says how much of it has come.
func (h *Host) find(repository, id string) (*upload, int64, error) {
	if !uploadID.MatchString(id) || !strings.HasSuffix(id, sumOf(repository)) {
		return nil, 0, fs.ErrNotExist
	}
	info, err := os.Stat(h.store.path("uploads", id))
	if err != nil {
		return nil, 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.uploads[id] == nil { // begun before this program
		h.uploads[id] = &upload{}
	}
	return h.uploads[id], info.Size(), nil
}

// Upload says how much of an upload has come.
func (h *Host) Upload(repository, id string) (int64, error) {
	_, size, err := h.find(repository, id)
	return size, err
}

// Append adds to an upload, and says how much of it has come then. What comes before
// an error stays.
func (h *Host) Append(repository, id string, content io.Reader) (int64, error) {
	u, _, err := h.find(repository, id)
	if err != nil {
		return 0, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	f, err := os.OpenFile(h.store.path("uploads", id), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var to io.Writer = &early{file: f}
	if u.hash != nil && u.size == info.Size() {
		to = io.MultiWriter(to, u.hash)
	} else {
		u.hash = nil
	}
	use, err := h.use(repository)
	if err != nil {
		return 0, err
	}
	room := use.room() - info.Size()
	n, err := io.CopyBuffer(to, io.LimitReader(content, max(room+1, 0)), make([]byte, 1<<20))
	u.size = info.Size() + n
	if err == nil && n > room {
		err = use.full()
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) { // it would only be in the way
		return 0, errors.Join(err, h.Cancel(repository, id))
	}
	return u.size, err
}

// Finish makes an upload a blob of the repository. It is fs.ErrInvalid, and gone, if
// it has another digest.
func (h *Host) Finish(repository, id string, want digest.Digest) error {
	u, size, err := h.find(repository, id)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	f, err := os.OpenFile(h.store.path("uploads", id), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := u.hash
	if sum == nil || u.size != size || want.Algorithm() != digest.Canonical {
		sum = want.Algorithm().Hash()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
	}
	if got := digest.NewDigest(want.Algorithm(), sum); got != want {
		err := &BrokenError{want, fmt.Sprintf("the content is another: its digest is %s", got)}
		return errors.Join(err, h.Cancel(repository, id))
	}
	release, err := h.store.share()
	if err != nil {
		return err
	}
	defer release()
	err = h.admit(repository, want, size, func() error {
		if h.store.Has(want) {
			err = os.Remove(f.Name())
		} else {
			err = h.store.adopt(f, want)
		}
		if err != nil {
			return err
		}
		h.forget(id)
		return touch(h.file(repository, blobsFolder, want.String()))
	})
	if errors.Is(err, unix.EDQUOT) {
		return errors.Join(err, h.Cancel(repository, id))
	}
	return err
}

// Cancel ends an upload.
func (h *Host) Cancel(repository, id string) error {
	if _, _, err := h.find(repository, id); err != nil {
		return err
	}
	h.forget(id)
	return os.Remove(h.store.path("uploads", id))
}

func (h *Host) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.uploads, id)
}
