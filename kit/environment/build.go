package environment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Built returns the environment of a recipe if it is there already.
func (s *Store) Built(r Recipe) (*Environment, bool) {
	r, err := s.over(r)
	if err != nil {
		return nil, false
	}
	if r.asItLies() {
		e, err := s.found(context.Background(), r) //nolint:forbidigo // Looking something up takes no context; a Python is asked once, and remembered.
		return e, err == nil
	}
	key := keyOf(r)
	ids, err := s.ids()
	if err != nil {
		return nil, false
	}
	for _, id := range ids {
		if rec, err := s.read(id); err == nil && rec.Key == key && rec.Interpreter.there() {
			return s.environment(r, id, rec), true
		}
	}
	if r.Otherwise != nil {
		if _, err := os.Stat(s.path("instead", key)); err == nil {
			return s.Built(*r.Otherwise)
		}
	}
	return nil, false
}

// Build returns the environment of a recipe, and builds it if it is not there.
// One builder at a time works on an environment, in whatever process; others
// wait for it. Progress is told in phrases. The error is a *BuildError unless
// ctx ended or the store's own folder cannot be written.
func (s *Store) Build(ctx context.Context, r Recipe, progress func(string)) (*Environment, error) {
	if progress == nil {
		progress = func(string) {}
	}
	r, err := s.over(r)
	if err != nil {
		return nil, err
	}
	if r.asItLies() {
		return s.found(ctx, r)
	}
	if e, ok := s.Built(r); ok {
		return e, nil
	}
	e, err := s.build(ctx, r, progress)
	var be *BuildError
	if r.Otherwise == nil || !errors.As(err, &be) || !be.absent() {
		return e, err
	}
	progress(be.Said + ": taking " + describe(*r.Otherwise) + " instead")
	if e, err = s.Build(ctx, *r.Otherwise, progress); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.path("instead", keyOf(r)), []byte(be.Said+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("note that %s has no environment of its own: %w", r.Image, err)
	}
	return e, nil
}

// describe says what a recipe is about, in a few words.
func describe(r Recipe) string {
	python := "the Python that is here"
	if r.Python != "" {
		python = "Python " + r.Python
	}
	if len(r.Requirements) == 0 {
		return python
	}
	return r.Requirements[0] + " for " + python
}

func (s *Store) build(ctx context.Context, r Recipe, progress func(string)) (*Environment, error) {
	python, err := s.locate(ctx, r, progress)
	if err != nil {
		return nil, err
	}
	key := keyOf(r)
	id := idOf(key, python)
	l, err := lock(ctx, s.path("locks", id), func() { progress("waiting for another process that builds the same environment") })
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if rec, err := s.read(id); err == nil { // built while we waited
		return s.environment(r, id, rec), nil
	}

	dir := s.path("building", id)
	defer os.RemoveAll(dir)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	u, err := s.uv(ctx, r.Image, progress)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	u.held = l
	u.environ = append(u.environ, "TMPDIR="+dir) // what an interrupted uv leaves goes with the build
	rec := record{Key: key, Image: r.Image, Requires: r.Requirements, Interpreter: python}
	if rec.Packages, err = u.fill(ctx, r, python, dir, progress); err != nil {
		return nil, err
	}
	if err := s.compile(ctx, u, python, filepath.Join(dir, "files"), progress); err != nil {
		return nil, fmt.Errorf("compile the packages of %s: %w", r.Image, err)
	}
	if err := s.finish(id, dir, &rec); err != nil {
		return nil, fmt.Errorf("finish environment for %s: %w", r.Image, err)
	}
	return s.environment(r, id, rec), nil
}

// installed is how uv names a package that it installed.
var installed = regexp.MustCompile(`(?m)^ \+ (\S+==\S+)`)

// fill makes dir/files an environment with the packages of a recipe, pip among
// them, and returns all that it installed.
func (u uv) fill(ctx context.Context, r Recipe, python interpreter, dir string, progress func(string)) ([]string, error) {
	files := filepath.Join(dir, "files")
	if _, err := u.run(ctx, r.Image, progress, "venv", "--quiet", "--relocatable", "--no-project", "--python", python.Executable, files); err != nil {
		return nil, err
	}
	// Files of a list are told to uv in files: their lines may be long, and begin with a dash.
	requirements := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(requirements, lines(append([]string{"pip"}, r.Requirements...)), 0o644); err != nil {
		return nil, err
	}
	args := []string{"pip", "install", "--python", filepath.Join(files, "bin", "python"), "-r", requirements}
	if out := excluded(r.Requirements); out != nil {
		overrides := filepath.Join(dir, "overrides.txt")
		for i := range out {
			out[i] += ` ; sys_platform == "none"`
		}
		if err := os.WriteFile(overrides, lines(out), 0o644); err != nil {
			return nil, err
		}
		args = append(args, "--override", overrides)
	}
	progress("looking for " + cmp.Or(strings.Join(r.Requirements, ", "), "pip") + " for Python " + python.Version)
	said, err := u.run(ctx, r.Image, progress, args...)
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, m := range installed.FindAllStringSubmatch(said, -1) {
		packages = append(packages, m[1])
	}
	return packages, nil
}

func lines(l []string) []byte { return []byte(strings.Join(l, "\n") + "\n") }

// finish writes the record and puts a build into its place, where it appears
// whole or not at all.
func (s *Store) finish(id, dir string, rec *record) error {
	left, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range left {
		if f.Name() == "files" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	if rec.Size, _, err = TakenBy(dir, nil); err != nil {
		return err
	}
	rec.Built = time.Now().UTC()
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "environment.json"), data, 0o644); err != nil {
		return err
	}
	if err := flush(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(s.path(id)); err != nil { // one without a record
		return err
	}
	return os.Rename(dir, s.path(id))
}

// environment is what a container sees of what was built.
func (s *Store) environment(r Recipe, id string, rec record) *Environment {
	e := &Environment{
		ID:      "sha256:" + id,
		Folders: append([]Folder{{Source: s.path(id, "files"), Target: Target, CopyOnWrite: true}}, rec.Interpreter.folders()...),
		Path:    []string{Target + "/bin"},
		Size:    rec.Size,
	}
	e.describe(r)
	e.Variables["VIRTUAL_ENV"] = Target
	s.layPrograms(e, s.path(id, "files"), Target)
	return e
}

// describe takes over what a recipe says about how to run things.
func (e *Environment) describe(r Recipe) {
	e.Entrypoint, e.Command = slices.Clone(r.Entrypoint), slices.Clone(r.Command)
	e.WorkingDir, e.User = r.WorkingDir, r.User
	e.Variables = maps.Clone(r.Variables)
	if e.Variables == nil {
		e.Variables = map[string]string{}
	}
}
