package dockerfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
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
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/oci"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contextOf is a folder of files, and what a build is told of it.
func contextOf(t *testing.T, files map[string]string) (string, []oci.Entry) {
	t.Helper()
	dir := t.TempDir()
	var all []oci.Entry
	for name, text := range files {
		file := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
		all = append(all, oci.Entry{Name: name, Mode: 0o644, Source: file, Size: int64(len(text))})
	}
	return dir, all
}

// archive is a packed tar.
func archive() string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	out := tar.NewWriter(z)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./bin/", Mode: 0o750, Uid: 7, Gid: 8},
		{Typeflag: tar.TypeReg, Name: "./bin/run", Mode: 0o755, Size: 3, Uid: 7, Gid: 8},
		{Typeflag: tar.TypeLink, Name: "./bin/again", Linkname: "./bin/run", Mode: 0o755, Uid: 7, Gid: 8},
		{Typeflag: tar.TypeSymlink, Name: "sh", Linkname: "bin/run"},
		{Typeflag: tar.TypeDir, Name: "empty/", Mode: 0o700},
	} {
		if err := out.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Size > 0 {
			fmt.Fprint(out, "run")
		}
	}
	if err := errors.Join(out.Close(), z.Close()); err != nil {
		panic(err)
	}
	return packed.String()
}

// idle is a Runner where nothing is to be run.
type idle struct{ Runner }

// program is a folder that Dockerfiles of the tests copy from.
func program() map[string]string {
	return map[string]string{
		"a.py": "a", "b.py": "b", "read me.txt": "r", "in.tar.gz": archive(), "src/x.py": "x", "src/deep/y.py": "y", "conf/ünï.yaml": "u", "conf/z.yaml": "z",
	}
}

func build(t *testing.T, store *oci.Store, text string, files []oci.Entry, o Options) (*oci.Image, error) {
	t.Helper()
	f, err := Parse("Dockerfile", []byte(text))
	if err != nil {
		return nil, err
	}
	o.Architecture, o.Context, o.Progress = runtime.GOARCH, files, func(string) {}
	o.Base = func(_ context.Context, name, _ string) (*oci.Image, error) { return store.Find(name) }
	if os.Getuid() == 0 && strings.Contains(text, "--from=") { // which takes no more than being root
		o.Runner = idle{}
	}
	if _, err := f.Rehearse(t.Context(), store, o); err != nil {
		return nil, err
	}
	image, _, err := f.Build(t.Context(), store, "built", o)
	return image, err
}

// What cannot be done is refused before anything is, by its line.
func TestRefused(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"Run":      {"FROM scratch\n# x\nCOPY a.py \\\n  /a\nRUN --network=host make\n", "Dockerfile:5: RUN: --network=host is not known"},
		"But":      {"FROM scratch\nCOPY --exclude=!a.py . /\n", "Dockerfile:2: COPY: --exclude=!a.py is not known"},
		"Agent":    {"FROM scratch\nRUN --mount=type=ssh make\n", "Dockerfile:2: RUN: --mount=type=ssh is not known"},
		"Secret":   {"FROM scratch\nRUN --mount=type=secret,id=x,required=true make\n", "Dockerfile:2: RUN: secret x is not given: give it with --secret id=x"},
		"Mount":    {"FROM scratch\nRUN --mount=type=bind,source=gone,target=/x make\n", "Dockerfile:2: RUN: gone: there is no such file"},
		"OnBuild":  {"FROM scratch AS a\nONBUILD COPY gone /\n\nFROM a\n", "Dockerfile:4: FROM: the image's ONBUILD COPY gone /: gone: there is no such file"},
		"From":     {"FROM scratch\nCOPY --from=gone:v1 a b\n", "Dockerfile:2: COPY: image gone:v1: not here"},
		"Later":    {"FROM scratch\nCOPY --from=1 a b\nFROM scratch\nCOPY --from=0 a b\n", "Dockerfile:2: COPY: there is no stage 1 before this one"},
		"Fetch":    {"FROM scratch\nADD https://x.example/a /a\n", "Dockerfile:2: ADD: nothing is fetched here"},
		"Clone":    {"FROM scratch\nADD https://x.example/a.git /a\n", "Dockerfile:2: ADD: repositories are not fetched"},
		"Unknown":  {"FROM scratch\nCOPPY a b\n", "Dockerfile:2: unknown instruction: COPPY"},
		"Syntax":   {"FROM scratch\n\nENV A\n", "Dockerfile:3: "},
		"Nothing":  {"# nothing\n", "Dockerfile:1: file with no instructions"},
		"NoFrom":   {"ARG a=b\n", "Dockerfile: it has no FROM"},
		"NoFile":   {"FROM scratch\nCOPY gone /\n", "Dockerfile:2: COPY: gone: there is no such file"},
		"Outside":  {"FROM scratch\nCOPY ../../etc/passwd /\n", "Dockerfile:2: COPY: ../../etc/passwd: there is no such file"},
		"Owner":    {"FROM scratch\nCOPY --chown=ada a.py /\n", "Dockerfile:2: COPY: nothing is run here"},
		"Mode":     {"FROM scratch\nCOPY --chmod=u+x a.py /\n", "write it in numbers"},
		"NoBase":   {"FROM gone:v1\n", "Dockerfile:1: FROM: image gone:v1: not here"},
		"Platform": {"FROM --platform=linux/riscv64 scratch\n", "Dockerfile:1: FROM: --platform=linux/riscv64"},
	}
	_, files := contextOf(t, program())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store, err := oci.Open(t.TempDir())
			must(t, err)
			if _, err = build(t, store, c.text, files, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if all, err := store.List(); err != nil || len(all) > 0 {
				t.Errorf("it left %v, %v", all, err)
			}
		})
	}
}

// Files and settings come out as buildah has them.
func TestAsBuildahDoes(t *testing.T) {
	buildah, err := exec.LookPath("buildah")
	if err != nil || os.Getuid() != 0 {
		t.Skip("there is no buildah to compare with, or nobody to run it")
	}
	cases := map[string]string{
		"Files":    "COPY a.py /\nCOPY a.py b.py /two/\nCOPY a.py /renamed\nCOPY [\"read me.txt\", \"/\"]\nCOPY conf /etc/conf\n",
		"Workdir":  "WORKDIR /app\nCOPY . .\nWORKDIR sub\nCOPY a.py .\nCOPY a.py ./\nCOPY src/deep ../up\n",
		"Globs":    "COPY *.py /py/\nCOPY s*/*.py conf/?.yaml /some/\nCOPY s*c /all/\n",
		"Owners":   "COPY --chown=7:8 src /src\nCOPY --chown=5 --chmod=750 a.py /own/\nCOPY --chmod=600 b.py /b\n",
		"Twice":    "COPY a.py /x/f\nCOPY b.py /x/f\nCOPY a.py /x\n",
		"Settings": "ENV A=1 B=\"$A two\" PATH=/bin\nENV C=${B:-x}-${D:-y}\nLABEL x=\"$A\" y=z\nUSER 7:8\nEXPOSE 80 90/udp\nVOLUME /data /more\nSTOPSIGNAL SIGQUIT\nENTRYPOINT [\"/a\", \"b\"]\nCMD c $A\n",
		"Args":     "ARG V\nARG W=w$V\nENV X=$W-$TARGETARCH\nCOPY ${V}.py /\n",
		"From":     "COPY --chown=7:8 . /x\nCOPY --chmod=4711 a.py /x/run\nFROM scratch\nWORKDIR /w\nCOPY --from=first /x/src /src\nCOPY --from=0 /x/*.py /x/conf/?.yaml /y/\nCOPY --from=first /x/a.py renamed\nCOPY --from=first --chown=5 x/conf /conf\nCOPY --from=first /x/run /\n",
		"Archives": "ADD in.tar.gz /plain/\nADD a.py in.tar.gz /two/\nWORKDIR /w\nADD in.tar.gz .\nCOPY in.tar.gz /kept\n",
		"Stages":   "ENV A=1\nCOPY a.py /\nFROM first AS second\nENV B=$A\nCOPY b.py /\nFROM scratch AS never\nCOPY conf /\nFROM second\nCMD [\"/x\"]\n",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			dir, files := contextOf(t, program())
			file := "ARG V=b\nFROM scratch AS first\n" + text
			store, err := oci.Open(t.TempDir())
			must(t, err)
			got, err := build(t, store, file, files, Options{Args: map[string]string{"V": "a"}})
			must(t, err)

			state, archive := t.TempDir(), filepath.Join(t.TempDir(), "image.tar")
			where := filepath.Join(state, "Dockerfile")
			must(t, os.WriteFile(where, []byte(file), 0o644))
			c := exec.CommandContext(t.Context(), buildah, "--root", state+"/root", "--runroot", state+"/run", "--storage-driver=vfs", "bud", "--isolation=chroot", "--layers=false", "--build-arg=V=a", "-f", where, "-t", "oci-archive:"+archive+":theirs:v1", dir)
			if out, err := c.CombinedOutput(); err != nil {
				t.Skipf("buildah does not build here: %v\n%s", err, out)
			}
			in, err := os.Open(archive)
			must(t, err)
			defer in.Close()
			_, err = store.Load(t.Context(), in, "theirs:v1")
			must(t, err)
			want, err := store.Find("theirs:v1")
			must(t, err)
			if diff := cmp.Diff(tree(t, store, want), tree(t, store, got)); diff != "" {
				t.Errorf("files (-buildah +weir)\n%s", diff)
			}
			if diff := cmp.Diff(settings(want), settings(got)); diff != "" {
				t.Errorf("settings (-buildah +weir)\n%s", diff)
			}
		})
	}
}

// Of what is copied some stays out, and some keeps the folders that it is in. (buildah
// does otherwise or not at all.)
func TestCopyOfSome(t *testing.T) {
	cases := map[string]struct {
		text string
		want []string
	}{
		"Exclude":       {"COPY --exclude=*.py --exclude=conf --exclude=**/?.py . /", []string{"in.tar.gz", "read me.txt"}},
		"ExcludeDeep":   {"COPY --exclude=deep/*.py src /", []string{"x.py"}},
		"ExcludeFile":   {"COPY --exclude=b.* *.py /", []string{"a.py"}},
		"Parents":       {"COPY --parents src/deep a.py /p/", []string{"p/a.py", "p/src/deep/y.py"}},
		"ParentsPivot":  {"COPY --parents ./src/./deep/*.py /p", []string{"p/deep/y.py"}},
		"ParentsSingle": {"COPY --parents src/x.py /p", []string{"p/src/x.py"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, files := contextOf(t, program())
			store, err := oci.Open(t.TempDir())
			must(t, err)
			image, err := build(t, store, "FROM scratch\n"+c.text+"\n", files, Options{})
			must(t, err)
			var there []string
			for name, what := range tree(t, store, image) {
				if !strings.HasPrefix(what, "d") {
					there = append(there, name)
				}
			}
			slices.Sort(there)
			if diff := cmp.Diff(c.want, there); diff != "" {
				t.Errorf("files (-want +got)\n%s", diff)
			}
		})
	}
}

// A shell that was named runs commands that are not lists of words. (buildah's images
// of OCI do without.)
func TestShell(t *testing.T) {
	store, err := oci.Open(t.TempDir())
	must(t, err)
	image, err := build(t, store, "FROM scratch\nCMD old\nSHELL [\"/bin/bash\", \"-ec\"]\nENTRYPOINT run $HOME\n", nil, Options{})
	must(t, err)
	want := [][]string{{"/bin/bash", "-ec", "run $HOME"}, {"/bin/sh", "-c", "old"}}
	if diff := cmp.Diff(want, [][]string{image.Config.Config.Entrypoint, image.Config.Config.Cmd}); diff != "" {
		t.Errorf("entry point and command (-want +got)\n%s", diff)
	}
}

// A stage and the values of ARGs are named; what nobody knows is an error.
func TestTargetAndArgs(t *testing.T) {
	store, err := oci.Open(t.TempDir())
	must(t, err)
	_, files := contextOf(t, program())
	text := "FROM scratch AS one\nARG V=1\nENV X=$V\nFROM gone:v1 AS two\nCOPY a.py /\n"
	image, err := build(t, store, text, files, Options{Target: "one", Args: map[string]string{"V": "2"}})
	must(t, err)
	if got := image.Config.Config.Env; len(got) != 1 || got[0] != "X=2" {
		t.Errorf("variables %v", got)
	}
	for want, o := range map[string]Options{"no stage is called three": {Target: "three"}, "no ARG is called W": {Args: map[string]string{"W": ""}}} {
		if _, err := build(t, store, text, files, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// settings are what an image says of its containers, but for what builders say of
// themselves.
func settings(i *oci.Image) ocispec.ImageConfig {
	c := i.Config.Config
	c.Env = slices.DeleteFunc(slices.Clone(c.Env), func(v string) bool { return strings.HasPrefix(v, "PATH=/usr/local") })
	slices.Sort(c.Env)
	delete(c.Labels, "io.buildah.version")
	if len(c.Labels) == 0 {
		c.Labels = nil
	}
	if len(c.Env) == 0 {
		c.Env = nil
	}
	return c
}

// tree is all that an image has.
func tree(t *testing.T, store *oci.Store, i *oci.Image) map[string]string {
	t.Helper()
	u, err := store.Unpack(t.Context(), i, func(string) {})
	must(t, err)
	all := map[string]string{}
	for _, dir := range slices.Backward(u.Folders) {
		must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			name, err := filepath.Rel(dir, p)
			must(t, err)
			owner := info.Sys().(*syscall.Stat_t)
			said := fmt.Sprintf("%s %d:%d", info.Mode(), owner.Uid, owner.Gid)
			if info.Mode().IsRegular() {
				data, err := os.ReadFile(p)
				must(t, err)
				said += " " + string(data)
			}
			all[name] = said
			return nil
		}))
	}
	for _, name := range []string{".", "data", "more", "app", "app/sub"} { // which runtimes make where they are missing
		delete(all, name)
	}
	return all
}

// A file that is copied to where the base has a folder goes into it.
func TestIntoFolderOfTheBase(t *testing.T) {
	store, err := oci.Open(t.TempDir())
	must(t, err)
	var config ocispec.Image
	config.OS, config.Architecture = "linux", runtime.GOARCH
	layer := func(headers ...tar.Header) oci.Layer {
		return func(w io.Writer) error {
			out := tar.NewWriter(w)
			for _, h := range headers {
				if err := out.WriteHeader(&h); err != nil {
					return err
				}
			}
			return out.Close()
		}
	}
	_, err = store.Make("base", config,
		layer(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin"}, tar.Header{Typeflag: tar.TypeReg, Name: "usr/bin/sh"}, tar.Header{Typeflag: tar.TypeDir, Name: "gone/"}),
		layer(tar.Header{Typeflag: tar.TypeReg, Name: ".wh.gone"}, tar.Header{Typeflag: tar.TypeReg, Name: "file"}))
	must(t, err)
	_, files := contextOf(t, program())
	image, err := build(t, store, "FROM base\nCOPY a.py /bin\nCOPY a.py /usr\nCOPY a.py /gone\nCOPY a.py /file\n", files, Options{})
	must(t, err)
	folders, err := store.Folders(image)
	must(t, err)
	for name, want := range map[string]bool{"usr": true, "bin": true, "usr/bin": true, "gone": false, "file": false, "usr/a.py": false} {
		if folders[name] != want {
			t.Errorf("%s is a folder: %v, want %v", name, folders[name], want)
		}
	}
	if len(image.Layers) != 6 {
		t.Errorf("%d layers", len(image.Layers))
	}
}
