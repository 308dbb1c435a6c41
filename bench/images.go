package main

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
)

const (
	imageRounds  = 5
	imageLayers  = 4
	layerSize    = 256 << 20
	packages     = 100
	moduleCount  = 20 // of a package
	treeRounds   = 3
	treeFiles    = 10000
	treeFileSize = 24 << 10
)

// ofImages measures what is done with images: push, pull, unpack, start, and the
// environments that are in their place.
func (b *bench) ofImages(ctx context.Context) error {
	for _, part := range []func(context.Context) error{b.ofTransfer, b.ofUnpacking, b.ofStartingImages, b.ofEnvironments} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ofTransfer pushes an image of 1 GB that cannot be packed to a weir on this machine,
// and pulls it, beside cp of the same bytes.
func (b *bench) ofTransfer(ctx context.Context) (err error) {
	w, err := b.fresh(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	front, err := w.front(ctx)
	if err != nil {
		return err
	}
	token, err := exec.CommandContext(ctx, w.binary, "--dir", w.dir, "token", "create", "bench", "--scope", "images").Output()
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	secret := filepath.Join(b.scratch, "token")
	if err := os.WriteFile(secret, token, 0o600); err != nil {
		return err
	}
	from := filepath.Join(b.scratch, "from")
	store, err := oci.Open(filepath.Join(from, "images"))
	if err != nil {
		return err
	}
	var layers []oci.Layer
	for n := range imageLayers {
		layers = append(layers, func(w io.Writer) error {
			return writeTar(w, []tarFile{{fmt.Sprintf("data%d", n), layerSize}}, rand.NewChaCha8([32]byte{byte(n + 1)}))
		})
	}
	if _, err := store.Make("bench/large:v1", emptyConfig(), layers...); err != nil {
		return err
	}
	image := front + "/default/large:v1"
	remote := "--username any --password-stdin < " + secret
	steps := map[string]string{
		"copy": fmt.Sprintf("cp -r %[1]s/images/blobs %[2]s/copy && sync -f %[2]s/copy", from, b.scratch),
		"push": fmt.Sprintf("%s --dir %s image push bench/large:v1 %s %s", b.binary, from, image, remote),
		"pull": fmt.Sprintf("%s --dir %s/to image pull %s %s", b.binary, b.scratch, image, remote),
	}
	took := map[string]samples{}
	for range imageRounds {
		for _, step := range []string{"copy", "push", "pull"} {
			one, err := b.times(ctx, 1, "sh", "-c", steps[step])
			if err != nil {
				return err
			}
			took[step] = append(took[step], one...)
		}
		clean := fmt.Sprintf("rm -rf %[1]s/copy %[1]s/to && %[2]s --dir %[3]s image remove %[4]s && sync -f %[1]s", b.scratch, b.binary, w.dir, image)
		if _, err := b.times(ctx, 1, "sh", "-c", clean); err != nil {
			return err
		}
	}
	size := float64(imageLayers*layerSize) / 1e6
	copied := took["copy"].median()
	for _, step := range []string{"push", "pull"} {
		median := took[step].median()
		b.report.row("`weir image "+step+"` of 1 GB, through the front door of a weir on this machine", "%s, at best %s (median of %d), %.0f MB/s; `cp` of the same bytes %s: %.2f of its speed",
			short(median), short(took[step].quantile(0)), imageRounds, size/median.Seconds(), short(copied), copied.Seconds()/median.Seconds())
	}
	return os.RemoveAll(from)
}

// front is the front door, as images are called there.
func (w *weir) front(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, w.binary, "--dir", w.dir, "link").Output()
	if err != nil {
		return "", fmt.Errorf("weir link: %w", err)
	}
	link, err := url.Parse(strings.TrimSpace(string(out)))
	if err != nil {
		return "", err
	}
	return strings.Replace(link.Host, "127.0.0.1", "localhost", 1), nil
}

func emptyConfig() ocispec.Image {
	var c ocispec.Image
	c.OS, c.Architecture = "linux", runtime.GOARCH
	return c
}

// A tarFile is a file with content of a size.
type tarFile struct {
	name string
	size int64
}

func writeTar(w io.Writer, files []tarFile, content io.Reader) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: f.size, Mode: 0o644, Uid: os.Getuid(), Gid: os.Getgid()}); err != nil {
			return err
		}
		if _, err := io.CopyN(out, content, f.size); err != nil {
			return err
		}
	}
	return out.Close()
}

// A wordy reader is text that packs threefold, as programs do.
type wordy struct{ random *rand.Rand }

func (r wordy) Read(p []byte) (int, error) {
	const letters = "etaoin shrdlu\n(=)_.0"
	for n := range p {
		p[n] = letters[r.random.IntN(len(letters))&r.random.IntN(32)%len(letters)]
	}
	return len(p), nil
}

// ofUnpacking unpacks a layer of many files, beside tar.
func (b *bench) ofUnpacking(ctx context.Context) error {
	dir := filepath.Join(b.scratch, "unpacking")
	store, err := oci.Open(dir)
	if err != nil {
		return err
	}
	var files []tarFile
	for n := range treeFiles {
		files = append(files, tarFile{fmt.Sprintf("usr/lib/part%d/file%d", n/100, n), int64(n%100) * treeFileSize / 50})
	}
	i, err := store.Make("bench/tree:v1", emptyConfig(), func(w io.Writer) error { return writeTar(w, files, wordy{rand.New(rand.NewPCG(1, 2))}) })
	if err != nil {
		return err
	}
	blob := filepath.Join(dir, "blobs", "sha256", i.Layers[0].Digest.Encoded())
	peer := filepath.Join(b.scratch, "tar")
	var unpacked, untarred samples
	for range treeRounds {
		one, err := b.times(ctx, 1, "sh", "-c", fmt.Sprintf("mkdir %[1]s && tar -xzf %[2]s -C %[1]s && sync -f %[1]s", peer, blob))
		if err != nil {
			return err
		}
		untarred = append(untarred, one...)
		began := time.Now()
		if _, err := store.Unpack(ctx, i, func(string) {}); err != nil {
			return err
		}
		unpacked = append(unpacked, time.Since(began))
		if err := errors.Join(store.RemoveUnpacked(ctx, i, func() []*oci.Image { return nil }), os.RemoveAll(peer)); err != nil {
			return err
		}
		if _, err := b.times(ctx, 1, "sync", "-f", b.scratch); err != nil {
			return err
		}
	}
	b.report.row("an image's layer of 10,000 files and 240 MB, unpacked", "%s, at best %s (median of %d); `tar -xz` of the same %s: %.2f of its speed",
		short(unpacked.median()), short(unpacked.quantile(0)), treeRounds, short(untarred.median()), untarred.median().Seconds()/unpacked.median().Seconds())
	return os.RemoveAll(dir)
}

// ofStartingImages runs true in pods of an unpacked image, and in pods of an
// environment, by turns.
func (b *bench) ofStartingImages(ctx context.Context) (err error) {
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		b.report.row("a pod of an image", "not measured: there is no busybox (Debian's busybox-static)")
		return nil
	}
	w, err := b.withImage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	store, err := oci.Open(filepath.Join(w.dir, "images"))
	if err != nil {
		return err
	}
	_, err = store.Make("bench/true:v1", emptyConfig(), func(w io.Writer) error {
		return writeProgram(w, "bin/true", box)
	})
	if err != nil {
		return err
	}
	core, _, err := w.clients()
	if err != nil {
		return err
	}
	if err := withServiceAccount(ctx, core); err != nil {
		return err
	}
	var ofImage, ofEnvironment samples
	for n := range 2 * (singlePods + 1) {
		p := pod(fmt.Sprintf("turn-%d", n), false)
		all := &ofEnvironment
		if n%2 == 1 {
			all, p.Spec.Containers[0].Image, p.Spec.Containers[0].Command = &ofImage, "bench/true:v1", []string{"/bin/true"}
		}
		took, _, err := onePod(ctx, core, p)
		if err != nil {
			return err
		}
		if n > 1 { // The first finds the image, and unpacks it.
			*all = append(*all, took)
		}
	}
	b.report.row("a pod of `true` from an unpacked image, from create until Succeeded is seen", "%s, at best %s (median of %d); from an environment %s: %.2f times that",
		short(ofImage.median()), short(ofImage.quantile(0)), singlePods, short(ofEnvironment.median()), ofImage.median().Seconds()/ofEnvironment.median().Seconds())
	return nil
}

func writeProgram(w io.Writer, name string, content []byte) error {
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o755, Uid: os.Getuid(), Gid: os.Getgid()}); err != nil {
		return err
	}
	if _, err := out.Write(content); err != nil {
		return err
	}
	return out.Close()
}

// ofEnvironments builds environments of many packages that uv has in its cache.
func (b *bench) ofEnvironments(ctx context.Context) error {
	store, err := environment.Open(filepath.Join(b.scratch, "environments"), environment.Options{})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(3, 4))
	recipe := environment.Recipe{Image: "bench:v1"}
	for n := range packages {
		wheel, err := writeWheel(b.scratch, fmt.Sprintf("weirbench%d", n), random)
		if err != nil {
			return err
		}
		recipe.Requirements = append(recipe.Requirements, fmt.Sprintf("weirbench%d @ file://%s", n, wheel))
	}
	var took samples
	for n := range imageRounds + 1 {
		began := time.Now()
		e, err := store.Build(ctx, recipe, func(string) {})
		if err != nil {
			return err
		}
		if n > 0 { // The first fills the cache.
			took = append(took, time.Since(began))
		}
		if err := store.Remove(e.ID); err != nil {
			return err
		}
	}
	b.report.row("an environment of 100 packages of 20 modules each, with a warm cache", "%s, at best %s (median of %d)", short(took.median()), short(took.quantile(0)), imageRounds)
	return nil
}

// writeWheel writes a package of Python, and returns its file.
func writeWheel(dir, name string, random *rand.Rand) (string, error) {
	file := filepath.Join(dir, name+"-1.0-py3-none-any.whl")
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	out := zip.NewWriter(f)
	var record strings.Builder
	add := func(path, content string) {
		w, failed := out.Create(path)
		if failed == nil {
			_, failed = io.WriteString(w, content)
		}
		err = errors.Join(err, failed)
		fmt.Fprintf(&record, "%s,,\n", path)
	}
	for n := range moduleCount {
		var code strings.Builder
		for f := range 40 {
			fmt.Fprintf(&code, "def f%d(a, b=%d):\n    if a > b:\n        return [x * %d for x in range(a)]\n    return {'a': a, 'b': b}\n\n", f, random.IntN(1000), random.IntN(1000))
		}
		add(fmt.Sprintf("%s/m%d.py", name, n), code.String())
	}
	add(name+"/__init__.py", "")
	info := name + "-1.0.dist-info/"
	add(info+"METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: 1.0\n")
	add(info+"WHEEL", "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
	add(info+"RECORD", record.String()+info+"RECORD,,\n")
	return file, errors.Join(err, out.Close())
}
