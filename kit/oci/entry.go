package oci

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/weir-ml/weir/kit/oci/layers"
)

// An Entry is a file, a folder or a link in a layer that is made.
type Entry struct {
	Name    string      // below the root, with slashes
	Mode    fs.FileMode // its permissions, and whether it is a folder or a link
	Link    string      // where a link leads
	Source  string      // the file of this machine that has what a file holds
	Content []byte      // what a file begins with, in place of what the source does
	Size    int64       // of a file
	// User and Group are whose it is.
	User, Group int
	// Modified is when it was changed; the zero value is the time 0.
	Modified time.Time
	// Attributes are extended ones.
	Attributes map[string]string
}

// Layers are layers of entries. The same entries make the same bytes, whoever has
// the files and whenever they were written.
func Layers(groups ...[]Entry) []Layer {
	var all []Layer
	for _, g := range groups {
		g = slices.Clone(g)
		slices.SortFunc(g, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		all = append(all, func(w io.Writer) error {
			out := tar.NewWriter(w)
			for _, e := range g {
				if err := e.write(out); err != nil {
					return fmt.Errorf("%s: %w", e.Name, err)
				}
			}
			return out.Close()
		})
	}
	return all
}

func (e Entry) write(out *tar.Writer) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: e.Name, Size: e.Size, Mode: int64(e.Mode.Perm()), Uid: e.User, Gid: e.Group, ModTime: e.Modified, Format: tar.FormatPAX}
	if e.Modified.IsZero() {
		h.ModTime = time.Unix(0, 0)
	}
	for _, special := range []struct {
		is   fs.FileMode
		mode int64
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if e.Mode&special.is != 0 {
			h.Mode |= special.mode
		}
	}
	for name, value := range e.Attributes {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[layers.AttributePrefix+name] = value
	}
	switch {
	case e.Mode.IsDir():
		h.Typeflag, h.Name, h.Size = tar.TypeDir, e.Name+"/", 0
	case e.Mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname, h.Size, h.Mode = tar.TypeSymlink, e.Link, 0, 0o777
	case e.Mode&fs.ModeNamedPipe != 0:
		h.Typeflag, h.Size = tar.TypeFifo, 0
	}
	if err := out.WriteHeader(h); err != nil || h.Size == 0 {
		return err
	}
	content := io.Reader(bytes.NewReader(e.Content))
	if e.Source != "" {
		in, err := os.Open(e.Source)
		if err != nil {
			return err
		}
		defer in.Close()
		if _, err := in.Seek(int64(len(e.Content)), io.SeekStart); err != nil {
			return err
		}
		content = io.MultiReader(content, in)
	}
	n, err := io.CopyN(out, content, h.Size)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("it shrank to %d bytes while it was read; try again", n)
	}
	return err
}

// What is split: a file that large is a layer of its own, up to a number of them, and
// the others share some.
const (
	ownLayer  = 4 << 20
	ownLayers = 16
	shareSize = 2 << 20
	shares    = 16
)

// Split parts a program's files so that a change of few of them is a change of little:
// large ones go alone, and each other goes where its name says, whatever else there
// is. Top is the folder that all are in; it and those below come before what they hold.
func Split(top string, files []Entry) [][]Entry {
	var large, small []Entry
	var size int64
	for _, e := range files {
		if e.Size >= ownLayer {
			large = append(large, e)
			continue
		}
		small, size = append(small, e), size+e.Size
	}
	slices.SortFunc(large, func(a, b Entry) int {
		if a.Size != b.Size {
			return int(b.Size - a.Size)
		}
		return strings.Compare(a.Name, b.Name)
	})
	for len(large) > ownLayers {
		last := large[len(large)-1]
		small, size, large = append(small, last), size+last.Size, large[:len(large)-1]
	}
	// A power of two, so that the number changes seldom as the program grows.
	number := 1
	for number < shares && int64(number)*shareSize < size {
		number *= 2
	}
	groups := make([][]Entry, number)
	for _, e := range small {
		sum := fnv.New32a()
		_, _ = io.WriteString(sum, e.Name) // which a hash never fails at
		at := sum.Sum32() % uint32(number)
		groups[at] = append(groups[at], e)
	}
	for _, e := range large {
		groups = append(groups, []Entry{e})
	}
	groups = slices.DeleteFunc(groups, func(g []Entry) bool { return len(g) == 0 })
	if len(groups) == 0 {
		groups = [][]Entry{nil} // of which only the folder remains
	}
	for n := range groups {
		groups[n] = WithFolders(top, groups[n])
	}
	return groups
}

// WithFolders adds to entries the folders that they lie in, from top on. Those above
// are the base's.
func WithFolders(top string, entries []Entry) []Entry {
	seen := map[string]bool{"": true, ".": true}
	all := slices.Clone(entries)
	for _, e := range entries {
		seen[e.Name] = true
	}
	add := func(dir string) {
		for ; !seen[dir] && (dir == top || top == "" || strings.HasPrefix(dir, top+"/")); dir = path.Dir(dir) {
			seen[dir] = true
			all = append(all, Entry{Name: dir, Mode: fs.ModeDir | 0o755})
		}
	}
	add(top)
	for _, e := range entries {
		add(path.Dir(e.Name))
	}
	return all
}
