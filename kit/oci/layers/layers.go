// Package layers unpacks the layers of images as an overlay mount wants them, and
// looks into several that lie over one another.
//
//	a layer's tar ──Unpack──▶ a folder: files, and marks for what the layer hides
//	              ◀──Pack────
//	folders, the topmost first ──Open──▶ the file that somebody in the image would see
//
// A layer comes from anybody. Nothing in it can write outside its folder, make a
// device, or fill the disk.
package layers

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how a layer is unpacked.
type Options struct {
	// Below are the unpacked layers that this one lies over, the topmost first.
	Below []string
	// InUser makes the marks such as an overlay reads that is mounted in a user
	// namespace.
	InUser bool
	// Owner says who owns a file here that belongs to a user and a group there; nil
	// takes them as they are, and root where they do not exist.
	Owner func(uid, gid int) (int, int)
	// Limits are how much a layer may hold; the zero value has none.
	Limits Limits
}

// Limits are how much a layer may hold.
type Limits struct{ Bytes, Entries int64 }

// A HostileError says why a layer is not unpacked.
type HostileError struct{ Entry, Problem string }

func (e *HostileError) Error() string { return fmt.Sprintf("entry %q: %s", e.Entry, e.Problem) }

func hostile(h *tar.Header, format string, args ...any) error {
	return &HostileError{Entry: h.Name, Problem: fmt.Sprintf(format, args...)}
}

// Unpack unpacks a layer, an uncompressed tar, into dir, an empty folder. It
// returns how many bytes the files hold. The error is a *HostileError when the
// layer asks for what it must not have.
func Unpack(ctx context.Context, dir string, layer io.Reader, o Options) (int64, error) {
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("unpack into %s: %w", dir, err)
	}
	u := &unpacker{Options: o, root: root, buffer: make([]byte, 1<<20), times: map[string]time.Time{}}
	defer u.close()
	// Nobody's layer says how the root of all is.
	if err := u.like("."); err != nil {
		return 0, err
	}
	archive := tar.NewReader(layer)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = u.entry(h, archive)
		}
		if err != nil {
			return 0, err
		}
	}
	return u.bytes, u.finish()
}

// An unpacker is at work on one layer.
type unpacker struct {
	Options
	root           int
	bytes, entries int64
	buffer         []byte
	times          map[string]time.Time // of folders, which files put into them change

	last   string // the folder of the last entry, and a descriptor of it; see parent
	lastFD int
	open   bool
}

func (u *unpacker) close() {
	u.forget()
	unix.Close(u.root)
}

// marks of what a layer hides, in the names of its entries.
const (
	hides  = ".wh."         // a file of the layers below
	opaque = ".wh..wh..opq" // all that a folder has in the layers below
)

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	name, err := clean(h)
	if err != nil {
		return err
	}
	u.entries++
	if u.Limits.Entries > 0 && u.entries > u.Limits.Entries {
		return hostile(h, "the layer has more than %d entries, which is as many as may be", u.Limits.Entries)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if name == "." {
		if h.Typeflag != tar.TypeDir {
			return hostile(h, "the root is not a folder")
		}
		return u.describe(u.root, name, h)
	}
	dir, base := path.Dir(name), path.Base(name)
	if strings.HasPrefix(base, hides) {
		return u.hide(h, dir, base)
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		// Containers have a /dev of their own, so what old images have there is of no use.
		if strings.HasPrefix(name, "dev/") {
			return nil
		}
		return hostile(h, "it is a device, and images have none outside of /dev")
	}
	at, err := u.parent(h, dir)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(at, name, h)
	case tar.TypeReg, tar.TypeRegA: //nolint:staticcheck // Old archives have it.
		return u.file(at, base, h, content)
	case tar.TypeSymlink:
		return u.make(at, base, h, func() error { return unix.Symlinkat(h.Linkname, at, base) })
	case tar.TypeFifo:
		return u.make(at, base, h, func() error { return unix.Mknodat(at, base, unix.S_IFIFO|0o600, 0) })
	case tar.TypeLink:
		return u.link(at, base, h)
	}
	return hostile(h, "entries of type %q are unknown", h.Typeflag)
}

// clean is where an entry goes, seen from the root.
func clean(h *tar.Header) (string, error) {
	if slices.Contains(strings.Split(h.Name, "/"), "..") {
		return "", hostile(h, "its name leads out of the image")
	}
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if name == "" {
		return ".", nil
	}
	return name, nil
}

// inRoot opens a folder of the layer. A link in the way leads where it would for
// somebody whose root the layer is.
func (u *unpacker) inRoot(name string) (int, error) {
	return unix.Openat2(u.root, name, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
}

// parent opens the folder that an entry goes into. One that the layer has not
// described is made like the one below. Archives list what is in a folder in one
// go, so the last is kept open.
func (u *unpacker) parent(h *tar.Header, dir string) (int, error) {
	if u.open && u.last == dir {
		return u.lastFD, nil
	}
	at, err := u.inRoot(dir)
	if errors.Is(err, unix.ENOENT) {
		at, err = u.makeParents(dir)
	}
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return -1, hostile(h, "what it lies in is not a folder")
	case errors.Is(err, unix.ELOOP):
		return -1, hostile(h, "the links on the way to it lead nowhere")
	case err != nil:
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	u.forget()
	u.last, u.lastFD, u.open = dir, at, true
	return at, nil
}

// forget closes the last folder: it may not be what its name means any more.
func (u *unpacker) forget() {
	if u.open {
		unix.Close(u.lastFD)
		u.open = false
	}
}

func (u *unpacker) makeParents(dir string) (int, error) {
	var name string
	for part := range strings.SplitSeq(dir, "/") {
		above := name
		name = path.Join(name, part)
		at, err := u.inRoot(name)
		if err == nil {
			unix.Close(at)
			continue
		}
		if !errors.Is(err, unix.ENOENT) {
			return -1, err
		}
		if at, err = u.inRoot(path.Join(".", above)); err != nil {
			return -1, err
		}
		err = u.makeParent(at, name)
		unix.Close(at)
		if err != nil {
			return -1, err
		}
	}
	return u.inRoot(dir)
}

// makeParent makes a folder that the layer does not describe. Where those below
// have a link, the layer gets the same. What a link leads to is made.
func (u *unpacker) makeParent(at int, name string) error {
	base := path.Base(name)
	if below, ok := lookup(u.Below, name); ok && below.isLink() {
		to, err := os.Readlink(below.path)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(to, at, base); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	to := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at, base, to)
	if err != nil { // there is nothing
		if err := unix.Mkdirat(at, base, 0o755); err != nil {
			return err
		}
		return u.like(name)
	}
	target := string(to[:n])
	if !path.IsAbs(target) {
		target = path.Join("/", path.Dir(name), target)
	}
	fd, err := u.makeParents(strings.TrimPrefix(path.Clean(target), "/"))
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// like gives a folder that the layer does not describe what the nearest one below
// has.
func (u *unpacker) like(name string) error {
	at, err := u.inRoot(name)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(at)
	var st unix.Stat_t
	st.Mode = 0o755
	if below, ok := lookup(u.Below, name); ok && below.isFolder() {
		st = below.stat
	}
	if err := unix.Fchown(at, int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("give %s to user %d: %w", name, st.Uid, err)
	}
	return unix.Fchmod(at, st.Mode&0o7777)
}

func (u *unpacker) owner(uid, gid int) (int, int) {
	if u.Owner == nil {
		return uid, gid
	}
	return u.Owner(uid, gid)
}

// gone is the name of a kept folder that may not be what its name means any more.
const gone = "\x00"

// clear makes room for an entry: a later one of the same name takes the place of an
// earlier one.
func (u *unpacker) clear(at int, base string) error {
	u.last = gone
	err := unix.Unlinkat(at, base, 0)
	if errors.Is(err, unix.EISDIR) {
		return removeAll(at, base)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// removeAll removes a folder with all that is in it.
func removeAll(at int, base string) error {
	dir, err := unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	names, err := namesIn(dir)
	for _, name := range names {
		if err != nil {
			break
		}
		if err = unix.Unlinkat(dir, name, 0); errors.Is(err, unix.EISDIR) {
			err = removeAll(dir, name)
		}
	}
	unix.Close(dir)
	if err != nil {
		return err
	}
	return unix.Unlinkat(at, base, unix.AT_REMOVEDIR)
}

func namesIn(dir int) ([]string, error) {
	var names []string
	buffer := make([]byte, 8<<10)
	for {
		n, err := unix.ReadDirent(dir, buffer)
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
}

// folder makes a folder, or describes one that is there.
func (u *unpacker) folder(at int, name string, h *tar.Header) error {
	base := path.Base(name)
	var st unix.Stat_t
	err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if err := u.clear(at, base); err != nil {
			return failed(h, err)
		}
		err = unix.ENOENT
	}
	if errors.Is(err, unix.ENOENT) {
		err = unix.Mkdirat(at, base, 0o700)
	}
	if err != nil {
		return failed(h, err)
	}
	fd, err := unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return failed(h, err)
	}
	defer unix.Close(fd)
	if isWhiteout(&st) { // what is below stays hidden
		if err := u.makeOpaque(fd); err != nil {
			return failed(h, err)
		}
	}
	return u.describe(fd, name, h)
}

// describe gives a folder what its entry says.
func (u *unpacker) describe(fd int, name string, h *tar.Header) error {
	u.times[name] = h.ModTime
	return u.attributes(fd, h)
}

// finish sets the times of folders, now that nothing is put into them any more.
func (u *unpacker) finish() error {
	for name, modified := range u.times {
		at, err := u.inRoot(name)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			continue // a later entry has taken its place
		}
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		err = setTime(at, "", modified)
		unix.Close(at)
		if err != nil {
			return fmt.Errorf("set the time of %s: %w", name, err)
		}
	}
	return nil
}

func (u *unpacker) file(at int, base string, h *tar.Header, content io.Reader) error {
	u.bytes += h.Size
	if u.Limits.Bytes > 0 && u.bytes > u.Limits.Bytes {
		return hostile(h, "the layer holds more than %d bytes, which is as much as there may be or the disk has room for", u.Limits.Bytes)
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, base, flags, 0o600)
	if errors.Is(err, unix.EEXIST) {
		if err = u.clear(at, base); err == nil {
			fd, err = unix.Openat(at, base, flags, 0o600)
		}
	}
	if err != nil {
		return failed(h, err)
	}
	defer unix.Close(fd)
	if _, err := io.CopyBuffer(descriptor(fd), content, u.buffer); err != nil {
		return failed(h, err)
	}
	if err := u.attributes(fd, h); err != nil {
		return err
	}
	return failed(h, setTime(fd, "", h.ModTime))
}

// A descriptor is an open file, as a Writer.
type descriptor int

func (d descriptor) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n, err := unix.Write(int(d), p[written:])
		if err != nil && !errors.Is(err, unix.EINTR) {
			return written, err
		}
		written += max(n, 0)
	}
	return len(p), nil
}

// attributes gives an open file or folder what its entry says, in an order in which
// nothing takes away what was given.
func (u *unpacker) attributes(fd int, h *tar.Header) error {
	uid, gid := u.owner(h.Uid, h.Gid)
	if err := unlessUnknown(unix.Fchown(fd, uid, gid)); err != nil {
		return failed(h, err)
	}
	if err := unix.Fchmod(fd, uint32(h.Mode&0o7777)); err != nil {
		return failed(h, err)
	}
	return failed(h, extend(fd, h))
}

// unlessUnknown passes over users who do not exist in this user namespace.
func unlessUnknown(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// AttributePrefix begins the names of extended attributes in a tar.
const AttributePrefix = "SCHILY.xattr."

// isKept says whether layers have an extended attribute: users' own and capabilities.
// Others are the machine's business, and those of overlays would say what lies where.
func isKept(attribute string) bool {
	return strings.HasPrefix(attribute, "user.") && !strings.HasPrefix(attribute, "user.overlay.") || attribute == "security.capability"
}

// extend sets extended attributes.
func extend(fd int, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, AttributePrefix)
		if !ok || !isKept(name) {
			continue
		}
		err := unix.Fsetxattr(fd, name, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	return nil
}

// make makes what is neither a file nor a folder.
func (u *unpacker) make(at int, base string, h *tar.Header, create func() error) error {
	err := create()
	if errors.Is(err, unix.EEXIST) {
		if err = u.clear(at, base); err == nil {
			err = create()
		}
	}
	if err != nil {
		return failed(h, err)
	}
	uid, gid := u.owner(h.Uid, h.Gid)
	if err := unlessUnknown(unix.Fchownat(at, base, uid, gid, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
		return failed(h, err)
	}
	if h.Typeflag == tar.TypeFifo {
		if err := unix.Fchmodat(at, base, uint32(h.Mode&0o7777), 0); err != nil {
			return failed(h, err)
		}
	}
	return failed(h, setTime(at, base, h.ModTime))
}

// link makes another name of a file.
func (u *unpacker) link(at int, base string, h *tar.Header) error {
	to, err := clean(&tar.Header{Name: h.Linkname})
	if err != nil {
		return hostile(h, "it is a link to %q, which leads out of the image", h.Linkname)
	}
	from, err := u.inRoot(path.Dir(to))
	if err != nil {
		return hostile(h, "it is a link to %q, which is not in the layer", h.Linkname)
	}
	defer unix.Close(from)
	var target, there unix.Stat_t
	if err := unix.Fstatat(from, path.Base(to), &target, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return hostile(h, "it is a link to %q, which is not in the layer", h.Linkname)
	}
	switch {
	case target.Mode&unix.S_IFMT == unix.S_IFDIR:
		return hostile(h, "it is a link to %q, which is a folder", h.Linkname)
	case isWhiteout(&target):
		return hostile(h, "it is a link to %q, which the layer removes", h.Linkname)
	}
	if unix.Fstatat(at, base, &there, unix.AT_SYMLINK_NOFOLLOW) == nil {
		if there.Ino == target.Ino && there.Dev == target.Dev {
			return nil // the same file already
		}
		if err := u.clear(at, base); err != nil {
			return failed(h, err)
		}
	}
	return failed(h, unix.Linkat(from, path.Base(to), at, base, 0))
}

// hide marks what the layer hides of those below.
func (u *unpacker) hide(h *tar.Header, dir, base string) error {
	if base != opaque && strings.HasPrefix(base, hides+hides) {
		return nil // what an old file system wrote for itself
	}
	name := strings.TrimPrefix(base, hides)
	if base != opaque && (name == "" || name == "." || name == "..") {
		return hostile(h, "it hides nothing that has a name")
	}
	if !u.isBelow(dir, base, name) {
		return nil
	}
	at, err := u.parent(h, dir)
	if err != nil {
		return err
	}
	if base == opaque {
		return failed(h, u.makeOpaque(at))
	}
	err = unix.Mknodat(at, name, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		return failed(h, err)
	}
	// The layer has something of its own there, which stays; a folder shows nothing
	// of those below.
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // It is a file.
	}
	defer unix.Close(fd)
	return failed(h, u.makeOpaque(fd))
}

// isBelow says whether there is something to hide: a mark over nothing would be
// seen as a file.
func (u *unpacker) isBelow(dir, base, name string) bool {
	if base == opaque {
		name = ""
	}
	_, ok := lookup(u.Below, path.Join(dir, name))
	return ok
}

func (u *unpacker) makeOpaque(fd int) error {
	name := opaqueAttribute
	if u.InUser {
		name = opaqueInUser
	}
	return unix.Fsetxattr(fd, name, []byte("y"), 0)
}

// setTime sets when a file was changed, of which base is the name in the folder at;
// "" is at itself.
func setTime(at int, base string, modified time.Time) error {
	if modified.Unix() < 0 {
		modified = time.Unix(0, 0)
	}
	t, err := unix.TimeToTimespec(modified)
	if err != nil {
		return nil //nolint:nilerr // A time that no file can have.
	}
	flags := unix.AT_SYMLINK_NOFOLLOW
	if base == "" {
		flags = unix.AT_EMPTY_PATH
	}
	err = unix.UtimesNanoAt(at, base, []unix.Timespec{t, t}, flags)
	return err
}

func failed(h *tar.Header, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "unpack", Path: h.Name, Err: err}
}
