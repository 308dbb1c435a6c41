package cri

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"
)

// A Share is a folder of the machine that pods may mount.
type Share struct {
	Path     string // absolute
	ReadOnly bool
	// Optional says that containers do without it where it cannot be mounted.
	Optional bool
}

// Shares decides which paths of the machine a pod may mount: those in a shared folder and
// those in the pod's own folder of the kubelet.
type shares struct {
	kubeletDir string
	open       []openShare
}

// An openShare is a share whose folder is held open, so that nobody can put another in its place.
type openShare struct {
	Share
	real string   // where Path leads
	root *os.File // opened with O_PATH
}

func openShares(kubeletDir string, list []Share) (*shares, error) {
	s := &shares{kubeletDir: filepath.Clean(kubeletDir)}
	for _, share := range list {
		if !filepath.IsAbs(share.Path) {
			s.close()
			return nil, fmt.Errorf("share %q: not an absolute path", share.Path)
		}
		share.Path = filepath.Clean(share.Path)
		root, err := os.OpenFile(share.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("share %s: %w", share.Path, err)
		}
		real, err := pathOf(root)
		if err != nil {
			root.Close()
			s.close()
			return nil, fmt.Errorf("share %s: %w", share.Path, err)
		}
		s.open = append(s.open, openShare{Share: share, real: real, root: root})
	}
	return s, nil
}

func (s *shares) close() {
	for _, share := range s.open {
		_ = share.root.Close()
	}
}

// A source is what a mount may show of the machine. Its path has no links in it: one that
// is there when the mount is made was put there afterwards, and is refused by then.
type source struct {
	path               string
	readOnly, optional bool
}

// source says what a pod gets when it asks for path. A folder that is missing in a writable
// share is made, as for any hostPath volume without a type. The error is a sentence with
// what to do.
func (s *shares) source(podUID, path string) (source, error) {
	if !filepath.IsAbs(path) {
		return source{}, fmt.Errorf("hostPath %q: not an absolute path", path)
	}
	path = filepath.Clean(path)

	if below, ok := within(filepath.Join(s.kubeletDir, "pods", podUID), path); ok && podUID != "" {
		root, err := os.OpenFile(filepath.Join(s.kubeletDir, "pods", podUID), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return source{}, fmt.Errorf("open the pod's folder: %w", err)
		}
		defer root.Close()
		return resolve(root, below, path, false)
	}

	for _, share := range s.open {
		below, ok := within(share.Path, path)
		if !ok {
			below, ok = within(share.real, path)
		}
		if !ok {
			continue
		}
		found, err := resolve(share.root, below, path, !share.ReadOnly)
		found.readOnly, found.optional = share.ReadOnly, share.Optional
		return found, err
	}
	return source{}, fmt.Errorf("hostPath %s: pods see no folder of this machine that was not shared with them: start weir with `weir up --share %s`", path, path)
}

// resolve finds below in root, and no link leads out of root.
func resolve(root *os.File, below, path string, create bool) (source, error) {
	if below == "." { // the share itself, which may be a file
		real, err := pathOf(root)
		return source{path: real}, err
	}
	found, err := beneath(root, below)
	if errors.Is(err, unix.ENOENT) && create {
		if made, err := pathrs.MkdirAllHandle(root, below, 0o755); err == nil {
			_ = made.Close()
		}
		found, err = beneath(root, below)
	}
	switch {
	case errors.Is(err, unix.EXDEV):
		return source{}, fmt.Errorf("hostPath %s: a link in it leads out of the shared folder: share the folder that it leads to with `weir up --share PATH`", path)
	case errors.Is(err, unix.ENOENT):
		return source{}, fmt.Errorf("hostPath %s: no such file or folder on this machine: make it first", path)
	case err != nil:
		return source{}, fmt.Errorf("hostPath %s: %w", path, err)
	}
	defer found.Close()

	real, err := pathOf(found)
	if err != nil {
		return source{}, fmt.Errorf("hostPath %s: %w", path, err)
	}
	return source{path: real}, nil
}

func beneath(root *os.File, below string) (*os.File, error) {
	if below == "." { // A file may be shared too, and nothing is below that.
		return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", root.Fd()), unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(int(root.Fd()), below, &how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // something was renamed meanwhile
			continue
		case err != nil:
			return nil, err
		}
		return os.NewFile(uintptr(fd), below), nil
	}
}

// within says where path lies below root, "." for root itself.
func within(root, path string) (below string, ok bool) {
	if path == root {
		return ".", true
	}
	below, ok = strings.CutPrefix(path, strings.TrimSuffix(root, "/")+"/")
	return below, ok
}

// pathOf is the path of an open file, without links.
func pathOf(f *os.File) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}
