package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Image is one that is in the store whole.
type Image struct {
	Name     Name
	Target   ocispec.Descriptor // what the name means: a manifest, or an index of some
	Manifest ocispec.Descriptor // the manifest for this machine
	ID       digest.Digest      // of the config
	Config   ocispec.Image
	Docker   Docker
	Layers   []ocispec.Descriptor // the lowest first
	Pulled   bool                 // it can be had again from where it came
}

// Size is how many bytes the image's layers take as they are kept.
func (i *Image) Size() int64 {
	var n int64
	for _, l := range i.Layers {
		n += l.Size
	}
	return n
}

// The media types of Docker's, which mean the same as OCI's.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerIndex
}

func isManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == dockerManifest
}

// Find returns the image that is called so. The error is a *NotFoundError when none
// is, and a *BrokenError when something of it is missing.
func (s *Store) Find(name string) (*Image, error) {
	n, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	return s.find(n)
}

// FindFor returns what is called so for machines of an architecture, as "arm64".
func (s *Store) FindFor(name, architecture string) (*Image, error) {
	n, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	i, err := s.findFor(n, architecture)
	if err == nil && i.Config.Architecture != architecture {
		err = fmt.Errorf("image %s: it is for linux/%s, not linux/%s", n.Familiar(), i.Config.Architecture, architecture)
	}
	return i, err
}

func (s *Store) find(n Name) (*Image, error) { return s.findFor(n, runtime.GOARCH) }

func (s *Store) findFor(n Name, architecture string) (*Image, error) {
	t, err := s.target(n)
	if err != nil {
		return nil, err
	}
	i, err := s.image(t.Target, architecture)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", n.Familiar(), err)
	}
	i.Name, i.Pulled = n, t.Pulled
	return i, nil
}

// image reads an image, and looks whether all of it is there.
func (s *Store) image(target ocispec.Descriptor, architecture string) (*Image, error) {
	i := &Image{Target: target, Manifest: target}
	if isIndex(target.MediaType) {
		var index ocispec.Index
		if err := s.read(target, &index); err != nil {
			return nil, err
		}
		var err error
		if i.Manifest, err = s.choose(target, index, architecture, func(d ocispec.Descriptor) bool { return s.Has(d.Digest) }); err != nil {
			return nil, err
		}
	}
	if !isManifest(i.Manifest.MediaType) {
		return nil, &BrokenError{i.Manifest.Digest, fmt.Sprintf("its type %q is not that of an image", i.Manifest.MediaType)}
	}
	var m ocispec.Manifest
	if err := s.read(i.Manifest, &m); err != nil {
		return nil, err
	}
	var docker struct{ Config Docker }
	if err := errors.Join(s.read(m.Config, &i.Config), s.read(m.Config, &docker)); err != nil {
		return nil, err
	}
	i.Docker = docker.Config
	i.ID, i.Layers = m.Config.Digest, m.Layers
	for _, l := range m.Layers {
		if !s.Has(l.Digest) {
			return nil, &BrokenError{l.Digest, "the layer is missing"}
		}
	}
	if ids := i.Config.RootFS.DiffIDs; len(ids) != len(i.Layers) {
		return nil, &BrokenError{i.ID, fmt.Sprintf("the config names %d layers, the manifest %d: it is not an image to run", len(ids), len(i.Layers))}
	}
	return i, nil
}

func (s *Store) read(d ocispec.Descriptor, to any) error {
	data, err := s.document(d)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, to); err != nil {
		return &BrokenError{d.Digest, err.Error()}
	}
	return nil
}

// choose chooses the manifest for an architecture, of those that can be had.
func (s *Store) choose(target ocispec.Descriptor, index ocispec.Index, architecture string, canBeHad func(ocispec.Descriptor) bool) (ocispec.Descriptor, error) {
	var others []string
	var nameless *ocispec.Descriptor
	for _, m := range index.Manifests {
		switch {
		case !isManifest(m.MediaType) || !canBeHad(m):
		case m.Platform == nil:
			nameless = &m
		case m.Platform.OS == "linux" && m.Platform.Architecture == architecture:
			return m, nil
		case m.Platform.OS != "unknown": // as attestations are marked
			others = append(others, m.Platform.OS+"/"+m.Platform.Architecture)
		}
	}
	if nameless != nil {
		return *nameless, nil
	}
	if len(others) == 0 {
		return ocispec.Descriptor{}, &BrokenError{target.Digest, "none of the images that it names is here"}
	}
	return ocispec.Descriptor{}, &BrokenError{target.Digest, fmt.Sprintf("it is for %s, and not for linux/%s", strings.Join(others, ", "), architecture)}
}

// walk visits a manifest or an index, and what is in the store of what it consists
// of, the parts first.
func (s *Store) walk(target ocispec.Descriptor, visit func(d ocispec.Descriptor, isManifest bool) error) error {
	var parts []ocispec.Descriptor
	switch {
	case isIndex(target.MediaType):
		var index ocispec.Index
		if err := s.read(target, &index); err != nil {
			return err
		}
		for _, m := range index.Manifests {
			if !s.Has(m.Digest) {
				continue
			}
			if err := s.walk(m, visit); err != nil {
				return err
			}
		}
	case isManifest(target.MediaType):
		var m ocispec.Manifest
		if err := s.read(target, &m); err != nil {
			return err
		}
		parts = append(m.Layers, m.Config)
	}
	for _, p := range parts {
		if !s.Has(p.Digest) {
			continue
		}
		if err := visit(p, false); err != nil {
			return err
		}
	}
	return visit(target, true)
}

// List returns all images that somebody has given a name, in the order of their names.
// Those of which something is missing are left out.
func (s *Store) List() ([]*Image, error) {
	all, err := s.all()
	return slices.DeleteFunc(all, func(i *Image) bool { return i.Name.Repository == stepRepository }), err
}

// all returns also what steps of builds have made.
func (s *Store) all() ([]*Image, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var all []*Image
	for _, n := range names {
		i, err := s.find(n)
		var missing *NotFoundError
		var broken *BrokenError
		if errors.As(err, &missing) || errors.As(err, &broken) { // removed just now, or for another machine
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// Tag gives an image another name.
func (s *Store) Tag(from, to string) error {
	source, err := s.parse(from)
	if err != nil {
		return err
	}
	n, err := s.parse(to)
	if err != nil {
		return err
	}
	if n.Digest != "" {
		return fmt.Errorf("image name %q: a digest is not given, it is had: leave it out", to)
	}
	t, err := s.target(source)
	if err != nil {
		return err
	}
	release, err := s.share()
	if err != nil {
		return err
	}
	defer release()
	if err := s.name(n, tag{Target: t.Target}); err != nil || n.Repository == source.Repository {
		return err
	}
	return s.carryAttached(source.Repository, n.Repository, t.Target)
}

// name gives a name to what is in the store.
func (s *Store) name(n Name, t tag) error {
	if err := s.link(n.Repository, t.Target); err != nil {
		return err
	}
	return s.setTag(n, t)
}

// Remove takes a name away from an image, and from the repository what no other of
// its names needs. Collect removes what no repository needs.
func (s *Store) Remove(name string) error {
	n, err := s.parse(name)
	if err != nil {
		return err
	}
	t, err := s.target(n)
	if err != nil {
		return err
	}
	if n.Digest == "" {
		if err := os.Remove(s.repository(n.Repository, tagsFolder, n.Tag)); err != nil {
			return err
		}
	}
	return s.unlink(n.Repository, t.Target)
}

// unlink takes from a repository a manifest that no tag of it means, with what
// no other manifest has.
func (s *Store) unlink(repository string, target ocispec.Descriptor) error {
	needed := map[digest.Digest]bool{}
	err := eachFile(s.repository(repository, tagsFolder), func(path string, _ fs.FileInfo) error {
		var t tag
		if err := readJSON(path, &t); err != nil {
			return err
		}
		return s.walk(t.Target, func(d ocispec.Descriptor, _ bool) error {
			needed[d.Digest] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	err = s.walk(target, func(d ocispec.Descriptor, isManifest bool) error {
		folder := blobsFolder
		if isManifest {
			folder = manifestsFolder
		}
		if needed[d.Digest] {
			return nil
		}
		if err := os.Remove(s.repository(repository, folder, d.Digest.String())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	var broken *BrokenError
	if errors.As(err, &broken) { // then less has to go
		return nil
	}
	return err
}
