package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Folders are the names of the folders that an image has, and of links that lead to
// one. It reads the layers, which need not be unpacked.
func (s *Store) Folders(i *Image) (map[string]bool, error) {
	all, links := map[string]bool{}, map[string]string{}
	for _, l := range i.Layers {
		if err := s.eachEntry(l, func(h *tar.Header) {
			name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
			if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
				gone = path.Join(path.Dir(name), gone)
				for folder := range all {
					if folder == gone || strings.HasPrefix(folder, gone+"/") {
						delete(all, folder)
					}
				}
				return
			}
			for dir := path.Dir(name); dir != "." && !all[dir]; dir = path.Dir(dir) {
				all[dir] = true
			}
			delete(links, name)
			if h.Typeflag == tar.TypeSymlink {
				links[name] = linked(name, h.Linkname)
			}
			all[name] = h.Typeflag == tar.TypeDir
		}); err != nil {
			return nil, fmt.Errorf("read %s: %w", i.Name.Familiar(), err)
		}
	}
	for name, to := range links {
		all[name] = all[to]
	}
	return all, nil
}

// linked is where a link leads.
func linked(name, to string) string {
	if !path.IsAbs(to) {
		to = path.Join(path.Dir(name), to)
	}
	return strings.TrimPrefix(path.Clean("/"+to), "/")
}

// eachEntry visits the entries of a layer.
func (s *Store) eachEntry(l ocispec.Descriptor, visit func(*tar.Header)) error {
	blob, err := s.Blob(l.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	plain, err := Plain(blob)
	if err != nil {
		return err
	}
	defer plain.Close()
	content := tar.NewReader(&guard{from: plain, packed: l.Size})
	for {
		h, err := content.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &fs.PathError{Op: "read", Path: l.Digest.String(), Err: err}
		}
		visit(h)
	}
}
