package layers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// The attributes of a folder that shows nothing of the layers below.
const (
	opaqueAttribute = "trusted.overlay.opaque"
	opaqueInUser    = "user.overlay.opaque" // of a mount in a user namespace
)

// maxLinks is how many links lead on before somebody gives up, as in the kernel.
const maxLinks = 40

// Open opens a file as somebody sees it whose root the layers are, the topmost
// first. The error is fs.ErrNotExist where there is none.
func Open(stack []string, name string) (*os.File, error) {
	name = path.Clean("/" + name)
	for range maxLinks {
		found, _, rest, err := walk(stack, name)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		if found.isLink() {
			to, err := os.Readlink(found.path)
			if err != nil {
				return nil, err
			}
			name = found.leads(to, rest)
			continue
		}
		if !found.isFile() {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("not a file: %w", fs.ErrInvalid)}
		}
		// Nothing changes layers, so what was looked at is what is opened.
		return os.OpenFile(found.path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}
}

// Resolve says where a name leads that may be a link, whether or not there is
// anything.
func Resolve(stack []string, name string) string {
	name = path.Clean("/" + name)
	for range maxLinks {
		found, _, rest, err := walk(stack, name)
		if err != nil || !found.isLink() {
			return name
		}
		to, err := os.Readlink(found.path)
		if err != nil {
			return name
		}
		name = found.leads(to, rest)
	}
	return name
}

// Folders returns the folders that show something in a folder of the image, the
// topmost first: what an overlay of that folder alone is made of.
func Folders(stack []string, name string) ([]string, error) {
	name = path.Clean("/" + name)
	at, showing, rest, err := walk(stack, name)
	if err == nil && (rest != "" || !at.isFolder()) {
		err = unix.ENOTDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var folders []string
	for _, layer := range showing {
		folders = append(folders, path.Join(layer, name))
	}
	return folders, nil
}

// An entry is what a name means in a stack of layers.
type entry struct {
	name string // seen from the root
	path string // where it lies
	stat unix.Stat_t
}

// leads is what a name means of which the entry is a link to to, and rest remains.
func (e entry) leads(to, rest string) string {
	if !path.IsAbs(to) {
		to = path.Join(path.Dir(e.name), to)
	}
	return path.Join("/", to, rest)
}

func (e entry) isFolder() bool { return e.stat.Mode&unix.S_IFMT == unix.S_IFDIR }
func (e entry) isFile() bool   { return e.stat.Mode&unix.S_IFMT == unix.S_IFREG }
func (e entry) isLink() bool   { return e.stat.Mode&unix.S_IFMT == unix.S_IFLNK }

// isWhiteout says whether a file is the mark of one that is hidden.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// lookup finds what a name means, if there is no link on the way.
func lookup(stack []string, name string) (entry, bool) {
	found, _, rest, err := walk(stack, path.Clean("/"+name))
	return found, err == nil && rest == ""
}

// walk goes down to what a name means, or to the first link on the way; rest is
// what remains of the name then. The layers are those that show something there.
func walk(stack []string, name string) (found entry, showing []string, rest string, err error) {
	found = entry{name: "/"}
	if len(stack) == 0 {
		return found, nil, "", fs.ErrNotExist
	}
	found.path = stack[0]
	if err := unix.Lstat(found.path, &found.stat); err != nil {
		return found, nil, "", err
	}
	rest = strings.TrimPrefix(name, "/")
	for rest != "" {
		if found.isLink() {
			return found, stack, rest, nil
		}
		if !found.isFolder() {
			return found, nil, "", unix.ENOTDIR
		}
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if found, stack, err = step(stack, path.Join(found.name, part)); err != nil {
			return found, nil, "", err
		}
	}
	return found, stack, "", nil
}

// step looks for a name in the layers that show something in the folder it lies in,
// and returns those that show something in it.
func step(stack []string, name string) (found entry, showing []string, err error) {
	for _, layer := range stack {
		e := entry{name: name, path: path.Join(layer, name)}
		err := unix.Lstat(e.path, &e.stat)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return e, nil, err
		}
		if isWhiteout(&e.stat) || len(showing) > 0 && !e.isFolder() {
			break
		}
		if len(showing) == 0 {
			found = e
		}
		showing = append(showing, layer)
		if !e.isFolder() || isOpaque(e.path) {
			break
		}
	}
	if len(showing) == 0 {
		return found, nil, fs.ErrNotExist
	}
	return found, showing, nil
}

func isOpaque(folder string) bool {
	for _, name := range []string{opaqueAttribute, opaqueInUser} {
		value := make([]byte, 1)
		if n, err := unix.Lgetxattr(folder, name, value); err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}
