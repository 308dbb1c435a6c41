package oci

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "images"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// files is a layer of these files; those that end with / are folders.
func files(all map[string]string) Layer {
	return func(w io.Writer) error {
		out := tar.NewWriter(w)
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(all[name])), Mode: 0o755, Uid: os.Getuid(), Gid: os.Getgid()}
			if strings.HasSuffix(name, "/") {
				h.Typeflag = tar.TypeDir
			}
			if err := out.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.WriteString(out, all[name]); err != nil {
				return err
			}
		}
		return out.Close()
	}
}

func config() ocispec.Image {
	var c ocispec.Image
	c.OS, c.Architecture = "linux", runtime.GOARCH
	c.Config = ocispec.ImageConfig{Cmd: []string{"/hello"}, Env: []string{"A=b"}, User: "7"}
	return c
}

func hello(t *testing.T, s *Store, name string) *Image {
	t.Helper()
	i, err := s.Make(name, config(), files(map[string]string{"hello": "base", "old": "x"}), files(map[string]string{".wh.old": "", "new": "y"}))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// namesOf lists what a store has.
func namesOf(t *testing.T, s *Store) []string {
	t.Helper()
	all, err := s.List()
	must(t, err)
	var names []string
	for _, i := range all {
		names = append(names, i.Name.Familiar())
	}
	return names
}

func blobs(t *testing.T, s *Store) int {
	t.Helper()
	all, err := filepath.Glob(s.path("blobs/*/*"))
	must(t, err)
	return len(all)
}

// An image from its making over its names to its end.
func TestStore(t *testing.T) {
	s := open(t)
	if _, err := s.Find("ada/hello"); !errors.As(err, new(*NotFoundError)) {
		t.Fatalf("in a store that does not exist: %v", err)
	}
	if freed, err := s.Collect(0, nil); freed != 0 || err != nil {
		t.Errorf("collect there: %d, %v", freed, err)
	}
	made := hello(t, s, "ada/hello:v1")
	again := hello(t, s, "other/hello")
	if made.Manifest.Digest != again.Manifest.Digest {
		t.Errorf("the same image has digests %s and %s", made.Manifest.Digest, again.Manifest.Digest)
	}
	must(t, s.Tag("ada/hello:v1", "localhost:5000/ada/hello:v2"))
	if diff := cmp.Diff([]string{"ada/hello:v1", "other/hello:latest", "localhost:5000/ada/hello:v2"}, namesOf(t, s)); diff != "" {
		t.Errorf("names (-want +got)\n%s", diff)
	}
	byDigest, err := s.Find("ada/hello@" + made.Manifest.Digest.String())
	if err != nil || byDigest.ID != made.ID {
		t.Errorf("by its digest: %v, %v", byDigest, err)
	}
	if _, err := s.Find("nobody/hello@" + made.Manifest.Digest.String()); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("by its digest where it is not: %v", err)
	}
	must(t, s.Remove("other/hello:latest"))
	must(t, s.Remove("localhost:5000/ada/hello:v2"))
	if _, err := s.Collect(0, nil); err != nil || blobs(t, s) != 4 {
		t.Errorf("%d blobs while one name is left, %v; want 4", blobs(t, s), err)
	}
	must(t, s.Remove("ada/hello:v1"))
	if err := s.Remove("ada/hello:v1"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("removing it again: %v", err)
	}
	freed, err := s.Collect(0, nil)
	if err != nil || freed < 100 || blobs(t, s) != 0 {
		t.Errorf("freed %d bytes, %v, and %d blobs are left", freed, err, blobs(t, s))
	}
}

// An image that lost its tag stays while somebody uses it by its digest.
func TestCollectOfTheUsed(t *testing.T) {
	s := open(t)
	before := hello(t, s, "ada/hello:v1")
	_, err := s.Make("ada/hello:v1", config(), files(map[string]string{"hello": "another"}))
	must(t, err)
	byDigest := "ada/hello@" + before.Manifest.Digest.String()
	_, err = s.Collect(0, func(d digest.Digest) bool { return d == before.Manifest.Digest })
	must(t, err)
	if i, err := s.Find(byDigest); err != nil || i.ID != before.ID {
		t.Errorf("while it is used: %v", err)
	}
	_, err = s.Collect(time.Hour, nil)
	must(t, err)
	if _, err := s.Find(byDigest); err != nil {
		t.Errorf("while it is young: %v", err)
	}
	_, err = s.Collect(0, nil)
	must(t, err)
	if _, err := s.Find(byDigest); !errors.As(err, new(*NotFoundError)) || blobs(t, s) != 3 {
		t.Errorf("when nobody uses it: %v, %d blobs", err, blobs(t, s))
	}
}

// Nothing is collected while somebody puts an image together.
func TestCollectWaits(t *testing.T) {
	s := open(t)
	release, err := s.share()
	must(t, err)
	_, _, err = s.Put("", strings.NewReader("part of an image to come"))
	must(t, err)
	if freed, err := s.Collect(0, nil); freed != 0 || !errors.Is(err, ErrBusy) {
		t.Errorf("freed %d, %v", freed, err)
	}
	release()
	if freed, err := s.Collect(0, nil); freed != 24 || err != nil {
		t.Errorf("freed %d, %v, once nobody does", freed, err)
	}
}

// What save writes load reads, under whichever name, and the bytes are always the same.
func TestSaveAndLoad(t *testing.T) {
	from := open(t)
	made := hello(t, from, "ada/hello:v1")
	var archive, again bytes.Buffer
	must(t, from.Save(&archive, "ada/hello:v1"))
	must(t, from.Save(&again, "ada/hello:v1"))
	if !bytes.Equal(archive.Bytes(), again.Bytes()) {
		t.Error("saved twice, an image is different bytes")
	}
	for name, c := range map[string]struct{ why, as, want string }{
		"OwnName":  {"An archive says what its image is called.", "", "ada/hello:v1"},
		"OtherOne": {"Unless it is to be called otherwise.", "weir.local/x:2", "weir.local/x:2"},
	} {
		s := open(t)
		names, err := s.Load(t.Context(), bytes.NewReader(archive.Bytes()), c.as)
		if err != nil || len(names) != 1 || names[0].Familiar() != c.want {
			t.Fatalf("%s: %s Loaded %v, %v", name, c.why, names, err)
		}
		got, err := s.Find(c.want)
		if err != nil || got.Manifest.Digest != made.Manifest.Digest {
			t.Errorf("%s: manifest %v, %v; want %s", name, got, err, made.Manifest.Digest)
		}
	}
}

// dockerSave writes an image as docker save did before it wrote layouts: layers
// are plain tars, and one that comes twice is a link.
func dockerSave(t *testing.T, c ocispec.Image, layers ...Layer) *bytes.Buffer {
	t.Helper()
	s := open(t)
	made, err := s.Make("x", c, layers...)
	must(t, err)
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	file := func(name string, data []byte) {
		must(t, out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644}))
		_, err := out.Write(data)
		must(t, err)
	}
	written := map[string]string{}
	var names []string
	for n, l := range layers {
		var plain bytes.Buffer
		must(t, l(&plain))
		dir := fmt.Sprintf("layer%d", n)
		file(dir+"/VERSION", []byte("1.0"))
		file(dir+"/json", []byte("{}"))
		if first, ok := written[plain.String()]; ok {
			must(t, out.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: dir + "/layer.tar", Linkname: "../" + first}))
		} else {
			file(dir+"/layer.tar", plain.Bytes())
			written[plain.String()] = dir + "/layer.tar"
		}
		names = append(names, dir+"/layer.tar")
	}
	config, err := json.Marshal(made.Config)
	must(t, err)
	file("config.json", config)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{"ada/old:1"}, "Layers": names}})
	must(t, err)
	file("manifest.json", manifest)
	must(t, out.Close())
	return &b
}

func TestLoadOfOldDocker(t *testing.T) {
	s := open(t)
	base := files(map[string]string{"hello": "base"})
	names, err := s.Load(t.Context(), dockerSave(t, config(), base, files(map[string]string{"b": "2"}), base), "")
	if err != nil || len(names) != 1 || names[0].Familiar() != "ada/old:1" {
		t.Fatalf("loaded %v, %v", names, err)
	}
	i, err := s.Find("ada/old:1")
	must(t, err)
	if len(i.Layers) != 3 || i.Layers[0].Digest != i.Layers[2].Digest || i.Layers[0].MediaType != ocispec.MediaTypeImageLayer {
		t.Errorf("layers %+v", i.Layers)
	}
	if diff := cmp.Diff(config().Config, i.Config.Config); diff != "" {
		t.Errorf("config (-want +got)\n%s", diff)
	}
}

// What is not an image is refused, and leaves nothing in the store.
func TestLoadErrors(t *testing.T) {
	from := open(t)
	made := hello(t, from, "ada/hello:v1")
	hello(t, from, "ada/other:v1")
	without := func(drop string) []byte {
		var whole, cut bytes.Buffer
		must(t, from.Save(&whole, "ada/hello:v1"))
		in, out := tar.NewReader(&whole), tar.NewWriter(&cut)
		for {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			if h.Name == drop {
				continue
			}
			must(t, out.WriteHeader(h))
			_, err = io.Copy(out, in)
			must(t, err)
		}
		must(t, out.Close())
		return cut.Bytes()
	}
	changed := func() []byte {
		var whole bytes.Buffer
		must(t, from.Save(&whole, "ada/hello:v1"))
		return bytes.Replace(whole.Bytes(), []byte(`"A=b"`), []byte(`"A=c"`), 1)
	}
	for name, c := range map[string]struct {
		why     string
		archive []byte
		as      string
		want    string
	}{
		"NoArchive":    {why: "Something else.", archive: []byte(strings.Repeat("no archive at all ", 100)), want: "not an archive of images"},
		"Empty":        {why: "Nothing.", archive: nil, want: "there is no image in it"},
		"MissingLayer": {why: "An archive that was made by hand.", archive: without(blobName(made.Layers[1].Digest)), want: "the layer is missing"},
		"MissingParts": {why: "Nor a config.", archive: without(blobName(made.ID)), want: "it is missing"},
		"CutOff":       {why: "A copy that was broken off.", archive: without("")[:1200], want: "unexpected EOF"},
		"Changed":      {why: "Content that is not what its digest says.", archive: changed(), want: "the content is another"},
		"BadName":      {why: "A name that is none.", archive: without(""), as: "A B", want: `image name "A B"`},
		"ByDigest":     {why: "Nobody gives digests.", archive: without(""), as: "x@" + made.Target.Digest.String(), want: "a digest is not given"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			_, err := s.Load(t.Context(), bytes.NewReader(c.archive), c.as)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s Error %v, want %q", c.why, err, c.want)
			}
			if got := blobs(t, s); got != 0 {
				t.Errorf("%d blobs are left", got)
			}
			if left, _ := os.ReadDir(s.path("uploads")); len(left) > 0 {
				t.Errorf("uploads are left: %v", left)
			}
		})
	}
}

// Layers are unpacked once, and what two images share is shared.
func TestUnpack(t *testing.T) {
	s := open(t)
	one := hello(t, s, "ada/hello:v1")
	two, err := s.Make("ada/hello:v2", config(), files(map[string]string{"hello": "base", "old": "x"}), files(map[string]string{"hello": "v2"}))
	must(t, err)
	if _, ok := s.Unpacked(one); ok {
		t.Error("unpacked before it was")
	}
	u1, err := s.Unpack(t.Context(), one, quiet)
	must(t, err)
	u2, err := s.Unpack(t.Context(), two, quiet)
	must(t, err)
	if len(u1.Folders) != 2 || u1.Folders[1] != u2.Folders[1] || u1.Folders[0] == u2.Folders[0] {
		t.Errorf("folders %v and %v, want the lowest to be the same", u1.Folders, u2.Folders)
	}
	if u1.Size != int64(len("base")+len("x")+len("y")) {
		t.Errorf("size %d", u1.Size)
	}
	if content, err := os.ReadFile(filepath.Join(u2.Folders[0], "hello")); string(content) != "v2" {
		t.Errorf("hello is %q, %v", content, err)
	}
	nobody := func() []*Image { return nil }
	must(t, s.RemoveUnpacked(t.Context(), one, func() []*Image { return []*Image{one} }))
	if _, ok := s.Unpacked(one); !ok {
		t.Error("what somebody uses was removed")
	}
	must(t, s.RemoveUnpacked(t.Context(), one, nobody))
	if _, ok := s.Unpacked(one); ok {
		t.Error("still unpacked")
	}
	if _, ok := s.Unpacked(two); !ok {
		t.Error("what the other needs was removed with it")
	}
	must(t, s.Remove("ada/hello:v2"))
	must(t, s.SweepUnpacked(t.Context()))
	left, err := filepath.Glob(s.path("layers/*/files"))
	if err != nil || len(left) != 1 { // the base, which one has too
		t.Errorf("left %v, %v", left, err)
	}
	must(t, s.RemoveUnpacked(t.Context(), two, nobody))
	if left, _ := filepath.Glob(s.path("layers/*/files")); len(left) != 0 {
		t.Errorf("an image that is not unpacked keeps %v", left)
	}
}

// A layer that is not what its config says, or is hostile, leaves nothing behind.
func TestUnpackErrors(t *testing.T) {
	for name, c := range map[string]struct {
		why    string
		layer  Layer
		change func(*Image)
		want   string
	}{
		"Another":  {why: "A config that is of another layer.", layer: files(map[string]string{"a": "1"}), change: func(i *Image) { i.Config.RootFS.DiffIDs[0] = "sha256:" + zeroDigest }, want: "the layer's content is another"},
		"NoDigest": {why: "Or of none.", layer: files(map[string]string{"a": "1"}), change: func(i *Image) { i.Config.RootFS.DiffIDs[0] = "sha256:x" }, want: `digest "sha256:x" in the config`},
		"Hostile":  {why: "A name that leads out.", layer: files(map[string]string{"../a": "1"}), want: "leads out of the image"},
		"NoTar":    {why: "Something else.", layer: func(w io.Writer) error { _, err := io.WriteString(w, strings.Repeat("x", 600)); return err }, want: "layer 1 of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			i, err := s.Make("x", config(), c.layer)
			must(t, err)
			if c.change != nil {
				c.change(i)
			}
			_, err = s.Unpack(t.Context(), i, quiet)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s Error %v, want %q", c.why, err, c.want)
			}
			for _, pattern := range []string{"layers/unpacking/*", "layers/*/files"} {
				if left, err := filepath.Glob(s.path(pattern)); err != nil || len(left) > 0 {
					t.Errorf("left %v, %v", left, err)
				}
			}
		})
	}
}

// A few megabytes that become gigabytes are not unpacked to their end.
func TestBomb(t *testing.T) {
	zeros, err := os.Open("/dev/zero")
	must(t, err)
	defer zeros.Close()
	for name, c := range map[string]struct {
		why    string
		packed int64
		want   string
	}{
		"Bomb":  {"A thousandfold.", 2 << 20, "made to fill the disk"},
		"Large": {"Tenfold is as it should be.", 200 << 20, ""},
	} {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, &guard{from: io.LimitReader(zeros, 2<<30), packed: c.packed}, make([]byte, 1<<20))
		if c.want == "" && (err != nil || n != 2<<30) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %s Read %d, %v", name, c.why, n, err)
		}
	}
}

func quiet(string) {}

const zeroDigest = "0000000000000000000000000000000000000000000000000000000000000000"

// Images that others wrote, in each of their formats, are read; and they read ours.
func TestOthers(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo (a Debian package) is not here")
	}
	from := open(t)
	made := hello(t, from, "ada/hello:v1")
	dir := t.TempDir()
	saved := filepath.Join(dir, "saved.tar")
	f, err := os.Create(saved)
	must(t, err)
	must(t, from.Save(f, "ada/hello:v1"))
	must(t, f.Close())
	for name, c := range map[string]struct{ source, target, as string }{
		"DockerArchive":   {"oci-archive:" + saved, "docker-archive:%s/x.tar:ada/hello:v1", ""},
		"DockerAsDocker":  {"docker-archive:" + saved, "docker-archive:%s/x.tar:ada/hello:v1", ""},
		"OCIArchive":      {"oci-archive:" + saved, "oci-archive:%s/x.tar:ada/hello:v1", ""},
		"NamelessArchive": {"oci-archive:" + saved, "oci-archive:%s/x.tar", "ada/hello:v1"},
		"Layout":          {"oci-archive:" + saved, "oci:%s/layout:v1", "ada/hello:v1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out, err := exec.CommandContext(t.Context(), skopeo, "copy", "--insecure-policy", "--tmpdir", dir, c.source, fmt.Sprintf(c.target, dir)).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			s := open(t)
			var names []Name
			if strings.HasPrefix(c.target, "oci:") {
				names, err = s.LoadFolder(t.Context(), filepath.Join(dir, "layout"), c.as)
			} else {
				var archive *os.File
				archive, err = os.Open(filepath.Join(dir, "x.tar"))
				must(t, err)
				defer archive.Close()
				names, err = s.Load(t.Context(), archive, c.as)
			}
			if err != nil || len(names) != 1 || names[0].Familiar() != "ada/hello:v1" {
				t.Fatalf("loaded %v, %v", names, err)
			}
			got, err := s.Find("ada/hello:v1")
			must(t, err)
			if diff := cmp.Diff(made.Config.RootFS, got.Config.RootFS); diff != "" {
				t.Errorf("layers (-want +got)\n%s", diff)
			}
			u, err := s.Unpack(t.Context(), got, quiet)
			must(t, err)
			if content, err := fs.ReadFile(os.DirFS(u.Folders[1]), "hello"); string(content) != "base" {
				t.Errorf("hello is %q, %v", content, err)
			}
		})
	}
}
