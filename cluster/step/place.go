package step

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A place is a folder of a Runner's own. It is locked while the Runner lives.
type place struct {
	dir  string
	lock *os.File
}

// takePlace makes a place in a folder, and removes those of the dead.
func takePlace(dir string) (*place, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make room for builds: %w", err)
	}
	// Nobody looks for the dead while a place is being made.
	all, err := lock(filepath.Join(dir, "lock"), unix.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("make room for builds: %w", err)
	}
	defer all.Close()
	if err := errors.Join(bury(dir), forget(dir)); err != nil {
		return nil, fmt.Errorf("remove what builds left: %w", err)
	}
	p := &place{}
	if p.dir, err = os.MkdirTemp(dir, "build-"); err == nil {
		err = os.Chmod(p.dir, 0o755) // commands run as any user
	}
	if err == nil {
		p.lock, err = lock(filepath.Join(p.dir, "lock"), unix.LOCK_EX)
	}
	if err != nil {
		return nil, fmt.Errorf("make room for builds: %w", err)
	}
	return p, nil
}

func (p *place) leave() error {
	defer p.lock.Close()
	return os.RemoveAll(p.dir)
}

// bury removes the places that nobody has locked.
func bury(dir string) error {
	places, err := filepath.Glob(filepath.Join(dir, "build-*"))
	if err != nil {
		return err
	}
	for _, p := range places {
		if err := unlessHeld(filepath.Join(p, "lock"), func() error { return os.RemoveAll(p) }); err != nil {
			return err
		}
	}
	return nil
}

// caches is the folder of what commands keep for later ones.
func (p *place) caches() string { return filepath.Join(filepath.Dir(p.dir), cachesFolder) }

const (
	cachesFolder = "caches"
	cacheStays   = 14 * 24 * time.Hour
)

// forget removes the caches that nobody has used for long.
func forget(dir string) error {
	locks, err := filepath.Glob(filepath.Join(dir, cachesFolder, "*.lock"))
	if err != nil {
		return err
	}
	for _, l := range locks {
		info, err := os.Stat(l)
		if err != nil || time.Since(info.ModTime()) < cacheStays {
			continue
		}
		err = unlessHeld(l, func() error { return errors.Join(os.RemoveAll(strings.TrimSuffix(l, ".lock")), os.Remove(l)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// unlessHeld does something with a lock held, or nothing where somebody else has the lock
// or its folder has gone.
func unlessHeld(file string, do func() error) error {
	held, err := lock(file, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer held.Close()
	return do()
}

// lockUntil is lock, but gives up when ctx ends.
func lockUntil(ctx context.Context, file string, how int) (*os.File, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := lock(file, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// lock opens a file, which is made if need be, and locks it until it is closed.
func lock(file string, how int) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), how); err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, err
		}
	}
}
