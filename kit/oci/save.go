package oci

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Save writes an archive of images, which is an OCI layout and what docker load
// reads. The same images make the same bytes.
func (s *Store) Save(w io.Writer, names ...string) error {
	a := &archiver{store: s, tar: tar.NewWriter(w), done: map[digest.Digest]bool{}}
	for _, text := range names {
		if err := a.image(text); err != nil {
			return err
		}
	}
	return a.finish()
}

// An archiver has written some images.
type archiver struct {
	store  *Store
	tar    *tar.Writer
	done   map[digest.Digest]bool
	index  []ocispec.Descriptor
	docker []dockerImage
}

// A dockerImage is an image in manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (a *archiver) image(text string) error {
	i, err := a.store.Find(text)
	if err != nil {
		return err
	}
	if err := a.store.walk(i.Target, func(d ocispec.Descriptor, _ bool) error { return a.blob(d) }); err != nil {
		return fmt.Errorf("save %s: %w", i.Name.Familiar(), err)
	}
	d := ocispec.Descriptor{MediaType: i.Target.MediaType, Digest: i.Target.Digest, Size: i.Target.Size}
	saved := dockerImage{Config: blobName(i.ID), RepoTags: []string{}}
	if i.Name.Tag != "" {
		d.Annotations = map[string]string{nameAnnotation: i.Name.String(), ocispec.AnnotationRefName: i.Name.Tag}
		saved.RepoTags = append(saved.RepoTags, i.Name.Familiar())
	}
	for _, l := range i.Layers {
		saved.Layers = append(saved.Layers, blobName(l.Digest))
	}
	a.index, a.docker = append(a.index, d), append(a.docker, saved)
	return nil
}

func blobName(d digest.Digest) string {
	return "blobs/" + d.Algorithm().String() + "/" + d.Encoded()
}

func (a *archiver) blob(d ocispec.Descriptor) error {
	if a.done[d.Digest] {
		return nil
	}
	a.done[d.Digest] = true
	f, err := a.store.Blob(d.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := a.header(blobName(d.Digest), info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(a.tar, f)
	return err
}

func (a *archiver) header(name string, size int64) error {
	return a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644})
}

func (a *archiver) finish() error {
	for _, f := range []struct {
		name string
		what any
	}{
		{"index.json", ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: a.index}},
		{"manifest.json", a.docker},
		{ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}},
	} {
		data, err := json.Marshal(f.what)
		if err != nil {
			return err
		}
		if err := a.header(f.name, int64(len(data))); err != nil {
			return err
		}
		if _, err := a.tar.Write(data); err != nil {
			return err
		}
	}
	return a.tar.Close()
}
