package dockerfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/weir-ml/weir/kit/oci"
)

// A copying is what COPY and ADD have in common.
type copying struct {
	instructions.SourcesAndDest
	owner, mode string
	adds        bool
}

// copy makes a layer of files of the folder.
func (b *builder) copy(s *stage, c copying) error {
	who, err := ownerOf(c.owner)
	if err != nil {
		return err
	}
	var mode fs.FileMode
	if c.mode != "" {
		n, err := strconv.ParseUint(c.mode, 8, 12)
		if err != nil {
			return fmt.Errorf("--chmod=%s: write it in numbers, as 755", c.mode)
		}
		mode = fs.FileMode(n & 0o777)
	}
	files := map[string]oci.Entry{} // by where they are going to be, below the destination; "" is itself
	for _, source := range c.SourcePaths {
		if err := b.match(source, files); err != nil {
			return err
		}
	}
	for _, inline := range c.SourceContents {
		files[path.Base(inline.Path)] = oci.Entry{Mode: 0o644, Content: []byte(inline.Data), Size: int64(len(inline.Data))}
	}
	if b.rehearsal != nil {
		return nil
	}
	at := s.within(c.DestPath)
	single := len(files) == 1 && len(c.SourcePaths)+len(c.SourceContents) == 1
	rename := ""
	if single && !strings.HasSuffix(c.DestPath, "/") && path.Base(c.DestPath) != "." {
		for name, f := range files {
			if f.Name == name || f.Source == "" || !b.isFolder(c.SourcePaths[0]) {
				rename = name
			}
		}
	}
	if rename != "" {
		folder, err := s.isFolder(b.store, at)
		if err != nil {
			return err
		}
		if folder {
			rename = ""
		}
	}
	var layer []oci.Entry
	for name, f := range files {
		if c.adds && f.Source != "" && isArchive(f.Source) {
			return fmt.Errorf("%s is an archive, which it would unpack: COPY it, or unpack it in the folder", name)
		}
		f.Name = path.Join(at, name)
		if rename != "" {
			f.Name = at
		}
		if f.Name == "" {
			return errors.New("a file cannot be the root: name a folder")
		}
		f.User, f.Group = who.user, who.group
		if mode != 0 && f.Mode.IsRegular() {
			f.Mode = mode
		}
		layer = append(layer, f)
	}
	s.layers = append(s.layers, withFoldersBelow(at, layer, who))
	return nil
}

// withFoldersBelow adds the folders between a destination and what is copied there.
// Those above are as they are in the base, or root's.
func withFoldersBelow(at string, layer []oci.Entry, who owner) []oci.Entry {
	all := oci.WithFolders(at, layer)
	kept := all[:0]
	for _, e := range all {
		if e.Mode.IsDir() && e.Name == at && who == (owner{}) {
			continue
		}
		e.User, e.Group = who.user, who.group
		kept = append(kept, e)
	}
	return kept
}

// isFolder says whether a source is a folder as a whole.
func (b *builder) isFolder(source string) bool {
	prefix := clean(source) + "/"
	for _, f := range b.Context {
		if prefix == "./" || strings.HasPrefix(f.Name, prefix) {
			return true
		}
	}
	return false
}

// clean is a source by its name from the folder's top.
func clean(source string) string {
	if p := strings.TrimPrefix(path.Clean("/"+source), "/"); p != "" {
		return p
	}
	return "."
}

// match finds what a source means: files, and folders, of which what they hold is
// copied.
func (b *builder) match(source string, to map[string]oci.Entry) error {
	pattern, found := clean(source), false
	depth := strings.Count(pattern, "/") + 1
	for _, f := range b.Context {
		if pattern == "." {
			to[f.Name], found = f, true
			continue
		}
		parts := strings.Split(f.Name, "/")
		if len(parts) < depth {
			continue
		}
		ok, err := path.Match(pattern, strings.Join(parts[:depth], "/"))
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		if !ok {
			continue
		}
		found = true
		if len(parts) == depth {
			to[path.Base(f.Name)] = f
		} else {
			to[strings.Join(parts[depth:], "/")] = f
		}
	}
	if !found {
		return fmt.Errorf("%s: there is no such file in the folder, or .dockerignore names it", source)
	}
	return nil
}

// isFolder says whether the stage has a folder somewhere.
func (s *stage) isFolder(store *oci.Store, name string) (bool, error) {
	if name == "" || path.Join("/", s.config.Config.WorkingDir) == "/"+name {
		return true, nil
	}
	for _, l := range s.layers {
		for _, e := range l {
			if e.Name == name && e.Mode.IsDir() || strings.HasPrefix(e.Name, name+"/") {
				return true, nil
			}
		}
	}
	if s.folders == nil && s.base != nil {
		var err error
		if s.folders, err = store.Folders(s.base); err != nil {
			return false, err
		}
	}
	return s.folders[name], nil
}

// isArchive says whether ADD would unpack a file.
func isArchive(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := f.Read(head)
	head = head[:n]
	for _, magic := range []string{"\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd"} {
		if strings.HasPrefix(string(head), magic) {
			return true
		}
	}
	return n == 512 && string(head[257:262]) == "ustar"
}
