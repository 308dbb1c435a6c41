package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// A shelf is a file system in memory for the small things that containers see:
// the base of their roots, their own files in /etc, and the shared memory of each
// pod. (A disk takes hundreds of times longer to make a thousand small files.)
type shelf struct{ dir string }

func (s *shelf) base() string { return filepath.Join(s.dir, "base") }

func newShelf(dir string) (*shelf, error) {
	if err := os.Mkdir(dir, 0o711); err != nil {
		return nil, err
	}
	if err := unix.Mount("weir", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=711"); err != nil {
		return nil, fmt.Errorf("mount tmpfs: %w", err)
	}
	return &shelf{dir}, nil
}

// files writes a container's own files, and returns where each lies, by the path
// where the container should see it.
func (s *shelf) files(id string, own rootfs.Own) (map[string]string, error) {
	dir := filepath.Join(s.dir, "container-"+id)
	if err := os.Mkdir(dir, 0o711); err != nil {
		return nil, fmt.Errorf("make files: %w", err)
	}
	lie := map[string]string{}
	if own.OwnRoot && own.ResolvConf == nil { // the base has the machine's, but is not seen
		if text, err := os.ReadFile(filepath.Join(s.base(), "root/etc/resolv.conf")); err == nil {
			own.ResolvConf = text
		}
	}
	for path, content := range rootfs.Files(own) {
		lie[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(lie[path], content, 0o644); err != nil {
			return nil, fmt.Errorf("make files: %w", err)
		}
		if err := os.Chmod(lie[path], 0o644); err != nil { // the umask had its say
			return nil, fmt.Errorf("make files: %w", err)
		}
	}
	return lie, nil
}

func (s *shelf) removeFiles(id string) error {
	return os.RemoveAll(filepath.Join(s.dir, "container-"+id))
}

// memory makes a folder to be a pod's shared memory.
func (s *shelf) memory() (string, error) {
	dir, err := os.MkdirTemp(s.dir, "pod-")
	if err != nil {
		return "", fmt.Errorf("make shared memory: %w", err)
	}
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		return "", fmt.Errorf("make shared memory: %w", err)
	}
	return dir, nil
}

func (s *shelf) close() error {
	if err := unix.Unmount(s.dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", s.dir, err)
	}
	return nil
}

// unmountBelow takes away what a program that was killed has left mounted, in
// case it had no mount namespace of its own.
func unmountBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var problem error
	for i := len(mounts) - 1; i >= 0; i-- {
		problem = errors.Join(problem, unix.Unmount(mounts[i].Mountpoint, unix.MNT_DETACH))
	}
	return problem
}
