package requirements

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// A lock is what uv.lock says.
type lock struct {
	RequiresPython string `toml:"requires-python"`
	Package        []locked
}

// A locked package is one version of a package, and what it needs.
type locked struct {
	Name, Version string
	Source        struct{ Registry, Git, URL, Virtual, Editable, Directory, Path string }
	Dependencies  []edge
	Optional      map[string][]edge `toml:"optional-dependencies"`
}

// An edge leads from a package to one that it needs.
type edge struct {
	Name, Version, Marker string
	Extra                 []string
}

// readLock reads a uv.lock: the packages that the project needs, each in the
// version that is locked, for the machines that need it.
func readLock(file string) (List, error) {
	var l lock
	if _, err := toml.DecodeFile(file, &l); err != nil {
		return List{}, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	python, err := versionFor(l.RequiresPython)
	if err != nil {
		return List{}, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	w := walk{packages: map[string][]locked{}, wanted: map[string]markers{}, been: map[string]bool{}}
	for _, p := range l.Package {
		w.packages[p.Name] = append(w.packages[p.Name], p)
	}
	list := List{Python: python}
	for _, p := range l.Package {
		if s := p.Source; s.Virtual != "" || s.Editable != "" || s.Directory != "" {
			if s.Virtual == "." || s.Editable == "." {
				w.follow(p.Dependencies, "")
			} else {
				list.note("%s is in the folder %s, and is not installed", p.Name, s.Virtual+s.Editable+s.Directory)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.wanted)) {
		list.Packages = append(list.Packages, key+w.wanted[key].String())
	}
	return list, nil
}

// markers say on which machines a package is needed: on any that one of them
// means; an empty one means all.
type markers map[string]bool

func (m markers) String() string {
	if m[""] {
		return ""
	}
	all := slices.Sorted(maps.Keys(m))
	if len(all) == 1 {
		return " ; " + all[0]
	}
	return " ; (" + strings.Join(all, ") or (") + ")"
}

// manyMarkers are more than are worth telling apart: the package is then taken
// on every machine.
const manyMarkers = 16

type walk struct {
	packages map[string][]locked
	wanted   map[string]markers // by requirement
	path     []string           // of packages that lead to where the walk is
	been     map[string]bool    // requirements with extras and markers
}

// follow notes all that edges lead to from what is needed where a marker holds.
func (w *walk) follow(edges []edge, where string) {
	for _, e := range edges {
		marker := both(where, e.Marker)
		for _, p := range w.packages[e.Name] {
			r, ok := p.requirement()
			if !ok || e.Version != "" && e.Version != p.Version {
				continue
			}
			visit := strings.Join(append([]string{r, marker}, e.Extra...), "\x00")
			if w.been[visit] || slices.Contains(w.path, r+strings.Join(e.Extra, ",")) {
				continue
			}
			w.been[visit] = true
			if w.wanted[r] == nil {
				w.wanted[r] = markers{}
			}
			if len(w.wanted[r]) >= manyMarkers {
				marker = ""
			}
			w.wanted[r][marker] = true
			w.path = append(w.path, r+strings.Join(e.Extra, ","))
			w.follow(p.Dependencies, marker)
			for _, extra := range e.Extra {
				w.follow(p.Optional[extra], marker)
			}
			w.path = w.path[:len(w.path)-1]
		}
	}
}

// requirement is how pip is asked for exactly this; ok is whether it can be, as
// it cannot for what lies in a folder.
func (p locked) requirement() (r string, ok bool) {
	switch {
	case p.Source.Git != "":
		at, commit, _ := strings.Cut(p.Source.Git, "#")
		at, _, _ = strings.Cut(at, "?")
		return p.Name + " @ git+" + at + "@" + commit, true
	case p.Source.URL != "":
		return p.Name + " @ " + p.Source.URL, true
	}
	return p.Name + "==" + p.Version, p.Source.Registry != ""
}

// both is a marker that holds where two do.
func both(a, b string) string {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	}
	return "(" + a + ") and (" + b + ")"
}
