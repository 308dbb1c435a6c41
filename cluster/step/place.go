package step

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
	if err := bury(dir); err != nil {
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
		held, err := lock(filepath.Join(p, "lock"), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = os.RemoveAll(p)
		held.Close()
		if err != nil {
			return err
		}
	}
	return nil
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
