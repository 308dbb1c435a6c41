package environment

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A File is a file, a folder or a link that an environment needs on another machine.
type File struct {
	Name   string      // where it is seen, from the root, without a slash in front
	Mode   fs.FileMode // its permissions, and whether it is a folder or a link
	Link   string      // where a link leads
	Source string      // the file of this machine that has what a file holds
	Head   []byte      // what a file begins with, in place of what the source does
	Size   int64
}

// Portable are the files that an environment of Python needs where there is nothing
// else: parts that seldom change together, the lowest first. They are this machine's
// libraries with a shell and few commands, the interpreter, and the packages. All of
// them are called by the time 0, which compiled files are told.
func (e *Environment) Portable() ([][]File, error) {
	python, err := e.python()
	if err != nil {
		return nil, err
	}
	system, interpreter, packages := parcel{}, parcel{}, parcel{}
	for _, f := range e.Folders {
		if f.Target == "/" || strings.HasPrefix(e.Path[0]+"/", f.Target+"/") && f.Target != python.base {
			if err := packages.tree(f.Source, f.Target, nil); err != nil {
				return nil, err
			}
		}
	}
	if err := interpreter.python(python, len(packages) == 0); err != nil {
		return nil, err
	}
	if err := system.libraries(packages, interpreter); err != nil {
		return nil, err
	}
	var all [][]File
	for _, p := range []parcel{system, interpreter, packages} {
		if len(p) > 0 {
			all = append(all, slices.SortedFunc(maps.Values(p), func(a, b File) int { return strings.Compare(a.Name, b.Name) }))
		}
	}
	return all, nil
}

// A basePython is the interpreter that environments are made of.
type basePython struct {
	program string // without links
	base    string // the folder that all of it lies in
	library string // its standard library
}

// python finds the interpreter of an environment.
func (e *Environment) python() (basePython, error) {
	for _, f := range e.Folders {
		if len(e.Path) == 0 {
			break
		}
		rest, ok := strings.CutPrefix(e.Path[0]+"/", strings.TrimSuffix(f.Target, "/")+"/")
		if !ok {
			continue
		}
		program, err := filepath.EvalSymlinks(filepath.Join(f.Source, rest, "python3"))
		if err != nil {
			continue
		}
		p := basePython{program: program, base: filepath.Dir(filepath.Dir(program))}
		p.library = filepath.Join(p.base, "lib", filepath.Base(program))
		if _, err := os.Stat(filepath.Join(p.library, "os.py")); err != nil {
			return p, fmt.Errorf("%s has no standard library at %s: build the environment with another Python", program, p.library)
		}
		return p, nil
	}
	return basePython{}, errors.New("it has no Python of its own, but means programs of this machine, which no image takes along")
}

// A parcel is files by their names.
type parcel map[string]File

// needless are parts of a standard library that programs do without.
func needless(name string) bool {
	return slices.Contains([]string{"site-packages", "dist-packages", "test", "idlelib", "turtledemo", "ensurepip", "lib2to3"}, name) || strings.HasPrefix(name, "config-")
}

// python adds an interpreter, with the packages that are installed into it or without.
func (p parcel) python(python basePython, packages bool) error {
	if err := p.take(python.program); err != nil {
		return err
	}
	libraries, err := filepath.Glob(filepath.Join(python.base, "lib", "libpython*.so*"))
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if err := p.take(l); err != nil {
			return err
		}
	}
	return p.tree(python.library, python.library, func(name string) bool {
		return needless(name) && (!packages || !strings.HasSuffix(name, "-packages"))
	})
}

// tree adds what is in a folder, but for entries at its top.
func (p parcel) tree(source, target string, without func(name string) bool) error {
	return filepath.WalkDir(source, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, at)
		if err != nil {
			return err
		}
		if without != nil && without(below) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return p.add(path.Join(target, below), at, info)
	})
}

// add adds one file of this machine.
func (p parcel) add(name, source string, info fs.FileInfo) error {
	name = strings.TrimPrefix(path.Clean(name), "/")
	f := File{Name: name, Mode: info.Mode() & (fs.ModeDir | fs.ModeSymlink | fs.ModePerm)}
	var err error
	switch info.Mode().Type() {
	case 0:
		f.Source, f.Size = source, info.Size()
		f.Mode = f.Mode&0o111 | 0o644
		if strings.HasSuffix(name, ".pyc") {
			f.Head, err = timeless(source)
		}
	case fs.ModeSymlink:
		f.Link, err = os.Readlink(source)
	case fs.ModeDir:
		f.Mode = fs.ModeDir | 0o755
	default:
		return nil
	}
	if name != "" {
		p[name] = f
	}
	return err
}

// timeless is what a compiled file begins with when its source is from the time 0.
func timeless(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 12)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, nil // It is no compiled file.
	}
	if binary.LittleEndian.Uint32(head[4:]) == 0 { // else it goes by what the source holds
		clear(head[8:])
	}
	return head, nil
}

// take adds a file of this machine where it lies, with the links on the way.
func (p parcel) take(file string) error {
	at := "/"
	rest := strings.Split(strings.TrimPrefix(path.Clean(file), "/"), "/")
	for hops := 0; len(rest) > 0; {
		at = path.Join(at, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if err := p.add(at, at, info); err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		if hops++; hops > 40 {
			return fmt.Errorf("%s: too many links", file)
		}
		to := p[strings.TrimPrefix(at, "/")].Link
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(at), to)
		}
		rest = append(strings.Split(strings.TrimPrefix(path.Clean(to), "/"), "/"), rest...)
		at = "/"
	}
	return nil
}

// commands are those that scripts of packages are written with, and commands of
// Dockerfiles.
func commands() []string {
	return []string{
		"sh", "basename", "bash", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dirname", "env", "expr", "find", "grep", "groupadd", "gzip", "head", "hostname", "id", "install", "ln", "ls",
		"mkdir", "mktemp", "mv", "nproc", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "sha256sum", "sleep", "sort", "stat", "tail", "tar", "tee", "timeout", "touch", "tr", "uname", "useradd", "wc", "whoami", "xargs",
	}
}

// loadedByName are libraries that the C library looks for while a program runs, and
// those that all wheels may count on.
func loadedByName() []string {
	return []string{
		"libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2",
		"libdl.so.2", "libm.so.6", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libutil.so.1",
	}
}

// libraries adds what programs and libraries of others need of this machine, and a
// shell. What is not on this machine did not load here either.
func (p parcel) libraries(others ...parcel) error {
	own := map[string]bool{}
	var queue []string
	for _, o := range others {
		for name, f := range o {
			own[path.Base(name)] = true
			if f.Source != "" && (strings.Contains(path.Base(name), ".so") || f.Mode&0o111 != 0) {
				queue = append(queue, f.Source)
			}
		}
	}
	for _, name := range commands() {
		for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
			file := path.Join(dir, name)
			if _, err := os.Stat(file); err == nil {
				if err := p.take("/bin/" + name); err != nil && p.take(file) != nil {
					return err
				}
				queue = append(queue, file)
				break
			}
		}
	}
	wanted := loadedByName()
	for seen := map[string]bool{}; len(queue)+len(wanted) > 0; {
		for _, file := range queue {
			wanted = append(wanted, needs(file)...)
		}
		queue = nil
		for _, name := range wanted {
			if seen[name] || own[path.Base(name)] {
				continue
			}
			seen[name] = true
			if file := libraryAt(name); file != "" {
				if err := p.take(file); err != nil {
					return err
				}
				queue = append(queue, file)
			}
		}
		wanted = nil
	}
	return p.settings()
}

// needs are the libraries, and the path of the loader, that a program or a library
// names.
func needs(file string) []string {
	f, err := elf.Open(file)
	if err != nil {
		return nil // It is something else, as a script.
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		names = nil
	}
	for _, s := range f.Progs {
		if s.Type == elf.PT_INTERP {
			if loader, err := io.ReadAll(s.Open()); err == nil {
				names = append(names, strings.TrimRight(string(loader), "\x00"))
			}
		}
	}
	return names
}

// libraryAt finds a library where the loader looks without being told.
func libraryAt(name string) string {
	dirs := []string{""}
	if !path.IsAbs(name) {
		triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
		dirs = []string{"/lib/" + triplet, "/usr/lib/" + triplet, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
	}
	for _, dir := range dirs {
		file := path.Join(dir, name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// settings adds what programs look for in /etc and elsewhere.
func (p parcel) settings() error {
	for _, file := range []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem"} {
		if _, err := os.Stat(file); err == nil {
			if err := p.take(file); err != nil {
				return err
			}
		}
	}
	if locale := "/usr/lib/locale/C.utf8"; isFolder(locale) {
		if err := p.tree(locale, locale, nil); err != nil {
			return err
		}
	}
	for name, content := range map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
		"etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		p[name] = File{Name: name, Mode: 0o644, Head: []byte(content), Size: int64(len(content))}
	}
	p["tmp"] = File{Name: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777}
	p["root"] = File{Name: "root", Mode: fs.ModeDir | 0o755}
	return nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
