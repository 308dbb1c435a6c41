package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// A Layer writes what a layer holds, as a tar.
type Layer func(io.Writer) error

// A kept layer is one that is in the store.
type keptLayer struct {
	descriptor ocispec.Descriptor
	diff       digest.Digest // of what it holds, by which a config names it
}

// addLayer packs a layer and keeps it.
func (s *Store) addLayer(ctx context.Context, l Layer) (keptLayer, error) {
	if err := os.MkdirAll(s.path("uploads"), 0o755); err != nil {
		return keptLayer{}, err
	}
	f, err := os.CreateTemp(s.path("uploads"), "layer-*")
	if err != nil {
		return keptLayer{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	packed, plain := digest.Canonical.Digester(), digest.Canonical.Digester()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, packed.Hash()), gzip.BestSpeed)
	if err != nil {
		return keptLayer{}, err
	}
	if err := l(io.MultiWriter(z, plain.Hash(), unlessDone{ctx})); err != nil {
		return keptLayer{}, err
	}
	if err := z.Close(); err != nil {
		return keptLayer{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return keptLayer{}, err
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: packed.Digest(), Size: info.Size()}
	if !s.Has(d.Digest) {
		err = s.adopt(f, d.Digest)
	}
	return keptLayer{d, plain.Digest()}, err
}

// unlessDone ends what is written when its context is.
type unlessDone struct{ ctx context.Context }

func (u unlessDone) Write(p []byte) (int, error) { return len(p), u.ctx.Err() }

// A Draft says what an image is to be made of.
type Draft struct {
	Base   *Image        // in the store, whose layers lie below; nil is none
	Config ocispec.Image // gets the layers' digests
	Docker Docker
	Layers []Layer
}

// Docker is what a config says that OCI's does not know, and others read.
type Docker = dockerspec.DockerOCIImageConfigExt

// config is the whole config.
func (d Draft) config() any {
	if reflect.ValueOf(d.Docker).IsZero() {
		return d.Config
	}
	return dockerspec.DockerOCIImage{
		Image:  d.Config,
		Config: dockerspec.DockerOCIImageConfig{ImageConfig: d.Config.Config, DockerOCIImageConfigExt: d.Docker},
	}
}

// Make makes an image of a config and layers, and gives it a name.
func (s *Store) Make(name string, config ocispec.Image, layers ...Layer) (*Image, error) {
	return s.Build(context.Background(), name, Draft{Config: config, Layers: layers}) //nolint:forbidigo // For what is made in a moment.
}

// Build makes an image and gives it a name. The same draft makes the same bytes. A
// build that ends early leaves the name as it was.
func (s *Store) Build(ctx context.Context, name string, d Draft) (*Image, error) {
	n, err := s.parse(name)
	if err == nil && n.Digest != "" {
		err = fmt.Errorf("image name %q: a digest is not given, it is had: leave it out", name)
	}
	if err != nil {
		return nil, err
	}
	release, err := s.share()
	if err != nil {
		return nil, err
	}
	defer release()
	target, err := s.build(ctx, d)
	if err == nil {
		err = s.name(n, tag{Target: target})
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", n.Familiar(), s.roomy(err))
	}
	return s.find(n)
}

func (s *Store) build(ctx context.Context, d Draft) (ocispec.Descriptor, error) {
	kept := make([]keptLayer, len(d.Layers))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for n, l := range d.Layers {
		work.Go(func() (err error) {
			if kept[n], err = s.addLayer(ctx, l); err != nil {
				return fmt.Errorf("layer %d: %w", n+1, err)
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return ocispec.Descriptor{}, err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Layers: []ocispec.Descriptor{}}
	d.Config.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	if d.Base != nil {
		for _, l := range d.Base.Layers {
			l.MediaType = ociLayer(l.MediaType)
			m.Layers = append(m.Layers, l)
		}
		d.Config.RootFS.DiffIDs = slices.Clone(d.Base.Config.RootFS.DiffIDs)
	}
	for _, l := range kept {
		m.Layers, d.Config.RootFS.DiffIDs = append(m.Layers, l.descriptor), append(d.Config.RootFS.DiffIDs, l.diff)
	}
	var err error
	if m.Config, err = s.putJSON(d.config(), ocispec.MediaTypeImageConfig); err != nil {
		return ocispec.Descriptor{}, err
	}
	return s.putJSON(m, m.MediaType)
}

// ociLayer is what OCI calls a layer that Docker may have named.
func ociLayer(mediaType string) string {
	if packing, ok := strings.CutPrefix(mediaType, "application/vnd.docker.image.rootfs.diff.tar"); ok {
		return ocispec.MediaTypeImageLayer + strings.Replace(packing, ".", "+", 1)
	}
	return mediaType
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
