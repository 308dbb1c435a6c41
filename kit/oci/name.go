package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Name is what an image is called.
type Name struct {
	Repository string        // with its registry: "docker.io/library/busybox"
	Tag        string        // "" with a digest
	Digest     digest.Digest // "" with a tag
}

// ParseName reads a name as people write it: "busybox", "ada/mnist:v1",
// "registry.example:5000/ada/mnist@sha256:…". Where there are a tag and a digest, the
// digest counts.
func ParseName(text string) (Name, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return Name{}, fmt.Errorf("image name %q: %w: write it as [registry/][owner/]name[:tag]", text, err)
	}
	n := Name{Repository: named.Name(), Tag: "latest"}
	if tagged, ok := named.(reference.Tagged); ok {
		n.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		n.Tag, n.Digest = "", digested.Digest()
	}
	return n, nil
}

func (n Name) String() string {
	if n.Digest != "" {
		return n.Repository + "@" + n.Digest.String()
	}
	return n.Repository + ":" + n.Tag
}

// Familiar is the name as people write it, without what goes without saying.
func (n Name) Familiar() string {
	named, err := reference.ParseNormalizedNamed(n.String())
	if err != nil {
		return n.String()
	}
	return reference.FamiliarString(named)
}

// What a repository has is in small files, in folders whose names no repository can
// have.
const (
	tagsFolder      = "_tags"      // what each tag means
	manifestsFolder = "_manifests" // the manifests and indexes it has, by digest
	blobsFolder     = "_blobs"     // the others, empty files
)

// A tag is what a tag's file says.
type tag struct {
	Target ocispec.Descriptor `json:"target"` // a manifest or an index
	// Pulled says that it can be had again from where it came.
	Pulled bool `json:"pulled,omitempty"`
}

func (s *Store) repository(name string, elem ...string) string {
	return s.path(append([]string{"repositories", name}, elem...)...)
}

// target is what a name means.
func (s *Store) target(n Name) (tag, error) {
	var t tag
	var err error
	if n.Digest != "" {
		err = readJSON(s.repository(n.Repository, manifestsFolder, n.Digest.String()), &t.Target)
	} else {
		err = readJSON(s.repository(n.Repository, tagsFolder, n.Tag), &t)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return t, &NotFoundError{n.Familiar()}
	}
	if err == nil {
		err = t.Target.Digest.Validate()
	}
	if err != nil {
		return t, fmt.Errorf("image %s: %w", n.Familiar(), err)
	}
	return t, nil
}

// setTag makes a tag mean something that the repository has.
func (s *Store) setTag(n Name, t tag) error {
	return writeJSON(s.repository(n.Repository, tagsFolder, n.Tag), t)
}

// link gives a repository a manifest or an index, and all that is in the store of
// what that consists of.
func (s *Store) link(repository string, target ocispec.Descriptor) error {
	err := s.walk(target, func(d ocispec.Descriptor, isManifest bool) error {
		if isManifest {
			return writeJSON(s.repository(repository, manifestsFolder, d.Digest.String()), ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
		}
		return touch(s.repository(repository, blobsFolder, d.Digest.String()))
	})
	if err != nil {
		return fmt.Errorf("repository %s: %w", repository, err)
	}
	return nil
}

// names lists all tags, in the order of their names.
func (s *Store) names() ([]Name, error) {
	repositories, err := s.repositories()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var all []Name
	for _, r := range repositories {
		err := eachFile(s.repository(r, tagsFolder), func(path string, _ fs.FileInfo) error {
			all = append(all, Name{Repository: r, Tag: filepath.Base(path)})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list images: %w", err)
		}
	}
	slices.SortFunc(all, func(a, b Name) int { return strings.Compare(a.String(), b.String()) })
	return all, nil
}

func readJSON(path string, to any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeWhole(path, data)
}

// touch makes an empty file, or says that it is wanted still.
func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}
