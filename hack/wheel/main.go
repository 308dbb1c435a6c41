// Command wheel writes a wheel of the client for Python that also carries the
// program: who has only Python gets both by pip install of one file.
//
//	go run ./hack/wheel -binary bin/weir -source python/weir -out dist
package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

func main() {
	binary := flag.String("binary", "bin/weir", "the program")
	source := flag.String("source", "python/weir", "folder of the client, with its pyproject.toml")
	out := flag.String("out", "dist", "folder for the wheel")
	flag.Parse()
	file, err := write(*binary, *source, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "wheel:", err)
		os.Exit(1)
	}
	fmt.Println(file)
}

// A project is what pyproject.toml says that a wheel says too.
type project struct {
	Name, Version, Description, License string
	RequiresPython                      string `toml:"requires-python"`
	Dependencies, Classifiers           []string
}

func (p project) fileName() string { return strings.ReplaceAll(p.Name, "-", "_") + "-" + p.Version }

func write(binary, source, out string) (string, error) {
	var read struct{ Project project }
	if _, err := toml.DecodeFile(filepath.Join(source, "pyproject.toml"), &read); err != nil {
		return "", fmt.Errorf("read project: %w", err)
	}
	p := read.Project
	tags, err := platforms(binary)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	name := filepath.Join(out, p.fileName()+"-py3-none-"+strings.Join(tags, ".")+".whl")
	temp, err := os.CreateTemp(out, ".wheel-")
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name())
	if err := fill(temp, p, tags, binary, source); err != nil {
		return "", errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Chmod(0o644), temp.Close()); err != nil {
		return "", err
	}
	return name, os.Rename(temp.Name(), name)
}

// platforms are what pip calls the machines that a program runs on. One that is
// linked with a C library would ask for its version.
func platforms(binary string) ([]string, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return nil, fmt.Errorf("read program: %w; build it with: make build", err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		return nil, fmt.Errorf("%s is linked with %v: build it with CGO_ENABLED=0", binary, libraries)
	}
	machine := map[elf.Machine]string{elf.EM_X86_64: "x86_64", elf.EM_AARCH64: "aarch64"}[f.Machine]
	if machine == "" {
		return nil, fmt.Errorf("%s is for %s, which pip has no name for here", binary, f.Machine)
	}
	return []string{"manylinux_2_17_" + machine, "musllinux_1_1_" + machine}, nil
}

// A wheel is the archive, and the record of what is in it.
type wheel struct {
	archive *zip.Writer
	record  strings.Builder
}

func fill(out io.Writer, p project, tags []string, binary, source string) error {
	w := wheel{archive: zip.NewWriter(out)}
	root := filepath.Join(source, "src")
	var names []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if rel, err := filepath.Rel(root, file); err == nil && slices.Contains([]string{".py", ".json", ".typed"}, filepath.Ext(file)) {
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := w.file(name, filepath.Join(root, name), 0o644); err != nil {
			return err
		}
	}
	if err := w.file(p.fileName()+".data/scripts/weir", binary, 0o755); err != nil {
		return err
	}
	info := p.fileName() + ".dist-info"
	for _, f := range []struct{ name, text string }{{"METADATA", metadata(p)}, {"WHEEL", describe(tags)}} {
		if err := w.add(path.Join(info, f.name), strings.NewReader(f.text), 0o644); err != nil {
			return err
		}
	}
	list := path.Join(info, "RECORD")
	fmt.Fprintf(&w.record, "%s,,\n", list)
	if err := w.put(list, strings.NewReader(w.record.String()), 0o644); err != nil {
		return err
	}
	return w.archive.Close()
}

func (w *wheel) file(name, file string, mode fs.FileMode) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	return w.add(name, in, mode)
}

// add puts a file into the archive, and into the record.
func (w *wheel) add(name string, in io.Reader, mode fs.FileMode) error {
	sum, count := sha256.New(), &bytes.Buffer{}
	n, err := io.Copy(io.MultiWriter(sum, count), in)
	if err != nil {
		return err
	}
	fmt.Fprintf(&w.record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum.Sum(nil)), n)
	return w.put(name, count, mode)
}

func (w *wheel) put(name string, in io.Reader, mode fs.FileMode) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	entry, err := w.archive.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, in)
	return err
}

func metadata(p project) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Metadata-Version: 2.4\nName: %s\nVersion: %s\nSummary: %s\nLicense-Expression: %s\nRequires-Python: %s\n", p.Name, p.Version, p.Description, p.License, p.RequiresPython)
	for _, c := range p.Classifiers {
		fmt.Fprintf(&b, "Classifier: %s\n", c)
	}
	for _, d := range p.Dependencies {
		fmt.Fprintf(&b, "Requires-Dist: %s\n", d)
	}
	return b.String()
}

func describe(tags []string) string {
	var b strings.Builder
	b.WriteString("Wheel-Version: 1.0\nGenerator: weir\nRoot-Is-Purelib: false\n")
	for _, t := range tags {
		fmt.Fprintf(&b, "Tag: py3-none-%s\n", t)
	}
	return b.String()
}
