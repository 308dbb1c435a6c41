package oci

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Attach keeps a document that says something about an image beside it, as a
// registry's referrers are. It goes when the image does.
func (s *Store) Attach(i *Image, mediaType string, document []byte) error {
	release, err := s.share()
	if err != nil {
		return err
	}
	defer release()
	if err := s.attach(i, mediaType, document); err != nil {
		return fmt.Errorf("attach to %s: %w", i.Name.Familiar(), err)
	}
	return nil
}

func (s *Store) attach(i *Image, mediaType string, document []byte) error {
	layer, _, err := s.Put("", bytes.NewReader(document))
	if err != nil {
		return err
	}
	layer.MediaType = mediaType
	empty := ocispec.DescriptorEmptyJSON
	if _, _, err := s.Put(empty.Digest, bytes.NewReader(empty.Data)); err != nil {
		return err
	}
	empty.Data = nil
	subject := ocispec.Descriptor{MediaType: i.Manifest.MediaType, Digest: i.Manifest.Digest, Size: i.Manifest.Size}
	d, err := s.putJSON(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: mediaType,
		Config: empty, Layers: []ocispec.Descriptor{layer}, Subject: &subject,
	}, ocispec.MediaTypeImageManifest)
	if err != nil {
		return err
	}
	return s.link(i.Name.Repository, d)
}

// Attached is the document of a type that is kept beside an image, nil where there is
// none.
func (s *Store) Attached(i *Image, mediaType string) ([]byte, error) {
	all, err := s.attached(i.Name.Repository, i.Manifest.Digest)
	if err != nil {
		return nil, fmt.Errorf("what is attached to %s: %w", i.Name.Familiar(), err)
	}
	for _, a := range all {
		if a.manifest.ArtifactType == mediaType && len(a.manifest.Layers) == 1 {
			return s.document(a.manifest.Layers[0])
		}
	}
	return nil, nil
}

// An attachment says something about a manifest.
type attachment struct {
	descriptor ocispec.Descriptor
	manifest   ocispec.Manifest
}

// attached are the attachments of a manifest that a repository has.
func (s *Store) attached(repository string, to digest.Digest) ([]attachment, error) {
	var all []attachment
	err := eachFile(s.repository(repository, manifestsFolder), func(path string, _ fs.FileInfo) error {
		var a attachment
		if err := readJSON(path, &a.descriptor); err != nil {
			return err
		}
		if s.subjectOf(a.descriptor) != to {
			return nil
		}
		all = append(all, a)
		return s.read(a.descriptor, &all[len(all)-1].manifest)
	})
	return all, err
}

// carryAttached gives a repository what another has attached to an image.
func (s *Store) carryAttached(from, to string, target ocispec.Descriptor) error {
	return s.walk(target, func(d ocispec.Descriptor, isManifest bool) error {
		if !isManifest {
			return nil
		}
		all, err := s.attached(from, d.Digest)
		for _, a := range all {
			if err == nil {
				err = s.link(to, a.descriptor)
			}
		}
		return err
	})
}
