package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// An origin is where files are copied from: the folder, or the root of an image.
type origin struct {
	folder []oci.Entry
	root   []string // the folders of the root's layers; nil is the folder
}

// origin finds where files are copied from; nil is not to be known in a rehearsal.
func (b *builder) origin(ctx context.Context, name string) (*origin, error) {
	if name == "" {
		return &origin{folder: b.Context}, nil
	}
	root, _, err := b.rootOf(ctx, name)
	if err != nil || root == nil {
		return nil, err
	}
	return &origin{root: root}, nil
}

// rootOf is the root of a stage before this one, by its name or its number, or of an
// image, and what image that is. It is nil in a rehearsal.
func (b *builder) rootOf(ctx context.Context, name string) (root []string, image *oci.Image, err error) {
	n, isStage := instructions.HasStage(b.stages[:b.at], name)
	if number, err := strconv.Atoi(name); err == nil && !isStage {
		if number >= b.at {
			return nil, nil, fmt.Errorf("there is no stage %d before this one", number)
		}
		n, isStage = number, true
	}
	s := &stage{}
	if isStage {
		s, err = b.stage(ctx, n)
	} else {
		s.base, err = b.Base(ctx, name, b.Architecture)
	}
	if err != nil {
		return nil, nil, err
	}
	if can, err := b.canRun(); !can {
		return nil, nil, err
	}
	return b.root(ctx, s)
}

// root unpacks what a stage is so far, and makes it an image.
func (b *builder) root(ctx context.Context, s *stage) ([]string, *oci.Image, error) {
	image, err := b.commit(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	u, err := b.store.Unpack(ctx, image, b.Progress)
	return slices.Concat([]string{}, u.Folders), image, err
}

// clean is a source by its name from the top.
func clean(source string) string {
	if p := strings.TrimPrefix(path.Clean("/"+source), "/"); p != "" {
		return p
	}
	return "."
}

// pick finds what a source means: files, and folders, of which what they hold is
// picked. With parents each is in the folders that it was in, from "/./" in the source
// on. One says whether it is one file.
func (o *origin) pick(source string, parents bool, to picked) (one bool, err error) {
	pattern := clean(source)
	above := 0 // how many of those folders are left out
	if before, _, ok := strings.Cut(source, "/./"); ok && clean(before) != "." {
		above = strings.Count(clean(before), "/") + 1
	}
	all, err := o.entries(pattern)
	if err != nil {
		return false, err
	}
	depth, found, files := strings.Count(pattern, "/")+1, 0, 0
	for _, f := range all {
		if pattern == "." {
			to[f.Name], found = f, found+1
			continue
		}
		parts := strings.Split(f.Name, "/")
		if len(parts) < depth {
			continue
		}
		ok, err := path.Match(pattern, strings.Join(parts[:depth], "/"))
		if err != nil {
			return false, fmt.Errorf("%s: %w", source, err)
		}
		if !ok {
			continue
		}
		found++
		switch {
		case parents:
			if len(parts) > above {
				to[strings.Join(parts[above:], "/")] = f
			}
		case len(parts) > depth:
			to[strings.Join(parts[depth:], "/")] = f
		case !f.Mode.IsDir():
			files++
			to[path.Base(f.Name)] = f
		}
	}
	if found == 0 && o.root != nil {
		return false, fmt.Errorf("%s: there is no such file", source)
	}
	if found == 0 && pattern != "." {
		return false, fmt.Errorf("%s: there is no such file in the folder, or .dockerignore names it", source)
	}
	return files == 1 && found == 1, nil
}

// entries are those among which a pattern finds its own.
func (o *origin) entries(pattern string) ([]oci.Entry, error) {
	if o.root == nil {
		return o.folder, nil
	}
	top := pattern // as far as it is a name
	for strings.ContainsAny(top, `*?[\`) {
		top = path.Dir(top)
	}
	var all []oci.Entry
	err := layers.List(o.root, top, func(f layers.File) error {
		e := oci.Entry{
			Name: path.Join(top, f.Name), Mode: f.Mode, Link: f.Link, Size: f.Size, User: f.UID, Group: f.GID,
			Modified: f.Modified, Attributes: f.Attributes,
		}
		switch f.Mode.Type() {
		case 0:
			e.Source = f.Path
		case fs.ModeDir, fs.ModeSymlink, fs.ModeNamedPipe:
		default:
			return nil // A device, which images have none of.
		}
		if e.Name != "." {
			all = append(all, e)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}
