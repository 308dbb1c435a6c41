package oci

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/kit/oci/layers"
)

// Unpacked are the folders of an image's layers, the topmost first.
type Unpacked struct {
	Folders []string
	Size    int64 // in bytes
}

// An unpackedLayer is what is on record of an unpacked layer.
type unpackedLayer struct {
	Size int64 `json:"size"`
}

// chain is the folder of an image's layer and all below it: what a layer does not
// describe is as it is below.
func (s *Store) chain(i *Image, layer int) string {
	return s.path("layers", identity.ChainID(i.Config.RootFS.DiffIDs[:layer+1]).Encoded())
}

const (
	filesFolder  = "files"      // what the layer holds
	layerRecord  = "layer.json" // written last
	layersAtWork = "unpacking"
)

// Unpacked returns the image's unpacked layers, and whether all are.
func (s *Store) Unpacked(i *Image) (Unpacked, bool) {
	s.removing.RLock()
	defer s.removing.RUnlock()
	return s.unpacked(i)
}

func (s *Store) unpacked(i *Image) (Unpacked, bool) {
	var u Unpacked
	for n := range i.Layers {
		dir := s.chain(i, n)
		var l unpackedLayer
		if readJSON(filepath.Join(dir, layerRecord), &l) != nil {
			return Unpacked{}, false
		}
		u.Folders = append([]string{filepath.Join(dir, filesFolder)}, u.Folders...)
		u.Size += l.Size
	}
	return u, true
}

// Unpack unpacks those of the image's layers that are not unpacked yet. What images
// have in common is unpacked once. Progress is told in sentences what is done. The
// layers are for overlays that are mounted in the user namespace of this process.
func (s *Store) Unpack(ctx context.Context, i *Image, progress func(string)) (Unpacked, error) {
	if u, ok := s.Unpacked(i); ok {
		return u, nil
	}
	if err := os.MkdirAll(s.path("layers", layersAtWork), 0o755); err != nil {
		return Unpacked{}, fmt.Errorf("unpack %s: %w", i.Name.Familiar(), err)
	}
	// One at a time: images that are unpacked side by side often have the same base.
	held, err := hold(ctx, s.path("layers", "lock"))
	if err != nil {
		return Unpacked{}, fmt.Errorf("unpack %s: %w", i.Name.Familiar(), err)
	}
	defer held.Close()
	if err := s.unpack(ctx, i, progress); err != nil {
		return Unpacked{}, fmt.Errorf("unpack %s: %w", i.Name.Familiar(), s.roomy(err))
	}
	u, ok := s.Unpacked(i)
	if !ok {
		return u, fmt.Errorf("unpack %s: its layers were removed meanwhile", i.Name.Familiar())
	}
	return u, nil
}

func (s *Store) unpack(ctx context.Context, i *Image, progress func(string)) error {
	within, err := inUserNamespace()
	if err != nil {
		return err
	}
	var below, ready []string // the topmost first; the lowest first
	done := map[string]bool{}
	for n, l := range i.Layers {
		dir := s.chain(i, n)
		if _, err := os.Stat(filepath.Join(dir, layerRecord)); err == nil || done[dir] {
			below = append([]string{filepath.Join(dir, filesFolder)}, below...)
			continue
		}
		done[dir] = true
		progress(fmt.Sprintf("unpacking layer %d of %d, %.1f MB", n+1, len(i.Layers), float64(l.Size)/1e6))
		work := s.path("layers", layersAtWork, filepath.Base(dir))
		if err := s.unpackLayer(ctx, work, l, i.Config.RootFS.DiffIDs[n], below, within); err != nil {
			return errors.Join(fmt.Errorf("layer %d of %d, %s: %w", n+1, len(i.Layers), l.Digest, err), os.RemoveAll(work))
		}
		below, ready = append([]string{filepath.Join(work, filesFolder)}, below...), append(ready, dir)
	}
	// They have their names when they are on the disk.
	if err := syncAll(s.path("layers")); err != nil {
		return err
	}
	for _, dir := range ready {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.Rename(s.path("layers", layersAtWork, filepath.Base(dir)), dir); err != nil {
			return err
		}
	}
	return nil
}

// Adopt makes a folder the topmost layer of an image, unpacked, if the others are. Who
// calls it says that the folder holds what the layer does, as an overlay would have it,
// and how many bytes; nobody may have it mounted. A folder of another file system is
// left alone.
func (s *Store) Adopt(ctx context.Context, i *Image, folder string, size int64) error {
	top := len(i.Layers) - 1
	dir := s.chain(i, top)
	held, err := hold(ctx, s.path("layers", "lock"))
	if err != nil {
		return err
	}
	defer held.Close()
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	work := s.path("layers", layersAtWork, filepath.Base(dir))
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	files := filepath.Join(work, filesFolder)
	err = os.Rename(folder, files)
	if errors.Is(err, unix.EXDEV) {
		return os.RemoveAll(work)
	}
	if err == nil && top > 0 { // Nobody's layer says how the root of all is.
		err = likeRoot(files, filepath.Join(s.chain(i, top-1), filesFolder))
	}
	if err == nil {
		err = writeJSON(filepath.Join(work, layerRecord), unpackedLayer{Size: size})
	}
	if err == nil {
		err = syncAll(s.path("layers"))
	}
	if err == nil {
		err = os.Rename(work, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep the layer unpacked: %w", err), os.RemoveAll(work))
	}
	return nil
}

func likeRoot(files, below string) error {
	var st unix.Stat_t
	if err := unix.Stat(below, &st); err != nil {
		return err
	}
	return errors.Join(os.Chown(files, int(st.Uid), int(st.Gid)), unix.Chmod(files, st.Mode&0o7777))
}

// inUserNamespace says whether root is root here only.
func inUserNamespace() (bool, error) {
	users, err := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(users)), " ") != "0 0 4294967295", err
}

// syncAll writes what a file system has not written yet.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

func (s *Store) unpackLayer(ctx context.Context, work string, l ocispec.Descriptor, diff digest.Digest, below []string, inUser bool) error {
	if err := diff.Validate(); err != nil {
		return fmt.Errorf("digest %q in the config: %w", diff, err)
	}
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	files := filepath.Join(work, filesFolder)
	if err := os.MkdirAll(files, 0o755); err != nil {
		return err
	}
	blob, err := s.Blob(l.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	limits, err := limitsOf(files)
	if err != nil {
		return err
	}
	plain, err := Plain(blob)
	if err != nil {
		return err
	}
	defer plain.Close()
	content := newVerifier(&guard{from: plain, packed: l.Size}, diff)
	size, err := layers.Unpack(ctx, files, content, layers.Options{Below: below, InUser: inUser, Limits: limits})
	if sum := content.finish(err == nil); err == nil {
		err = sum
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(unpackedLayer{Size: size})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(work, layerRecord), data, 0o644)
}

// maxEntries is how many files a layer may have: ten times as many as large ones have.
const maxEntries = 5_000_000

// spareBytes and spareFiles are what the disk keeps for others.
const spareBytes, spareFiles = 1 << 30, 10_000

// limitsOf are what the disk has room for.
func limitsOf(dir string) (layers.Limits, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return layers.Limits{}, err
	}
	l := layers.Limits{Entries: maxEntries, Bytes: max(int64(st.Bavail)*st.Bsize-spareBytes, 1)}
	if st.Files > 0 {
		l.Entries = min(l.Entries, max(int64(st.Ffree)-spareFiles, 1))
	}
	return l, nil
}

// Plain is a layer, or another archive, without the compression around it: gzip, zstd
// or none.
func Plain(blob io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(blob, 1<<20)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch packing(magic) {
	case gzipped:
		return gzip.NewReader(b)
	case zstandard:
		d, err := zstd.NewReader(b, zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(b), nil
}

// A guard ends a layer that becomes much larger than any should: gzip packs zeros a
// thousandfold, programs and data three- to tenfold.
type guard struct {
	from   io.Reader
	packed int64
	read   int64
}

const (
	freeBytes = 1 << 30
	maxRatio  = 200
)

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.from.Read(p)
	g.read += int64(n)
	if g.read > freeBytes && g.read/maxRatio > g.packed {
		return n, &layers.HostileError{Entry: "/", Problem: fmt.Sprintf("%d bytes unpack to more than %d: it is made to fill the disk", g.packed, g.read)}
	}
	return n, err
}

// RemoveUnpacked removes those unpacked layers of an image that no other one needs
// that is unpacked, nor one in use. It gets the room back, and the next Unpack does it
// again. Who calls an image used before Unpacked says that it is there keeps it.
func (s *Store) RemoveUnpacked(ctx context.Context, i *Image, used func() []*Image) error {
	return s.removeUnpacked(ctx, func() ([]string, error) {
		all, err := s.all()
		if err != nil {
			return nil, err
		}
		others := slices.DeleteFunc(all, func(o *Image) bool {
			_, ready := s.unpacked(o)
			return o.ID == i.ID || !ready
		})
		needed := s.chains(append(others, used()...))
		var gone []string
		for dir := range s.chains([]*Image{i}) {
			if !needed[dir] {
				gone = append(gone, dir)
			}
		}
		return gone, nil
	})
}

// SweepUnpacked removes what unpacking left that was interrupted, and layers that no
// image has any more. Nobody may use those.
func (s *Store) SweepUnpacked(ctx context.Context) error {
	return s.removeUnpacked(ctx, func() ([]string, error) {
		entries, err := os.ReadDir(s.path("layers"))
		if err != nil {
			return nil, err
		}
		images, err := s.all()
		if err != nil {
			return nil, err
		}
		needed := s.chains(images)
		var gone []string
		for _, e := range entries {
			if dir := s.path("layers", e.Name()); e.IsDir() && e.Name() != layersAtWork && !needed[dir] {
				gone = append(gone, dir)
			}
		}
		return gone, nil
	})
}

// ErrInUse says that somebody uses unpacked layers who does not say which.
var ErrInUse = errors.New("an image is built on unpacked layers just now: try again when that is done")

// removeUnpacked removes the folders of layers that choose names, while nobody unpacks
// any. Nobody sees a part of a layer: they leave their places first, all at once, and
// are removed then. Where nothing was ever unpacked there is nothing to do.
func (s *Store) removeUnpacked(ctx context.Context, choose func() ([]string, error)) error {
	if _, err := os.Stat(s.path("layers")); err != nil {
		return nil
	}
	held, err := hold(ctx, s.path("layers", "lock"))
	if err != nil {
		return err
	}
	defer held.Close()
	away := s.path("layers", layersAtWork) // What is there is of nobody, since nobody unpacks.
	if err := errors.Join(os.RemoveAll(away), os.MkdirAll(away, 0o755)); err != nil {
		return err
	}
	if err := s.moveLayers(choose, away); err != nil {
		return err
	}
	return os.RemoveAll(away)
}

func (s *Store) moveLayers(choose func() ([]string, error), to string) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	dirs, err := choose()
	if err != nil || len(dirs) == 0 {
		return err
	}
	free, err := tryHold(s.path("layers", layersInUse))
	if err == nil && free == nil {
		err = ErrInUse
	}
	if err != nil {
		return err
	}
	defer free.Close()
	for _, dir := range dirs {
		if err := os.Rename(dir, filepath.Join(to, filepath.Base(dir))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// chains are the folders that the layers of images are unpacked to.
func (s *Store) chains(images []*Image) map[string]bool {
	all := map[string]bool{}
	for _, i := range images {
		for n := range i.Layers {
			all[s.chain(i, n)] = true
		}
	}
	return all
}
