// Package environment turns names of images into Python environments of this
// machine: built once by uv, and found again by what they are made of.
//
//	image name ──Find──▶ Recipe ──Build──▶ DIR/<id>/files ──▶ Environment
//	            catalogue        uv, the index                what a container sees
//
// A recipe may also name an interpreter, or a folder of programs, that is used
// as it lies.
package environment

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Target is where a container sees the environment that was built for it.
const Target = "/opt/environment"

// A Recipe is a line of the catalogue: images, and what stands for them.
type Recipe struct {
	// Image is a pattern over image references, in which * stands for any text:
	// "tensorflow/tensorflow:*". One without a tag means every tag. Neither the
	// reference nor the pattern needs the docker.io/ or library/ in front.
	Image string `json:"image"`

	// From is an image that the packages are laid over: its root, its Python, its
	// packages and what it runs. It may be an environment.
	From string `json:"from,omitempty"`

	// Requirements are packages as pip knows them: "keras", "numpy<2".
	Requirements []string `json:"packages,omitempty"`

	// Python is the version wanted ("3.12"), or the path of an interpreter or
	// environment. A path without requirements is used as it is.
	Python string `json:"python,omitempty"`

	// Folder is a folder of programs. Its bin and itself come first on the PATH;
	// it is read-only, and no Python is involved.
	Folder string `json:"folder,omitempty"`

	// Files is a folder whose files are laid over the root, as an image's own
	// would be. It goes with Folder, or alone.
	Files string `json:"files,omitempty"`

	// Machine is for images that are no more than a shell and its programs: they
	// mean those of this machine. No Python is involved.
	Machine bool `json:"machine,omitempty"`

	// Programs is for images that are one of the store's own programs, which the
	// entrypoint names.
	Programs bool `json:"-"`

	Entrypoint []string          `json:"entrypoint,omitempty"`
	Command    []string          `json:"command,omitempty"`
	Variables  map[string]string `json:"variables,omitempty"`
	WorkingDir string            `json:"workingDir,omitempty"`
	User       string            `json:"user,omitempty"`

	// Otherwise is what to build when no such version exists for the Python
	// here. The recipes that are built in use it.
	Otherwise *Recipe `json:"-"`
}

// An Environment is what a recipe came to on this machine.
type Environment struct {
	ID        string            // "sha256:…" of what it was made of
	Folders   []Folder          // what a container must see besides the system's folders
	Path      []string          // put first on PATH, as seen in the container
	Variables map[string]string // set unless the pod sets them

	Entrypoint, Command []string
	WorkingDir, User    string

	Size int64 // in bytes, 0 for what was there before weir
}

// A Folder of the machine that a container sees at Target: its own to write in,
// or read-only.
type Folder struct {
	Source, Target string
	CopyOnWrite    bool
}

// Options are how a Store works.
type Options struct {
	Recipes []Recipe // looked at before those that are built in

	// Newer is asked, one caller at a time, before an image is looked for. It
	// yields the recipes that take the place of Recipes, and whether they have
	// changed since. It may be nil.
	Newer func() (recipes []Recipe, changed bool)

	// Programs is a folder whose files are laid over the root where an image is
	// one of its programs, and where there is an MPI: it has the ssh and the sshd
	// that an MPI calls, which work without settings. Empty is none.
	Programs string

	// Environ is the environment of uv and pip, with its settings of indexes,
	// certificates and proxies; os.Environ() when nil.
	Environ []string
}

// A Store keeps environments in a folder. Several processes may use one folder.
type Store struct {
	dir      string
	environ  []string
	programs string
	newer    func() ([]Recipe, bool)

	mu      sync.Mutex
	recipes []Recipe
	probed  map[string]interpreter // interpreters used as they are, by the path in the recipe
}

// Open opens the store in dir, makes the folder if needed, and removes what
// builds that were interrupted left there.
func Open(dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open environments: %w", err)
	}
	s := &Store{dir: dir, environ: o.Environ, programs: o.Programs, newer: o.Newer, recipes: slices.Clone(o.Recipes), probed: map[string]interpreter{}}
	if s.environ == nil {
		s.environ = os.Environ()
	}
	for _, d := range []string{s.path("building"), s.path("locks"), s.path("instead")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open environments: %w", err)
		}
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("open environments: %w", err)
	}
	return s, nil
}

// Find returns the recipe for an image, and whether there is one.
func (s *Store) Find(image string) (Recipe, bool) {
	for _, r := range s.own() {
		if matches(r.Image, image) {
			return r, true
		}
	}
	if r, ok := s.kept(image); ok {
		return r, true
	}
	return builtIn(image)
}

// own are the recipes that are not built in.
func (s *Store) own() []Recipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newer != nil {
		if recipes, changed := s.newer(); changed {
			s.recipes = recipes
		}
	}
	return s.recipes
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// sweep removes the folders of builds that nobody is at work on.
func (s *Store) sweep() error {
	left, err := os.ReadDir(s.path("building"))
	if err != nil {
		return err
	}
	for _, d := range left {
		l, err := tryLock(s.path("locks", d.Name()))
		if err != nil {
			return err
		}
		if l == nil {
			continue // another process builds it
		}
		err = os.RemoveAll(s.path("building", d.Name()))
		l.Close()
		if err != nil {
			return fmt.Errorf("remove interrupted build: %w", err)
		}
	}
	return nil
}
