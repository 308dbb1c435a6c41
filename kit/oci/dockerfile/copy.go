package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/weir-ml/weir/kit/oci"
)

// A copying is what COPY and ADD have in common.
type copying struct {
	instructions.SourcesAndDest
	from        string // a stage or an image; "" is the folder
	owner, mode string
	fetched     picked // besides the sources
	parents     bool   // sources keep the folders that they are in
	exclude     []string
}

// A picked file or folder is going to be somewhere below the destination; "" is that
// itself.
type picked map[string]oci.Entry

// copy makes a layer of files of the folder, of another stage or of an image.
func (b *builder) copy(ctx context.Context, s *stage, c copying) error {
	mode, err := modeOf(c.mode)
	if err != nil {
		return err
	}
	who, err := b.ownerOf(ctx, s, c.owner)
	if err != nil {
		return err
	}
	from, err := b.origin(ctx, c.from)
	if err != nil || from == nil {
		return err
	}
	files, single := picked{}, len(c.SourcePaths)+len(c.SourceContents)+len(c.fetched) == 1
	maps.Copy(files, c.fetched)
	for _, source := range c.SourcePaths {
		one, err := from.pick(source, c.parents, files)
		if err != nil {
			return err
		}
		single = single && one && !c.parents
	}
	for _, inline := range c.SourceContents {
		files[path.Base(inline.Path)] = oci.Entry{Mode: 0o644, Content: []byte(inline.Data), Size: int64(len(inline.Data))}
	}
	files.exclude(c.exclude)
	if b.rehearsal != nil {
		return nil
	}
	at, rename, err := b.destination(s, c.DestPath, single)
	if err != nil {
		return err
	}
	var entries []oci.Entry
	for name, f := range files {
		f.Name = path.Join(at, name)
		if rename {
			f.Name = at
		}
		if f.Name == "" {
			return errors.New("a file cannot be the root: name a folder")
		}
		if who != nil {
			f.User, f.Group = who.user, who.group
		}
		if mode != nil && f.Mode&fs.ModeSymlink == 0 {
			f.Mode = f.Mode.Type() | *mode
		}
		entries = append(entries, f)
	}
	s.add(withFoldersBelow(at, entries, who))
	return nil
}

// destination is where something is copied to, and whether it is what one file is to
// be called, in place of the folder that it goes into.
func (b *builder) destination(s *stage, dest string, single bool) (at string, rename bool, err error) {
	at = s.within(dest)
	if !single || strings.HasSuffix(dest, "/") || path.Base(dest) == "." || path.Base(dest) == ".." {
		return at, false, nil
	}
	folder, err := s.isFolder(b.store, at)
	return at, !folder, err
}

// modeOf reads what --chmod says; nil is nothing.
func modeOf(text string) (*fs.FileMode, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 8, 12)
	if err != nil {
		return nil, fmt.Errorf("--chmod=%s: write it in numbers, as 755", text)
	}
	mode := fs.FileMode(n & 0o777)
	for bit, special := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n&bit != 0 {
			mode |= special
		}
	}
	return &mode, nil
}

// An owner is who files belong to.
type owner struct{ user, group int }

// ownerOf reads what --chown says; nil is nothing. Names are looked up in the stage.
func (b *builder) ownerOf(ctx context.Context, s *stage, text string) (*owner, error) {
	if text == "" {
		return nil, nil
	}
	user, group, both := strings.Cut(text, ":")
	if !both {
		group = user
	}
	if o, ok := numbers(user, group); ok {
		return &o, nil
	}
	if can, err := b.canRun(); !can {
		return nil, err
	}
	root, _, err := b.root(ctx, s)
	if err != nil {
		return nil, err
	}
	uid, gid, err := b.Runner.Whose(root, text)
	if !both {
		gid = uid
	}
	return &owner{uid, gid}, err
}

// numbers reads an owner that need not be looked up.
func numbers(user, group string) (o owner, ok bool) {
	for _, p := range []struct {
		text string
		to   *int
	}{{user, &o.user}, {group, &o.group}} {
		if p.text == "root" {
			continue
		}
		n, err := strconv.ParseUint(p.text, 10, 32)
		if err != nil {
			return o, false
		}
		*p.to = int(n)
	}
	return o, true
}

// withFoldersBelow adds the folders between a destination and what is copied there.
// Those above are as they are in the base, or root's.
func withFoldersBelow(at string, entries []oci.Entry, who *owner) []oci.Entry {
	given := map[string]bool{}
	for _, e := range entries {
		given[e.Name] = true
	}
	all := oci.WithFolders(at, entries)
	kept := all[:0]
	for _, e := range all {
		if !given[e.Name] {
			if e.Name == at && who == nil {
				continue
			}
			if who != nil {
				e.User, e.Group = who.user, who.group
			}
		}
		kept = append(kept, e)
	}
	return kept
}

// isFolder says whether the stage has a folder somewhere.
func (s *stage) isFolder(store *oci.Store, name string) (bool, error) {
	if name == "" || path.Join("/", s.config.Config.WorkingDir) == "/"+name {
		return true, nil
	}
	for _, l := range s.layers {
		for _, e := range l.entries {
			if e.Name == name && e.Mode.IsDir() || strings.HasPrefix(e.Name, name+"/") {
				return true, nil
			}
		}
	}
	if s.base == nil {
		return false, nil
	}
	if s.folders == nil {
		var err error
		if s.folders, err = store.Folders(s.base); err != nil {
			return false, err
		}
	}
	return s.folders[name], nil
}
