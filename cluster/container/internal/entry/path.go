package entry

import (
	"syscall"
	"unsafe"
)

// openInRoot opens path as a process whose root is root would: no link and no
// ".." leads out, whoever is changing things below it at the same time.
func openInRoot(root int, path string, flags uint64) (int, error) {
	return openat2(root, path, flags, resolveInRoot)
}

// openWithoutLinks opens path if there is no link in it.
func openWithoutLinks(path string) (int, error) {
	return openat2(atFDCWD, path, openPath, resolveNoSymlinks)
}

func openat2(dir int, path string, flags, resolve uint64) (int, error) {
	name, err := syscall.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	how := struct{ flags, mode, resolve uint64 }{flags: flags | syscall.O_CLOEXEC, resolve: resolve}
	for {
		fd, _, errno := syscall.Syscall6(sysOpenat2, uintptr(dir), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case syscall.EAGAIN, syscall.EINTR: // somebody renamed something on the way
		default:
			return -1, errno
		}
	}
}

// makeTarget opens path in the root, a folder or a file, and makes it and the
// folders that lead to it where they are missing.
func makeTarget(root int, path string, isDir bool) (int, error) {
	fd, err := openInRoot(root, path, openPath)
	if err != syscall.ENOENT {
		return fd, err
	}
	dir, name := split(path)
	parent, err := makeTarget(root, dir, true)
	if err != nil {
		return -1, err
	}
	defer syscall.Close(parent)
	if isDir {
		err = syscall.Mkdirat(parent, name, 0o755)
	} else {
		fd, err = syscall.Openat(parent, name, syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o644)
		if err == nil {
			syscall.Close(fd)
		}
	}
	if err != nil && err != syscall.EEXIST {
		return -1, err
	}
	return openInRoot(root, path, openPath)
}

// split parts a path at its last slash.
func split(path string) (dir, name string) {
	for len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[:i+1], path[i+1:]
		}
	}
	return "/", path
}

func symlinkat(to string, dir int, name string) error {
	target, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	link, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := syscall.Syscall(syscall.SYS_SYMLINKAT, uintptr(unsafe.Pointer(target)), uintptr(dir), uintptr(unsafe.Pointer(link)))
	return orNil(errno)
}

func isDirectory(fd int) (bool, error) {
	var st syscall.Stat_t
	err := syscall.Fstat(fd, &st)
	return st.Mode&syscall.S_IFMT == syscall.S_IFDIR, err
}

// descriptorPath names an open file for calls that take no descriptor.
func descriptorPath(fd int) string { return "/proc/self/fd/" + decimal(fd) }

func decimal(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + string(rune('0'+n%10))
}

func unlessMissing(err error) error {
	if err == syscall.ENOENT || err == syscall.ENOTDIR {
		return nil
	}
	return err
}
