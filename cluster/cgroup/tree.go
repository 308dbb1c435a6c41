package cgroup

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
)

// A Tree is the group that all groups of one running weir lie in. It is removed
// with everything in it by Close, or by the next Tree when its weir was killed.
type Tree struct {
	support Support
	places  []place // one in each hierarchy
}

// A place is the tree's group in one hierarchy.
type place struct {
	dir         string
	controllers []string
	lock        *os.File
}

// Open makes the tree and removes those that dead programs left. Where groups
// cannot be made it returns a tree whose groups limit nothing; Support says why.
func Open() (*Tree, error) {
	v1, v2, err := hierarchies()
	if err != nil {
		return &Tree{support: supportOf(0, nil, err.Error())}, nil
	}
	name := prefix + strings.ToLower(rand.Text()[:12])
	t := &Tree{}
	if len(v1) > 0 {
		t.open(1, v1, name)
	} else if v2 != nil {
		t.open(2, []hierarchy{*v2}, name)
	} else {
		t.support = supportOf(0, nil, "no control groups are mounted on this machine")
	}
	return t, nil
}

func (t *Tree) open(version int, all []hierarchy, name string) {
	var found []string
	var problem error
	for _, h := range all {
		p, err := h.open(name)
		if err != nil {
			problem = cmp.Or(problem, err) // the others say the same
			continue
		}
		t.places = append(t.places, p)
		found = append(found, p.controllers...)
	}
	if len(t.places) == 0 {
		version = 0
	}
	why := "this machine has no such controllers"
	if problem != nil {
		why = problem.Error()
	}
	t.support = supportOf(version, found, why)
}

// Detect says what a tree could limit and measure.
func Detect() Support {
	t, err := Open()
	if err != nil {
		return supportOf(0, nil, err.Error())
	}
	defer t.Close()
	return t.support
}

// Support says what the tree's groups can limit and measure.
func (t *Tree) Support() Support { return t.support }

// New makes a group with limits; id names it in the tree. Limits that this
// machine cannot keep are left out. Where it can keep none, the group is nil.
func (t *Tree) New(id string, l Limits) (*Group, error) {
	if t.support.Version == 0 {
		return nil, nil
	}
	if id == "" || id != filepath.Base(id) {
		return nil, fmt.Errorf("group %q: not a name", id)
	}
	g := &Group{support: t.support}
	var err error
	if t.support.Version == 1 {
		g.manager, err = t.version1(id)
	} else {
		g.manager, err = fs2.NewManager(&cgroups.Cgroup{Resources: &cgroups.Resources{}, Rootless: true}, // it may lack controllers
			filepath.Join(t.places[0].dir, id))
	}
	if err == nil {
		err = g.make(l)
	}
	if err != nil {
		return nil, fmt.Errorf("make group %s: %w", id, err)
	}
	return g, nil
}

func (t *Tree) version1(id string) (cgroups.Manager, error) {
	paths := map[string]string{}
	for _, p := range t.places {
		for _, c := range p.controllers {
			paths[c] = filepath.Join(p.dir, id)
		}
	}
	return fs.NewManager(&cgroups.Cgroup{Resources: &cgroups.Resources{}}, paths)
}

// Close kills what is in the tree and removes it.
func (t *Tree) Close() error {
	var problem error
	for _, p := range t.places {
		if err := remove(p.dir); err != nil {
			problem = errors.Join(problem, fmt.Errorf("remove groups: %w", err))
		}
		p.lock.Close()
	}
	t.places = nil
	return problem
}
