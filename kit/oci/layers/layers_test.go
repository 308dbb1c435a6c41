package layers

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// when is when all entries were changed.
var when = time.Unix(1_000_000_000, 0)

func entryOf(kind byte, name string, change ...func(*tar.Header)) func(*tar.Writer) error {
	h := &tar.Header{Typeflag: kind, Name: name, Mode: 0o755, ModTime: when}
	for _, c := range change {
		c(h)
	}
	return func(w *tar.Writer) error { return w.WriteHeader(h) }
}

func folder(name string, change ...func(*tar.Header)) func(*tar.Writer) error {
	return entryOf(tar.TypeDir, name, change...)
}

func file(name, content string, change ...func(*tar.Header)) func(*tar.Writer) error {
	header := entryOf(tar.TypeReg, name, append(change, func(h *tar.Header) { h.Size = int64(len(content)) })...)
	return func(w *tar.Writer) error {
		if err := header(w); err != nil {
			return err
		}
		_, err := io.WriteString(w, content)
		return err
	}
}

func link(name, to string) func(*tar.Writer) error {
	return entryOf(tar.TypeSymlink, name, func(h *tar.Header) { h.Linkname = to })
}

func hard(name, to string) func(*tar.Writer) error {
	return entryOf(tar.TypeLink, name, func(h *tar.Header) { h.Linkname = to })
}

func mode(m int64) func(*tar.Header)  { return func(h *tar.Header) { h.Mode = m } }
func owner(uid int) func(*tar.Header) { return func(h *tar.Header) { h.Uid, h.Gid = uid, uid } }
func xattr(n, v string) func(*tar.Header) {
	return func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr." + n: v} }
}

func layer(t *testing.T, entries ...func(*tar.Writer) error) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := e(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// unpackAll unpacks layers over one another, and returns the topmost first.
func unpackAll(t *testing.T, o Options, all ...*bytes.Buffer) ([]string, error) {
	t.Helper()
	for _, l := range all {
		dir := t.TempDir()
		if _, err := Unpack(t.Context(), dir, l, o); err != nil {
			return nil, err
		}
		o.Below = append([]string{dir}, o.Below...)
	}
	return o.Below, nil
}

// contents lists what is in an unpacked layer: a mode, who owns it if not root, and
// what it holds.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		line := fmt.Sprintf("%s %o", name, st.Mode&0o7777)
		if st.Uid != 0 {
			line += fmt.Sprintf(" of %d", st.Uid)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line = name + " -> " + to
		case unix.S_IFREG:
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q", content)
			if st.Nlink > 1 {
				line += fmt.Sprintf(" %d names", st.Nlink)
			}
		case unix.S_IFCHR:
			line = fmt.Sprintf("%s device %d", name, st.Rdev)
		case unix.S_IFIFO:
			line += " fifo"
		case unix.S_IFDIR:
			if isOpaque(p) {
				line += " opaque"
			}
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUnpack(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("layers have owners: run as root")
	}
	base := func(t *testing.T) *bytes.Buffer {
		return layer(t, folder("tmp", mode(0o1777)), folder("srv", mode(0o750), owner(7)), folder("usr"), folder("usr/lib"), file("usr/lib/a", "a"), link("lib", "usr/lib"), folder("old"), file("old/x", "x"))
	}
	for name, c := range map[string]struct {
		why   string
		layer *bytes.Buffer
		want  []string
	}{
		"Plain":         {why: "Files, folders, links as they are described.", layer: layer(t, folder("d", mode(0o700), owner(5)), file("d/f", "content", mode(0o4755), owner(5)), link("l", "/d/f"), hard("h", "d/f")), want: []string{"d 700 of 5", `d/f 4755 of 5 "content" 2 names`, `h 4755 of 5 "content" 2 names`, "l -> /d/f"}},
		"DotSlash":      {why: "Names as tar writes them.", layer: layer(t, folder("./"), folder("./d/"), file("./d/f", "1")), want: []string{"d 755", `d/f 755 "1"`}},
		"Absolute":      {why: "Absolute names are seen from the image's root.", layer: layer(t, file("/f", "1")), want: []string{`f 755 "1"`}},
		"Fifo":          {why: "A fifo is no device.", layer: layer(t, entryOf(tar.TypeFifo, "p", mode(0o622))), want: []string{"p 622 fifo"}},
		"Parents":       {why: "A folder that the layer does not describe is like the one below.", layer: layer(t, file("tmp/f", "1"), file("srv/f", "2"), file("new/f", "3")), want: []string{"new 755", `new/f 755 "3"`, "srv 750 of 7", `srv/f 755 "2"`, "tmp 1777", `tmp/f 755 "1"`}},
		"LinkBelow":     {why: "What goes through a link of the layers below goes where that leads.", layer: layer(t, file("lib/b", "b")), want: []string{"lib -> usr/lib", "usr 755", "usr/lib 755", `usr/lib/b 755 "b"`}},
		"LinkInRoot":    {why: "A link in the way leads where it would in the image.", layer: layer(t, folder("etc"), link("way", "/etc"), file("way/f", "1")), want: []string{"etc 755", `etc/f 755 "1"`, "way -> /etc"}},
		"HardToLink":    {why: "The name of a link is another name of the link, never of what it leads to.", layer: layer(t, link("way", "/etc/passwd"), hard("f", "way")), want: []string{"f -> /etc/passwd", "way -> /etc/passwd"}},
		"Twice":         {why: "A later entry takes the place of an earlier one.", layer: layer(t, file("f", "1"), file("f", "2"), folder("d"), file("d/x", ""), file("d", "3"), file("e", ""), folder("e"), file("e/y", "4")), want: []string{`d 755 "3"`, "e 755", `e/y 755 "4"`, `f 755 "2"`}},
		"OverHardLink":  {why: "Writing to one name leaves the other alone.", layer: layer(t, file("f", "1"), hard("g", "f"), file("f", "2")), want: []string{`f 755 "2"`, `g 755 "1"`}},
		"Whiteout":      {why: "What is hidden is marked as overlays do; where nothing is, there is no mark.", layer: layer(t, file("old/.wh.x", ""), file("old/.wh.nothing", ""), file(".wh.srv", "")), want: []string{"old 755", "old/x device 0", "srv device 0"}},
		"Opaque":        {why: "A folder may hide all that was in it.", layer: layer(t, folder("old"), file("old/.wh..wh..opq", ""), file("old/y", "y")), want: []string{"old 755 opaque", `old/y 755 "y"`}},
		"Replaced":      {why: "A folder that was removed and made again shows nothing of the old one.", layer: layer(t, file(".wh.old", ""), folder("old"), file("old/y", "y")), want: []string{"old 755 opaque", `old/y 755 "y"`}},
		"ReplacedLater": {why: "In whatever order.", layer: layer(t, folder("old"), file(".wh.old", ""), file("srv", "file"), file(".wh.srv", "")), want: []string{"old 755 opaque", `srv 755 "file"`}},
		"OldMarks":      {why: "What AUFS wrote for itself is left out.", layer: layer(t, file(".wh..wh.aufs", ""), folder(".wh..wh.plnk"), file("f", "1")), want: []string{`f 755 "1"`}},
		"Dev":           {why: "Containers have a /dev of their own.", layer: layer(t, folder("dev"), entryOf(tar.TypeChar, "dev/null", func(h *tar.Header) { h.Devmajor, h.Devminor = 1, 3 })), want: []string{"dev 755"}},
		"Names":         {why: "Names may be of any kind.", layer: layer(t, file("ünï cödé 名", "1"), file(strings.Repeat("d/", 120)+"f", "1")), want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			stack, err := unpackAll(t, Options{}, base(t), c.layer)
			if err != nil {
				t.Fatal(err)
			}
			got := contents(t, stack[0])
			if c.want == nil && len(got) > 100 {
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, diff)
			}
			sameAsOverlay(t, stack)
		})
	}
}

// sameAsOverlay looks whether a copy of layers has what the kernel shows of them.
func sameAsOverlay(t *testing.T, stack []string) {
	t.Helper()
	mounted, copied := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	if err := unix.Mount("overlay", mounted, "overlay", 0, "lowerdir="+strings.Join(stack, ":")); err != nil {
		t.Log("no overlay can be mounted here:", err)
		return
	}
	defer unix.Unmount(mounted, unix.MNT_DETACH)
	if err := Copy(stack, copied); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, mounted), contents(t, copied)); diff != "" {
		t.Errorf("a copy (-overlay +copy)\n%s", diff)
	}
}

// What a layer must not have is refused, and nothing outside of it is touched.
func TestHostile(t *testing.T) {
	for name, c := range map[string]struct {
		why   string
		layer *bytes.Buffer
		want  string
	}{
		"Up":           {why: "A name that leads out.", layer: layer(t, file("../escape", "x")), want: "leads out of the image"},
		"UpInside":     {why: "Or might.", layer: layer(t, file("a/../../escape", "x")), want: "leads out of the image"},
		"HardLinkUp":   {why: "A hard link to what is outside.", layer: layer(t, hard("f", "../secret")), want: `a link to "../secret", which leads out of the image`},
		"HardLinkAbs":  {why: "An absolute one is seen from the image's root.", layer: layer(t, hard("f", "/etc/passwd")), want: "not in the layer"},
		"HardViaLink":  {why: "A hard link by way of a link that leads out.", layer: layer(t, link("way", "../../../../../../etc"), hard("f", "way/passwd")), want: "not in the layer"},
		"HardToFolder": {why: "Folders have one name.", layer: layer(t, folder("d"), hard("f", "d")), want: "which is a folder"},
		"Device":       {why: "A device.", layer: layer(t, entryOf(tar.TypeBlock, "disk", func(h *tar.Header) { h.Devmajor = 8 })), want: "a device"},
		"DeviceUpDev":  {why: "Also one that is called as if it were in /dev.", layer: layer(t, entryOf(tar.TypeChar, "dev/../mem", nothing)), want: "leads out"},
		"Mark":         {why: "The mark of an overlay can be made with a device.", layer: layer(t, entryOf(tar.TypeChar, "f", nothing)), want: "a device"},
		"HideUp":       {why: "A mark that hides what is outside.", layer: layer(t, file(".wh...", "")), want: "hides nothing"},
		"Loop":         {why: "Links that lead in a circle.", layer: layer(t, link("a", "b"), link("b", "a"), file("a/f", "")), want: "lead nowhere"},
		"InFile":       {why: "A file in a file.", layer: layer(t, file("a", ""), file("a/b", "")), want: "not a folder"},
		"RootIsFile":   {why: "A root that is none.", layer: layer(t, file(".", "")), want: "not a folder"},
		"Bomb":         {why: "More than may be.", layer: layer(t, file("a", strings.Repeat("x", 600)), file("b", strings.Repeat("x", 600))), want: "more than 1000 bytes"},
		"ManyFiles":    {why: "Or too many.", layer: layer(t, many(30)...), want: "more than 20 entries"},
		"Type":         {why: "What no tar should have.", layer: layer(t, entryOf('Q', "f")), want: "unknown"},
		"Broken":       {why: "A tar that ends too soon.", layer: bytes.NewBuffer(layer(t, file("f", strings.Repeat("x", 900))).Bytes()[:1000]), want: "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			around := t.TempDir()
			dir := filepath.Join(around, "layer")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(around, "secret"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Unpack(t.Context(), dir, c.layer, Options{Owner: us, Limits: Limits{Bytes: 1000, Entries: 20}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s Error %v, want %q", c.why, err, c.want)
			}
			if got := contents(t, around); len(got) < 2 || !strings.HasPrefix(got[len(got)-1], "secret ") || !strings.HasSuffix(got[len(got)-1], `"secret"`) {
				t.Errorf("around the layer: %q", got)
			}
		})
	}
	// A link that leads out leads to the image's root: what is written through it is in the layer.
	dir := t.TempDir()
	outside := t.TempDir()
	if _, err := Unpack(t.Context(), dir, layer(t, link("way", "../../../../../../../.."), link("abs", outside), file("way/etc/f", "1"), file("abs/g", "2")), Options{Owner: us}); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	for name, want := range map[string]string{"/etc/f": "1", outside + "/g": "2"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

func nothing(*tar.Header) {}

func us(int, int) (int, int) { return os.Getuid(), os.Getgid() }

func many(n int) []func(*tar.Writer) error {
	var all []func(*tar.Writer) error
	for i := range n {
		all = append(all, file(fmt.Sprint(i), ""))
	}
	return all
}

// Attributes that are users' own or give capabilities are kept; those by which an
// overlay is led elsewhere are not.
func TestXattrs(t *testing.T) {
	dir := t.TempDir()
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if _, err := Unpack(t.Context(), dir, layer(t,
		file("user", "", xattr("user.note", "kept")), file("cap", "", xattr("security.capability", capability)),
		file("overlay", "", xattr("trusted.overlay.redirect", "/etc")), file("own", "", xattr("user.overlay.opaque", "y")), file("se", "", xattr("security.selinux", "x")),
	), Options{Owner: us}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, name, want string }{
		{"user", "user.note", "kept"}, {"cap", "security.capability", capability},
		{"overlay", "trusted.overlay.redirect", ""}, {"own", "user.overlay.opaque", ""}, {"se", "security.selinux", ""},
	} {
		value := make([]byte, 64)
		n, err := unix.Lgetxattr(filepath.Join(dir, c.file), c.name, value)
		if got := string(value[:max(n, 0)]); got != c.want && !(c.file == "cap" && os.Getuid() != 0) {
			t.Errorf("%s: %s is %q, %v; want %q", c.file, c.name, got, err, c.want)
		}
	}
}

// Times are those of the entries, also of folders that something was put into later.
func TestTimes(t *testing.T) {
	dir := t.TempDir()
	if _, err := Unpack(t.Context(), dir, layer(t, folder("d"), file("d/f", "1"), link("l", "d")), Options{Owner: us}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "d/f", "l"} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !info.ModTime().Equal(when) {
			t.Errorf("%s was changed %v, %v", name, info.ModTime(), err)
		}
	}
}

func TestOpen(t *testing.T) {
	stack, err := unpackAll(t, Options{Owner: us, InUser: os.Getuid() != 0},
		layer(t, folder("etc"), file("etc/passwd", "below"), file("etc/group", "below"), file("etc/hidden", ""), link("etc/abs", "/real/f"), link("etc/rel", "../real/f"), folder("real"), file("real/f", "real"), link("loop", "loop"), folder("gone"), file("gone/f", "")),
		layer(t, folder("etc"), file("etc/passwd", "above"), file("etc/.wh.hidden", ""), link("way", "etc"), folder("gone"), file("gone/.wh..wh..opq", "")),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"etc/abs": "/real/f", "/way/rel": "/real/f", "/way/new": "/etc/new", "none/x": "/none/x"} {
		if got := Resolve(stack, name); got != want {
			t.Errorf("%s leads to %s, want %s", name, got, want)
		}
	}
	for name, c := range map[string]struct {
		why, want string
		err       error
	}{
		"/etc/passwd":  {why: "The topmost counts.", want: "above"},
		"etc/group":    {why: "What is not there shines through.", want: "below"},
		"/etc/abs":     {why: "Links are seen from the image's root.", want: "real"},
		"/etc/rel":     {why: "Relative ones from where they are.", want: "real"},
		"/way/group":   {why: "Links on the way too.", want: "below"},
		"/etc/hidden":  {why: "What is hidden is not there.", err: fs.ErrNotExist},
		"/gone/f":      {why: "Nor what is in a folder that hides it.", err: fs.ErrNotExist},
		"/etc":         {why: "A folder is no file.", err: fs.ErrInvalid},
		"/loop":        {why: "A circle has an end.", err: unix.ELOOP},
		"/etc/group/x": {why: "There is nothing in a file.", err: unix.ENOTDIR},
	} {
		f, err := Open(stack, name)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %s Error %v, want %v", name, c.why, err, c.err)
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(f)
		f.Close()
		if string(got) != c.want {
			t.Errorf("%s: %s It is %q, %v, want %q", name, c.why, got, err, c.want)
		}
	}
}
