package environment

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// cacheFor is where uv keeps what it fetched: the user's own cache, which other
// projects may have filled, if it can be written and lies on the store's file
// system. Only then are files linked rather than copied, which is what makes a
// second build a matter of seconds.
func (s *Store) cacheFor(environ []string) string {
	if own := variable(environ, "UV_CACHE_DIR"); own != "" {
		return own
	}
	home := variable(environ, "HOME")
	dir := variable(environ, "XDG_CACHE_HOME")
	if dir == "" && home != "" {
		dir = filepath.Join(home, ".cache")
	}
	if filepath.IsAbs(dir) {
		dir = filepath.Join(dir, "uv")
		if at, info := existing(dir); info != nil && unix.Access(at, unix.W_OK) == nil && sameDevice(info, s.dir) {
			return dir
		}
	}
	return s.path("cache")
}

// existing is the nearest folder above path, or path itself, that exists.
func existing(path string) (string, fs.FileInfo) {
	for {
		if info, err := os.Stat(path); err == nil {
			return path, info
		}
		up := filepath.Dir(path)
		if up == path {
			return "", nil
		}
		path = up
	}
}

func sameDevice(a fs.FileInfo, path string) bool {
	b, err := os.Stat(path)
	if err != nil {
		return false
	}
	x, ok1 := a.Sys().(*syscall.Stat_t)
	y, ok2 := b.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && x.Dev == y.Dev
}

// flush has everything that was written to a file system on the disk. A build
// that a power cut left half-written would else be found whole by its name.
func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
