package packaging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Options say which files of a folder belong to a program.
type Options struct {
	// Secrets are files that are taken although they look like secrets, as
	// patterns of an ignore file.
	Secrets []string
	// Image says that the files are for an image: .dockerignore counts, too.
	Image bool
	// Dockerfile says that they are for one: .dockerignore counts alone, as docker
	// has it, and only what looks like a secret is left out besides. Folders are there
	// too.
	Dockerfile bool
}

// A Folder is the part of a folder that belongs to a program.
type Folder struct {
	Dir     string
	Files   []File   // in the order of their names
	Secrets []Secret // left out
}

// A File is a file, or a link within its folder.
type File struct {
	Name string // with slashes, below the folder
	Size int64
	Mode fs.FileMode // its permissions, and whether it is a link or a folder
	Link string      // where a link leads
}

// Size is that of all files together.
func (f *Folder) Size() int64 {
	var size int64
	for _, file := range f.Files {
		size += file.Size
	}
	return size
}

// A Part is a file or folder and how much it holds.
type Part struct {
	Name string
	Size int64
}

// Largest are the files and folders at the top that hold most, the largest first.
func (f *Folder) Largest(n int) []Part {
	sizes := map[string]int64{}
	for _, file := range f.Files {
		first, _, below := strings.Cut(file.Name, "/")
		if below {
			first += "/"
		}
		sizes[first] += file.Size
	}
	var parts []Part
	for name, size := range sizes {
		parts = append(parts, Part{name, size})
	}
	slices.SortFunc(parts, func(a, b Part) int { return int(b.Size - a.Size) })
	return parts[:min(n, len(parts))]
}

// notOurs are folders that no program is made of, wherever they are.
func notOurs(name string) bool {
	return slices.Contains([]string{
		".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", "node_modules", ".DS_Store",
	}, name)
}

// Read finds the files of the program in dir: all but what .gitignore and
// .weirignore leave out, environments and caches of Python, and secrets.
func Read(dir string, o Options) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	if home, err := os.UserHomeDir(); dir == "/" || err == nil && dir == home {
		return nil, fmt.Errorf("read folder %s: that is more than a program: go to the program's own folder", dir)
	}
	f := &Folder{Dir: dir}
	r := reader{folder: f, dockerfile: o.Dockerfile, allowed: patterns("", strings.Join(o.Secrets, "\n"))}
	if o.Image || o.Dockerfile {
		if r.forImage, err = dockerPatterns(dir); err != nil {
			return nil, fmt.Errorf("read folder %s: %w", dir, err)
		}
	}
	if err := r.read("", nil); err != nil {
		return nil, fmt.Errorf("read folder %s: %w", dir, err)
	}
	slices.SortFunc(f.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return f, nil
}

type reader struct {
	folder     *Folder
	dockerfile bool
	forImage   []pattern // of .dockerignore
	allowed    []pattern
}

// read reads a folder below, to which the patterns of those above apply.
func (r *reader) read(below string, above []pattern) error {
	entries, err := os.ReadDir(filepath.Join(r.folder.Dir, below))
	if err != nil {
		return err
	}
	all := slices.Clip(above)
	names := ignoreFiles()
	if r.dockerfile {
		names = nil
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(r.folder.Dir, below, name))
		if err == nil {
			all = append(all, patterns(below, string(text))...)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, e := range entries {
		name := path.Join(below, e.Name())
		if !r.dockerfile && notOurs(e.Name()) || ignored(all, name, e.IsDir()) {
			continue
		}
		if ignored(r.forImage, name, e.IsDir()) && (!e.IsDir() || !anyNegated(r.forImage)) {
			continue
		}
		if !e.IsDir() {
			if err := r.add(name, e); err != nil {
				return err
			}
			continue
		}
		if _, err := os.Stat(filepath.Join(r.folder.Dir, name, "pyvenv.cfg")); err == nil && !r.dockerfile {
			continue // an environment of Python
		}
		if r.dockerfile && !ignored(r.forImage, name, true) {
			r.folder.Files = append(r.folder.Files, File{Name: name, Mode: fs.ModeDir | 0o755})
		}
		if err := r.read(name, all); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) add(name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	file := File{Name: name, Size: info.Size(), Mode: info.Mode() & (fs.ModeSymlink | 0o111)}
	at := filepath.Join(r.folder.Dir, name)
	switch info.Mode().Type() {
	case 0:
	case fs.ModeSymlink:
		if file.Link, err = os.Readlink(at); err != nil {
			return err
		}
		file.Size = 0
		if target := path.Join(path.Dir(name), filepath.ToSlash(file.Link)); filepath.IsAbs(file.Link) || target == ".." || strings.HasPrefix(target, "../") {
			return fmt.Errorf("%s is a link to %s, which is not in the folder: copy it, or name it in .weirignore", name, file.Link)
		}
	default:
		return nil // A socket or a pipe is no part of a program.
	}
	why, err := secretIn(at, file)
	if err != nil {
		return err
	}
	if why != "" && !ignored(r.allowed, name, false) {
		r.folder.Secrets = append(r.folder.Secrets, Secret{name, why})
		return nil
	}
	r.folder.Files = append(r.folder.Files, file)
	return nil
}
