package layers

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A File is something in an image, as somebody sees it whose root the layers are.
type File struct {
	Name     string      // below what was listed; "." is that itself
	Path     string      // where it lies on this machine
	Mode     fs.FileMode // with its type
	Link     string      // where a link leads
	Size     int64
	UID, GID int
	Modified time.Time
	// Attributes are the extended ones that layers have.
	Attributes map[string]string
}

// List visits what a name means, and all that it holds: a folder before what is in it.
// A link that the name is, or passes, leads on; those below are visited as links. The
// error is fs.ErrNotExist where there is nothing.
func List(stack []string, name string, visit func(File) error) error {
	name = Resolve(stack, name)
	found, showing, rest, err := walk(stack, name)
	if err == nil && rest != "" {
		err = unix.ELOOP
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return list(found, showing, ".", visit)
}

func list(e entry, showing []string, name string, visit func(File) error) error {
	f, err := e.file(name)
	if err != nil {
		return fmt.Errorf("/%s: %w", e.name, err)
	}
	if err := visit(f); err != nil || !e.isFolder() {
		return err
	}
	names, err := union(showing, e.name)
	if err != nil {
		return err
	}
	for _, n := range names {
		below, shown, err := step(showing, path.Join(e.name, n))
		if err == fs.ErrNotExist { //nolint:errorlint // It is hidden; what cannot be read is another.
			continue
		}
		if err == nil {
			err = list(below, shown, path.Join(name, n), visit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// union are the names that a folder has in any layer, in their order.
func union(showing []string, folder string) ([]string, error) {
	var all []string
	for _, layer := range showing {
		entries, err := os.ReadDir(path.Join(layer, folder))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			all = append(all, e.Name())
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (e entry) file(name string) (File, error) {
	info, err := os.Lstat(e.path)
	if err != nil {
		return File{}, err
	}
	f := File{Name: name, Path: e.path, Mode: info.Mode(), UID: int(e.stat.Uid), GID: int(e.stat.Gid), Modified: info.ModTime()}
	switch {
	case e.isLink():
		f.Link, err = os.Readlink(e.path)
		return f, err
	case e.isFile():
		f.Size = e.stat.Size
	}
	f.Attributes, err = attributesOf(e.path)
	return f, err
}
