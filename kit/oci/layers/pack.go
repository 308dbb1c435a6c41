package layers

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Packed says what Pack has packed.
type Packed struct {
	Bytes int64 // that files hold
	Whole bool  // it is all that the folder has, so that this is the layer unpacked
}

// Pack writes a layer, as an uncompressed tar, of what an overlay's upper folder
// holds: what was written over the layers below, the topmost first. Names that except
// has are left out, with all that is in them. So are sockets, which live as long as
// who listens, and devices, which no layer may have.
func Pack(w io.Writer, dir string, below []string, except map[string]bool) (Packed, error) {
	p := &packer{out: tar.NewWriter(w), dir: dir, below: below, links: map[inode]string{}, packed: Packed{Whole: true}}
	err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		name := strings.TrimPrefix(file, dir+"/")
		var st unix.Stat_t
		if err := unix.Lstat(file, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: file, Err: err}
		}
		isFolder := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if except[name] {
			p.packed.Whole = false
			if isFolder {
				return fs.SkipDir
			}
			return nil
		}
		if err := p.entry(file, name, &st); err != nil {
			return fmt.Errorf("pack /%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return Packed{}, err
	}
	return p.packed, p.out.Close()
}

// A packer is at work on one layer.
type packer struct {
	out    *tar.Writer
	dir    string
	below  []string
	links  map[inode]string // the first name of files that have several
	packed Packed
}

type inode struct{ dev, ino uint64 }

func (p *packer) entry(file, name string, st *unix.Stat_t) error {
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return p.folder(file, h)
	case unix.S_IFREG:
		return p.file(file, h, st)
	case unix.S_IFLNK:
		to, err := os.Readlink(file)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, to, 0o777
		return p.out.WriteHeader(h)
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
		return p.out.WriteHeader(h)
	}
	if isWhiteout(st) {
		return p.mark(path.Join(path.Dir(name), hides+path.Base(name)), name)
	}
	p.packed.Whole = false
	return nil
}

// mark says that something of the layers below is hidden, if there is anything.
func (p *packer) mark(mark, hidden string) error {
	if _, ok := lookup(p.below, hidden); !ok {
		p.packed.Whole = p.packed.Whole && path.Base(mark) == opaque // which hides nothing
		return nil
	}
	return p.out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: mark, ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
}

func (p *packer) folder(file string, h *tar.Header) error {
	name := h.Name
	h.Typeflag, h.Name = tar.TypeDir, name+"/"
	if err := addAttributes(file, h); err != nil {
		return err
	}
	if err := p.out.WriteHeader(h); err != nil || !isOpaque(file) {
		return err
	}
	return p.mark(path.Join(name, opaque), name)
}

func (p *packer) file(file string, h *tar.Header, st *unix.Stat_t) error {
	h.Typeflag, h.Size = tar.TypeReg, st.Size
	if st.Nlink > 1 {
		i := inode{st.Dev, st.Ino}
		if first, ok := p.links[i]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return p.out.WriteHeader(h)
		}
		p.links[i] = h.Name
	}
	if err := addAttributes(file, h); err != nil {
		return err
	}
	if err := p.out.WriteHeader(h); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	p.packed.Bytes += st.Size
	_, err = io.CopyN(p.out, f, st.Size)
	return err
}

// addAttributes gives an entry those of its file.
func addAttributes(file string, h *tar.Header) error {
	all, err := attributesOf(file)
	for name, value := range all {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[AttributePrefix+name] = value
	}
	return err
}

// attributesOf are the extended attributes of a file that Unpack sets.
func attributesOf(file string) (map[string]string, error) {
	names, err := listAttributes(file)
	if err != nil {
		return nil, err
	}
	var all map[string]string
	for word := range bytes.SplitSeq(names, []byte{0}) {
		name := string(word)
		if strings.HasSuffix(name, ".overlay.redirect") || strings.HasSuffix(name, ".overlay.metacopy") {
			return nil, errors.New("the overlay keeps a part of it elsewhere")
		}
		if !isKept(name) {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[name] = string(value[:n])
	}
	return all, nil
}

func listAttributes(file string) ([]byte, error) {
	size, err := unix.Llistxattr(file, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && size == 0 {
		return nil, nil
	}
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(file, names)
	if err != nil {
		return nil, fmt.Errorf("list attributes: %w", err)
	}
	return names[:n], nil
}
