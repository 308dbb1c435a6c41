package rootfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// systemFolders hold programs. Where the machine has one as a link, as /bin to
// usr/bin, containers have the same link.
var systemFolders = []string{"usr", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}

// writable are folders below the system folders that people install to and mount
// into. (Nothing changes it.)
var writable = []string{
	"/usr/bin", "/usr/include", "/usr/lib", "/usr/sbin", "/usr/share", "/usr/src",
	"/usr/local", "/usr/local/bin", "/usr/local/etc", "/usr/local/lib", "/usr/local/share", "/usr/local/src",
}

// opened returns those of the writable folders that the machine has.
func opened(machine string) []string {
	var there []string
	for _, folder := range writable {
		if info, err := os.Lstat(filepath.Join(machine, folder)); err == nil && info.IsDir() {
			there = append(there, folder)
		}
	}
	return there
}

// skeleton are the folders that every container has of its own.
var skeleton = []struct {
	path string
	mode fs.FileMode
}{
	{"dev", 0o755}, {"proc", 0o555}, {"sys", 0o555},
	{"etc", 0o755}, {"home", 0o755}, {"media", 0o755}, {"mnt", 0o755}, {"root", 0o711}, {"srv", 0o755},
	{"run", 0o755}, {"run/lock", 0o777 | fs.ModeSticky}, {"tmp", 0o777 | fs.ModeSticky},
	{"var", 0o755}, {"var/cache", 0o755}, {"var/lib", 0o755}, {"var/local", 0o755}, {"var/log", 0o755},
	{"var/opt", 0o755}, {"var/spool", 0o755}, {"var/tmp", 0o777 | fs.ModeSticky},
}

var skeletonLinks = map[string]string{
	"var/run": "/run", "var/lock": "/run/lock", "etc/mtab": "/proc/self/mounts",
}

// makeSkeleton makes the folders and links of the base, and returns the system
// folders that are folders, to be mounted.
func makeSkeleton(base, machine string) (mounted []string, err error) {
	for _, d := range skeleton {
		p := filepath.Join(base, d.path)
		if err := os.Mkdir(p, d.mode.Perm()); err != nil {
			return nil, err
		}
		if err := os.Chmod(p, d.mode); err != nil { // the umask had its say
			return nil, err
		}
	}
	for name, to := range skeletonLinks {
		if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
			return nil, err
		}
	}
	for _, name := range systemFolders {
		info, err := os.Lstat(filepath.Join(machine, name))
		switch {
		case err != nil:
			continue
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(filepath.Join(machine, name))
			if err != nil {
				return nil, err
			}
			if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
				return nil, err
			}
		case info.IsDir():
			if err := os.Mkdir(filepath.Join(base, name), 0o755); err != nil {
				return nil, err
			}
			mounted = append(mounted, name)
		}
	}
	return mounted, nil
}

// hidden returns which of the folders lie in a system folder, and so would be
// seen in a container.
func hidden(folders, system []string) ([]string, error) {
	var seen []string
	for _, f := range folders {
		real, err := filepath.EvalSymlinks(f)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("hide %s: %w", f, err)
		}
		for _, s := range system {
			if strings.HasPrefix(real+"/", "/"+s+"/") {
				seen = append(seen, real)
			}
		}
	}
	return seen, nil
}
