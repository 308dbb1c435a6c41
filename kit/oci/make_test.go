package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// program are entries of a program: n files of a size, in several folders.
func program(t *testing.T, n, size int) []Entry {
	t.Helper()
	dir := t.TempDir()
	var all []Entry
	for i := range n {
		name := fmt.Sprintf("ein paar/ünï %d.py", i)
		file := filepath.Join(dir, fmt.Sprint(i))
		must(t, os.WriteFile(file, []byte(strings.Repeat(fmt.Sprintf("%07d\n", i), size/8)), 0o600))
		all = append(all, Entry{Name: "app/" + name, Mode: 0o644, Source: file, Size: int64(size / 8 * 8)})
	}
	return all
}

func digests(i *Image) map[string]bool {
	all := map[string]bool{}
	for _, l := range i.Layers {
		all[l.Digest.String()] = true
	}
	return all
}

// The same files make the same image, whenever and by whom they were written; a
// change of one file, or one more, changes one layer of many.
func TestBuildIsTheSameAgain(t *testing.T) {
	s := open(t)
	base := hello(t, s, "base")
	files := program(t, 1000, 20<<10)
	build := func(name string) *Image {
		i, err := s.Build(t.Context(), name, Draft{Base: base, Config: config(), Layers: Layers(Split("app", files)...)})
		must(t, err)
		return i
	}
	first := build("a")
	if len(first.Layers) < 10 {
		t.Fatalf("%d layers of 20 MB of files", len(first.Layers))
	}
	if first.Layers[0].Digest != base.Layers[0].Digest || first.Layers[1].Digest != base.Layers[1].Digest {
		t.Errorf("the base's layers do not lie below: %v", first.Layers)
	}
	must(t, os.Chtimes(files[7].Source, time.Now(), time.Now().Add(time.Hour)))
	must(t, os.Chmod(files[7].Source, 0o666))
	if again := build("b"); again.Manifest.Digest != first.Manifest.Digest {
		t.Errorf("built again it is %s, not %s", again.Manifest.Digest, first.Manifest.Digest)
	}
	must(t, os.WriteFile(files[7].Source, []byte(strings.Repeat("another\n", 2560)), 0o600))
	files = append(files, Entry{Name: files[7].Name + "c", Mode: 0o755})
	old, fresh := digests(first), 0
	for d := range digests(build("c")) {
		if !old[d] {
			fresh++
		}
	}
	if fresh == 0 || fresh > 2 {
		t.Errorf("two files make %d new layers of %d", fresh, len(first.Layers))
	}
}

// What a file begins with can be another, and what is a folder or a link stays so.
func TestEntries(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(file, []byte("0123456789"), 0o644))
	s := open(t)
	i, err := s.Build(t.Context(), "x", Draft{Config: config(), Layers: Layers(WithFolders("", []Entry{
		{Name: "a/b/link", Mode: fs.ModeSymlink, Link: "../c"},
		{Name: "a/head", Mode: 0o755, Source: file, Content: []byte("abc"), Size: 10},
		{Name: "a/own", Mode: 0o644, Content: []byte("own"), Size: 3},
		{Name: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}))})
	must(t, err)
	if os.Getuid() != 0 {
		t.Skip("unpacking keeps owners, which root may")
	}
	u, err := s.Unpack(t.Context(), i, func(string) {})
	must(t, err)
	got := map[string]string{}
	must(t, filepath.WalkDir(u.Folders[0], func(p string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		name, _ := filepath.Rel(u.Folders[0], p)
		got[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(p)
			must(t, err)
			got[name] += " " + string(data)
		}
		return nil
	}))
	delete(got, ".")
	if diff := cmp.Diff(map[string]string{
		"a": "drwxr-xr-x", "a/b": "drwxr-xr-x", "a/b/link": "Lrwxrwxrwx", "a/head": "-rwxr-xr-x abc3456789", "a/own": "-rw-r--r-- own", "tmp": "dtrwxrwxrwx",
	}, got); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

// A build that ends early leaves the name as it was, and nothing half.
func TestInterruptedBuild(t *testing.T) {
	s := open(t)
	before := hello(t, s, "x")
	ctx, cancel := context.WithCancel(t.Context())
	endless := func(w io.Writer) error {
		for n := 0; ; n++ {
			if n == 100 {
				cancel()
			}
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return err
			}
		}
	}
	if _, err := s.Build(ctx, "x", Draft{Config: config(), Layers: []Layer{endless, files(map[string]string{"a": "b"})}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled build: %v", err)
	}
	shrunk := program(t, 1, 64)
	must(t, os.Truncate(shrunk[0].Source, 8))
	if _, err := s.Build(t.Context(), "x", Draft{Config: config(), Layers: Layers(shrunk)}); err == nil || !strings.Contains(err.Error(), "ünï 0.py: it shrank to 8 bytes") {
		t.Errorf("a file that shrinks: %v", err)
	}
	if after, err := s.Find("x"); err != nil || after.ID != before.ID {
		t.Errorf("the name means %v, %v", after, err)
	}
	left, err := os.ReadDir(s.path("uploads"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	_, err = s.Collect(0, nil)
	must(t, err)
	if n := blobs(t, s); n != 4 {
		t.Errorf("%d blobs are left of an image of 4", n)
	}
}

// What is attached to an image goes along with its names, and when the last goes.
func TestAttached(t *testing.T) {
	s := open(t)
	i := hello(t, s, "ada/x:v1")
	const kind = "application/example"
	if data, err := s.Attached(i, kind); data != nil || err != nil {
		t.Errorf("before: %q, %v", data, err)
	}
	must(t, s.Attach(i, kind, []byte("it is good")))
	must(t, s.Tag("ada/x:v1", "weir.local/ada/x:v2"))
	must(t, s.Remove("ada/x:v1"))
	_, err := s.Collect(0, nil)
	must(t, err)
	other, err := s.Find("weir.local/ada/x:v2")
	must(t, err)
	if data, err := s.Attached(other, kind); string(data) != "it is good" || err != nil {
		t.Errorf("under its other name: %q, %v", data, err)
	}
	must(t, s.Remove("weir.local/ada/x:v2"))
	_, err = s.Collect(0, nil)
	must(t, err)
	if n := blobs(t, s); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
}

// An image for another machine is found by who asks for it.
func TestFindFor(t *testing.T) {
	s := open(t)
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	hello(t, s, "x")
	if _, err := s.FindFor("x", other); err == nil || !strings.Contains(err.Error(), "not linux/"+other) {
		t.Errorf("an image for this machine: %v", err)
	}
	c := config()
	c.Architecture = other
	_, err := s.Build(t.Context(), "y", Draft{Config: c, Layers: []Layer{files(map[string]string{"a": "b"})}})
	must(t, err)
	if i, err := s.FindFor("y", other); err != nil || i.Config.Architecture != other {
		t.Errorf("an image for another: %v, %v", i, err)
	}
}

// Docker's names of layers become OCI's.
func TestOCILayer(t *testing.T) {
	for from, want := range map[string]string{
		"application/vnd.docker.image.rootfs.diff.tar.gzip": ocispec.MediaTypeImageLayerGzip,
		"application/vnd.docker.image.rootfs.diff.tar":      ocispec.MediaTypeImageLayer,
		ocispec.MediaTypeImageLayerZstd:                     ocispec.MediaTypeImageLayerZstd,
	} {
		if got := ociLayer(from); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}
