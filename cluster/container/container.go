// Package container runs a command as a container: a process with namespaces
// and a root of its own, or a plain process where the machine allows neither.
//
//	Spec ──► rootfs.Root (folders) ──► entry.Config ──► the program again, in new
//	             cgroup.Group ───────────────────────►  namespaces, becomes the command
package container

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	base     *rootfs.Base // nil when plain
	launcher *launcher
	inUser   bool // this program is root only in a user namespace
	ownSys   bool // a fresh /sys can be mounted

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
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("clear container folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("make container folder: %w", err)
	}
	r := &Runtime{dir: dir, kind: Full, inUser: inUserNamespace(), live: map[*Container]bool{}}
	if r.launcher, err = newLauncher(); err != nil {
		return nil, err
	}
	if c.Plain {
		r.bePlain("Pods see this machine as weir does: containers without namespaces were asked for.")
		return r, nil
	}
	if err := r.probe(ctx); err != nil {
		r.bePlain(fmt.Sprintf("Pods see this machine as weir does, without roots, mounts and addresses of their own: this machine allows no namespaces (%v).", err))
		return r, nil
	}
	r.base, err = rootfs.Prepare(filepath.Join(dir, "base"), rootfs.Options{
		Hide:      append([]string{dir}, c.Hide...),
		Mountable: func(l rootfs.Layer) error { return r.tryLayer(ctx, l) },
	})
	if err != nil {
		r.launcher.close()
		return nil, err
	}
	r.missing = append(r.missing, r.base.Missing()...)
	return r, nil
}

func (r *Runtime) bePlain(why string) {
	r.kind, r.missing = Plain, []string{why}
}

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
	for _, c := range live {
		if err := c.Remove(); err != nil {
			return err
		}
	}
	r.launcher.close()
	if err := os.RemoveAll(r.dir); err != nil {
		return fmt.Errorf("remove container folder: %w", err)
	}
	return nil
}
