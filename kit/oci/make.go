package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Layer writes what a layer holds, as a tar.
type Layer func(io.Writer) error

// AddLayer packs a layer and keeps it. It returns how it is kept, and the digest of
// what it holds, by which a config names it.
func (s *Store) AddLayer(l Layer) (ocispec.Descriptor, digest.Digest, error) {
	if err := os.MkdirAll(s.path("uploads"), 0o755); err != nil {
		return ocispec.Descriptor{}, "", err
	}
	f, err := os.CreateTemp(s.path("uploads"), "layer-*")
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	packed, plain := digest.Canonical.Digester(), digest.Canonical.Digester()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, packed.Hash()), gzip.BestSpeed)
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	if err := l(io.MultiWriter(z, plain.Hash())); err != nil {
		return ocispec.Descriptor{}, "", err
	}
	if err := z.Close(); err != nil {
		return ocispec.Descriptor{}, "", err
	}
	info, err := f.Stat()
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: packed.Digest(), Size: info.Size()}
	return d, plain.Digest(), s.adopt(f, d.Digest)
}

// Make makes an image of a config, which gets the layers' digests, and layers that
// are in the store, and gives it a name.
func (s *Store) Make(name string, config ocispec.Image, layers ...Layer) (*Image, error) {
	n, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	release, err := s.share()
	if err != nil {
		return nil, err
	}
	defer release()
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Layers: []ocispec.Descriptor{}}
	config.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for i, l := range layers {
		d, diff, err := s.AddLayer(l)
		if err != nil {
			return nil, fmt.Errorf("image %s: layer %d: %w", n.Familiar(), i+1, err)
		}
		m.Layers, config.RootFS.DiffIDs = append(m.Layers, d), append(config.RootFS.DiffIDs, diff)
	}
	if m.Config, err = s.putJSON(config, ocispec.MediaTypeImageConfig); err != nil {
		return nil, fmt.Errorf("image %s: %w", n.Familiar(), err)
	}
	target, err := s.putJSON(m, m.MediaType)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", n.Familiar(), err)
	}
	if err := s.name(n, tag{Target: target}); err != nil {
		return nil, fmt.Errorf("image %s: %w", n.Familiar(), err)
	}
	return s.find(n)
}

// putJSON makes a description a blob.
func (s *Store) putJSON(v any, mediaType string) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, _, err := s.Put("", bytes.NewReader(data))
	d.MediaType = mediaType
	return d, err
}
