package environment

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// An interpreter is a Python of this machine, as it says itself: version
// managers put scripts on the PATH that are not the interpreter.
type interpreter struct {
	Executable string `json:"executable"` // of the base, not of an environment
	Version    string `json:"version"`
	Prefix     string `json:"prefix"` // of the environment it was asked in, else Base
	Base       string `json:"base"`   // the folder that all of it lies in
}

const questions = `
import json, os, sys
base = os.path.realpath(sys.base_prefix)
named = os.path.join(base, "bin", "python%d.%d" % sys.version_info[:2])
print(json.dumps({
    "executable": named if os.path.exists(named) else os.path.realpath(sys.executable),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "prefix": os.path.realpath(sys.prefix),
    "base": base,
}))`

// ask runs a Python and returns what it says about itself.
func ask(ctx context.Context, environ []string, python string) (interpreter, error) {
	cmd := exec.CommandContext(ctx, python, "-I", "-c", questions)
	cmd.Env = environ
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return interpreter{}, fmt.Errorf("run %s: %w", python, err)
	}
	var i interpreter
	if err := json.Unmarshal(out, &i); err != nil {
		return interpreter{}, fmt.Errorf("run %s: %w", python, err)
	}
	return i, nil
}

// oldest is the oldest minor version of Python 3 that today's packages know.
const oldest = 9

// usable says whether today's packages can be expected to install.
func (i interpreter) usable() bool { return i.minor() >= oldest }

// minor is the second number of a Python 3's version, -1 for any other Python.
func (i interpreter) minor() int {
	parts := strings.Split(i.Version, ".")
	if len(parts) < 2 || parts[0] != "3" {
		return -1
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return -1
	}
	return n
}

// is says whether it has a version, which may be the beginning of one: 3.11 for 3.11.7.
func (i interpreter) is(version string) bool {
	return i.Version == version || strings.HasPrefix(i.Version, version+".")
}

// there says whether it is still what it was.
func (i interpreter) there() bool {
	_, err := os.Stat(i.Executable)
	return err == nil
}

// folders is what a container must see for it to run: nothing when it came with
// the system, else the folder that it lies in and nothing beside it.
func (i interpreter) folders() []Folder {
	if i.Base == "/usr" || strings.HasPrefix(i.Base, "/usr/") {
		return nil
	}
	return []Folder{{Source: i.Base, Target: i.Base}}
}

// fullVersion is a version of Python and nothing else.
var fullVersion = regexp.MustCompile(`^\d+(\.\d+)*$`)

// locate finds the Python that a recipe is built with.
func (s *Store) locate(ctx context.Context, r Recipe, progress func(string)) (interpreter, error) {
	switch {
	case r.Python == "":
		return s.locateAny(ctx, r)
	case strings.Contains(r.Python, "/"):
		return s.locateAt(ctx, r)
	case fullVersion.MatchString(r.Python):
		return s.locateVersion(ctx, r, progress)
	}
	return interpreter{}, &BuildError{
		Image: r.Image, Cause: NoPython, Said: fmt.Sprintf("%q is neither a version of Python nor a path", r.Python),
		Remedy: "write a version, as 3.12, or the path of an interpreter or of an environment",
	}
}

func (s *Store) locateAny(ctx context.Context, r Recipe) (interpreter, error) {
	for _, p := range s.onPath("python3", "python") {
		if i, err := ask(ctx, s.environ, p); err == nil && i.usable() {
			return i, nil
		}
	}
	return interpreter{}, &BuildError{
		Image: r.Image, Cause: NoPython, Said: fmt.Sprintf("no Python 3.%d or newer on the PATH", oldest),
		Remedy: "install python3, or name one with --python",
	}
}

// locateAt takes a path to an interpreter, to an environment, or to its bin.
func (s *Store) locateAt(ctx context.Context, r Recipe) (interpreter, error) {
	var err error
	for _, p := range []string{r.Python, filepath.Join(r.Python, "bin", "python3"), filepath.Join(r.Python, "python3"), filepath.Join(r.Python, "bin", "python")} {
		info, statErr := os.Stat(p)
		if statErr != nil || info.IsDir() {
			continue
		}
		var i interpreter
		if i, err = ask(ctx, s.environ, p); err == nil {
			return i, nil
		}
	}
	said := "no Python at " + r.Python
	if err != nil {
		said = err.Error()
	}
	return interpreter{}, &BuildError{
		Image: r.Image, Cause: NoPython, Said: said,
		Remedy: "give the path of an interpreter, or of an environment that has bin/python3",
	}
}

// locateVersion looks for a version on the PATH and where version managers put
// them. A recipe that has nothing else to turn to is worth a download.
func (s *Store) locateVersion(ctx context.Context, r Recipe, progress func(string)) (interpreter, error) {
	candidates := s.onPath("python"+r.Python, "python3")
	home := variable(s.environ, "HOME")
	for _, pattern := range []string{
		filepath.Join(home, ".pyenv/versions", r.Python+"*", "bin/python3"),
		filepath.Join(home, ".local/share/uv/python", "cpython-"+r.Python+"*", "bin/python3"),
		s.path("pythons", "cpython-"+r.Python+"*", "bin/python3"),
	} {
		found, _ := filepath.Glob(pattern) // its only error is a bad pattern, which finds nothing
		candidates = append(candidates, found...)
	}
	for _, p := range candidates {
		if i, err := ask(ctx, s.environ, p); err == nil && i.is(r.Python) {
			return i, nil
		}
	}
	if r.Otherwise != nil {
		return interpreter{}, &BuildError{
			Image: r.Image, Cause: NoPython, Said: "no Python " + r.Python + " on this machine",
			Remedy: "install it, or name one with --python",
		}
	}
	return s.download(ctx, r, progress)
}

// onPath lists the programs of these names on the PATH and in the system's
// folders, a name at a time.
func (s *Store) onPath(names ...string) []string {
	dirs := append(filepath.SplitList(variable(s.environ, "PATH")), "/usr/local/bin", "/usr/bin")
	var found []string
	seen := map[string]bool{}
	for _, name := range names {
		for _, d := range dirs {
			p := filepath.Join(d, name)
			info, err := os.Stat(p)
			if !filepath.IsAbs(p) || seen[p] || err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
				continue
			}
			seen[p] = true
			found = append(found, p)
		}
	}
	return found
}

// variable returns the last value of a variable in an environment.
func variable(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return v
		}
	}
	return ""
}
