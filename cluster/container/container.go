// Package container runs a command as a container: a process with namespaces
// and a root of its own, or a plain process where the machine allows neither.
//
//	Spec ──► rootfs.Root (folders) ──► entry.Config ──► the program again, in new
//	             cgroup.Group ───────────────────────►  namespaces, becomes the command
package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// A Kind is how much of a container this machine allows.
type Kind string

const (
	// Full containers have namespaces and a root of their own.
	Full Kind = "full"
	// Plain containers are processes that see the machine as weir itself does.
	Plain Kind = "plain"
)

// A Config says where a Runtime keeps containers and what it must hide.
type Config struct {
	Dir   string   // holds the containers' roots, and nothing else
	Hide  []string // never visible, even below a system folder; Dir never is
	Plain bool     // do without namespaces even where they can be had
}

// A Runtime starts containers.
type Runtime struct {
	dir      string
	kind     Kind
	missing  []string
	launcher *launcher
	stock    *stock // of roots; nil when plain
	shelf    *shelf
	ids      ids
	ownSys   bool // a fresh /sys can be mounted

	cleared <-chan error // of what an earlier program left

	mu   sync.Mutex
	live map[*Container]bool
}

// New prepares what the roots of all containers have in common, and tries once
// what this machine allows. What an earlier program left in Dir is removed.
func New(ctx context.Context, c Config) (*Runtime, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("container folder: %w", err)
	}
	cleared, err := emptied(dir)
	if err != nil {
		return nil, fmt.Errorf("clear container folder: %w", err)
	}
	r := &Runtime{dir: dir, cleared: cleared, kind: Full, live: map[*Container]bool{}}
	if r.ids, err = readIDs(); err != nil {
		return nil, err
	}
	if r.launcher, err = newLauncher(); err != nil {
		return nil, err
	}
	if c.Plain {
		r.bePlain("Pods see this machine as weir does: containers without namespaces were asked for.")
		return r, nil
	}
	if err := r.prepare(ctx, c); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// prepare prepares full containers, or plain ones where there cannot be others.
func (r *Runtime) prepare(ctx context.Context, c Config) error {
	if err := os.Mkdir(r.mountPoint(), 0o711); err != nil {
		return fmt.Errorf("make container folder: %w", err)
	}
	if err := r.probe(ctx); err != nil {
		r.bePlain(fmt.Sprintf("Pods see this machine as weir does, without roots, mounts and addresses of their own: this machine allows no namespaces (%v).", err))
		return ctx.Err()
	}
	var err error
	if r.shelf, err = newShelf(filepath.Join(r.dir, "shelf")); err != nil {
		return err
	}
	base, err := rootfs.Prepare(r.shelf.base(), rootfs.Options{
		Hide:      append([]string{r.dir}, c.Hide...),
		Mountable: r.tryLayer,
		Roots:     filepath.Join(r.dir, "roots"),
		Foreign:   r.ids.inUser,
	})
	if err != nil {
		return err
	}
	r.missing = base.Missing()
	if r.ids.onlyRoot() {
		r.missing = append(r.missing, "Pods have one user, who is root in them and you outside: newuidmap and newgidmap (often the package uidmap) have no subordinate ids for you in /etc/subuid and /etc/subgid.")
	}
	r.stock = newStock(base, filepath.Join(r.dir, "roots"), r.ids.inUser)
	return nil
}

func (r *Runtime) bePlain(why string) {
	r.kind, r.missing = Plain, []string{why}
}

// mountPoint is a folder for each container to mount its root on, which is in its
// own mount namespace and does not concern the others.
func (r *Runtime) mountPoint() string { return filepath.Join(r.dir, "root") }

// Kind says what the containers are.
func (r *Runtime) Kind() Kind { return r.kind }

// Missing says in sentences what the containers go without on this machine, and why.
func (r *Runtime) Missing() []string { return r.missing }

// Close kills all containers and removes what they leave.
func (r *Runtime) Close() error {
	r.mu.Lock()
	var live []*Container
	for c := range r.live {
		live = append(live, c)
	}
	r.mu.Unlock()
	var problem error
	for _, c := range live {
		problem = errors.Join(problem, c.Remove())
	}
	if r.stock != nil {
		problem = errors.Join(problem, r.stock.close())
	}
	if r.shelf != nil {
		problem = errors.Join(problem, r.shelf.close())
	}
	r.launcher.close()
	if err := errors.Join(problem, <-r.cleared, os.RemoveAll(r.dir)); err != nil {
		return fmt.Errorf("remove containers: %w", err)
	}
	return nil
}

// emptied makes dir an empty folder. What was in it can be a lot, so it is moved
// away now and removed in its own time; the channel tells when.
func emptied(dir string) (<-chan error, error) {
	removed := make(chan error, 1)
	if err := unmountBelow(dir); err != nil {
		return nil, err
	}
	parent, prefix := filepath.Dir(dir), filepath.Base(dir)+".old-"
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	beside, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var old []string
	for _, e := range beside { // of programs that were killed while at it
		if strings.HasPrefix(e.Name(), prefix) {
			old = append(old, filepath.Join(parent, e.Name()))
		}
	}
	if _, err := os.Lstat(dir); err == nil {
		away, err := os.MkdirTemp(parent, prefix+"*")
		if err != nil {
			return nil, err
		}
		if err := os.Rename(dir, filepath.Join(away, "old")); err != nil {
			return nil, err
		}
		old = append(old, away)
	}
	go func() {
		var problem error
		for _, o := range old {
			problem = errors.Join(problem, os.RemoveAll(o))
		}
		removed <- problem
		close(removed)
	}()
	return removed, os.Mkdir(dir, 0o711)
}
