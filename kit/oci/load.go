package oci

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Load keeps the images of an archive, as docker save and podman save write it, or of
// an OCI layout in a tar, and returns their names. An archive that names no image
// gets the name as; one that has a single image gets it in place of its own. "" is
// none.
func (s *Store) Load(ctx context.Context, archive io.Reader, as string) ([]Name, error) {
	plain, err := decompressed(archive)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer plain.Close()
	return s.load(ctx, as, func(l *loader) error {
		r := tar.NewReader(plain)
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("not an archive of images: %w", err)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
			switch h.Typeflag {
			case tar.TypeReg:
				err = l.file(name, h.Size, r)
			case tar.TypeSymlink:
				l.links[name] = path.Join(path.Dir(name), h.Linkname)
			case tar.TypeLink:
				l.links[name] = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
		}
	})
}

// LoadFolder does the same with an OCI layout in a folder.
func (s *Store) LoadFolder(ctx context.Context, dir, as string) ([]Name, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer root.Close()
	return s.load(ctx, as, func(l *loader) error {
		return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			f, err := root.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			if err := l.file(filepath.ToSlash(name), info.Size(), f); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	})
}

// decompressed is an archive without the gzip around it, if there is one.
func decompressed(archive io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(archive, 1<<20)
	magic, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return io.NopCloser(b), nil
	}
	return gzip.NewReader(b)
}

// A loader has read some of an archive, which names things in any order.
type loader struct {
	store     *Store
	documents map[string][]byte             // small files, by name
	files     map[string]ocispec.Descriptor // all that became blobs, by name
	links     map[string]string
	fresh     []digest.Digest // blobs that were not there before
}

func (s *Store) load(ctx context.Context, as string, read func(*loader) error) (names []Name, err error) {
	release, err := s.share()
	if err != nil {
		return nil, err
	}
	defer release()
	l := &loader{store: s, documents: map[string][]byte{}, files: map[string]ocispec.Descriptor{}, links: map[string]string{}}
	kept := map[digest.Digest]bool{}
	defer func() { // what no image of the archive needs goes again
		for _, d := range l.fresh {
			if !kept[d] {
				os.Remove(s.blobPath(d))
			}
		}
	}()
	if err := read(l); err != nil {
		return nil, fmt.Errorf("load: %w", s.roomy(err))
	}
	images, err := l.images(as)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	for _, i := range images {
		if _, err := s.image(i.target, runtime.GOARCH); err != nil {
			return names, fmt.Errorf("load %s: %w", i.name.Familiar(), err)
		}
		err := s.walk(i.target, func(d ocispec.Descriptor, _ bool) error {
			kept[d.Digest] = true
			return nil
		})
		if err == nil {
			err = s.name(i.name, tag{Target: i.target})
		}
		if err != nil {
			return names, fmt.Errorf("load %s: %w", i.name.Familiar(), s.roomy(err))
		}
		names = append(names, i.name)
	}
	return names, ctx.Err()
}

// file takes a file of the archive.
func (l *loader) file(name string, size int64, content io.Reader) error {
	if algorithm, encoded, ok := strings.Cut(strings.TrimPrefix(name, "blobs/"), "/"); ok && strings.HasPrefix(name, "blobs/") {
		want := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded)
		if err := want.Validate(); err != nil {
			return err
		}
		return l.put(name, want, content)
	}
	switch path.Base(name) {
	case "index.json", "manifest.json":
		if size > maxDocument {
			return fmt.Errorf("it has %d bytes, and should be a description", size)
		}
		data, err := io.ReadAll(content)
		l.documents[name] = data
		return err
	case "oci-layout", "repositories", "VERSION", "json": // which say nothing that is needed
		return nil
	}
	return l.put(name, "", content)
}

func (l *loader) put(name string, want digest.Digest, content io.Reader) error {
	d, fresh, err := l.store.Put(want, content)
	if fresh && err == nil {
		l.fresh = append(l.fresh, d.Digest)
	}
	l.files[name] = d
	return err
}

// A loaded image is what a name of the archive means.
type loaded struct {
	name   Name
	target ocispec.Descriptor
}

// images says which images the archive has.
func (l *loader) images(as string) ([]loaded, error) {
	all, nameless, err := l.ofLayout()
	if err == nil && len(all) == 0 {
		var further []ocispec.Descriptor
		if all, further, err = l.ofDocker(); len(all)+len(further) > 0 {
			nameless = further
		}
	}
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		nameless = append(nameless, i.target)
	}
	switch {
	case len(nameless) == 0:
		return nil, errors.New("there is no image in it: neither an index.json nor a manifest.json says so")
	case as != "" && !same(nameless):
		return nil, fmt.Errorf("there are several images in it, so it cannot be called %q", as)
	case as != "":
		name, err := l.store.parse(as)
		if err == nil && name.Digest != "" {
			err = fmt.Errorf("image name %q: a digest is not given, it is had: leave it out", as)
		}
		return []loaded{{name, nameless[0]}}, err
	case len(all) == 0:
		return nil, errors.New("it does not say what its image is called: say it with --tag NAME")
	}
	return all, nil
}

func same(all []ocispec.Descriptor) bool {
	for _, d := range all {
		if d.Digest != all[0].Digest {
			return false
		}
	}
	return true
}

// nameAnnotation has the whole name of an image where Docker and containerd write a
// layout; OCI's own has the tag, or what people took it for.
const nameAnnotation = "io.containerd.image.name"

// ofLayout are the images of an OCI layout, and those without a name.
func (l *loader) ofLayout() (all []loaded, nameless []ocispec.Descriptor, err error) {
	data, ok := l.documents["index.json"]
	if !ok {
		return nil, nil, nil
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, nil, fmt.Errorf("index.json: %w", err)
	}
	for _, d := range index.Manifests {
		text := d.Annotations[nameAnnotation]
		if reference := d.Annotations[ocispec.AnnotationRefName]; text == "" && strings.ContainsAny(reference, ":/") {
			text = reference
		}
		target := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		name, err := l.store.parse(text)
		if err != nil || name.Digest != "" {
			nameless = append(nameless, target)
			continue
		}
		all = append(all, loaded{name, target})
	}
	return all, nameless, nil
}

// ofDocker are the images of an archive of docker save before it wrote layouts. It
// has configs and layers, and gets manifests here.
func (l *loader) ofDocker() (all []loaded, nameless []ocispec.Descriptor, err error) {
	data, ok := l.documents["manifest.json"]
	if !ok {
		return nil, nil, nil
	}
	var images []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(data, &images); err != nil {
		return nil, nil, fmt.Errorf("manifest.json: %w", err)
	}
	for _, image := range images {
		target, err := l.manifest(image.Config, image.Layers)
		if err != nil {
			return nil, nil, err
		}
		if len(image.RepoTags) == 0 {
			nameless = append(nameless, target)
		}
		for _, text := range image.RepoTags {
			name, err := l.store.parse(text)
			if err != nil {
				return nil, nil, err
			}
			all = append(all, loaded{name, target})
		}
	}
	return all, nameless, nil
}

// manifest makes the manifest of an image, of which config and layers are files of
// the archive.
func (l *loader) manifest(config string, layers []string) (ocispec.Descriptor, error) {
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Layers: []ocispec.Descriptor{}}
	var err error
	if m.Config, err = l.find(config); err != nil {
		return ocispec.Descriptor{}, err
	}
	m.Config.MediaType = ocispec.MediaTypeImageConfig
	for _, name := range layers {
		d, err := l.find(name)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		if d.MediaType, err = l.store.mediaType(d.Digest); err != nil {
			return ocispec.Descriptor{}, err
		}
		m.Layers = append(m.Layers, d)
	}
	return l.store.putJSON(m, m.MediaType)
}

// find finds what became of a file of the archive. Several layers that are the same
// are one, and links to it.
func (l *loader) find(name string) (ocispec.Descriptor, error) {
	at := strings.TrimPrefix(path.Clean("/"+name), "/")
	for range 8 {
		if d, ok := l.files[at]; ok {
			return d, nil
		}
		to, ok := l.links[at]
		if !ok {
			break
		}
		at = to
	}
	return ocispec.Descriptor{}, fmt.Errorf("%s is missing in it", name)
}

// mediaType says how a layer is packed.
func (s *Store) mediaType(d digest.Digest) (string, error) {
	f, err := s.Blob(d)
	if err != nil {
		return "", err
	}
	defer f.Close()
	magic := make([]byte, 4)
	n, err := io.ReadFull(f, magic)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	switch packing(magic[:n]) {
	case gzipped:
		return ocispec.MediaTypeImageLayerGzip, nil
	case zstandard:
		return ocispec.MediaTypeImageLayerZstd, nil
	}
	return ocispec.MediaTypeImageLayer, nil
}

// A packed is how a layer is compressed.
type packed int

const (
	unpacked packed = iota
	gzipped
	zstandard
)

// packing tells it by the first bytes: what a media type says is not always so.
func packing(magic []byte) packed {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard
	}
	return unpacked
}
