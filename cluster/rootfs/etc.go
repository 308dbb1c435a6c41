package rootfs

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// harmless are the files and folders of /etc that programs need and that say
// nothing about the machine's people. Of these, only what everybody may read is
// copied, and nothing that holds a private key.
var harmless = []string{
	"ld.so.conf", "ld.so.conf.d", "ld.so.cache",
	"ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates", "ca-certificates.conf",
	"pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/ca-trust/extracted", "crypto-policies",
	"alternatives",
	"nsswitch.conf", "host.conf", "gai.conf", "protocols", "services", "rpc", "networks", "ethertypes", "netconfig",
	"mime.types", "magic", "magic.mime", "mailcap",
	"localtime", "timezone", "locale.alias", "locale.conf", "default/locale",
	"os-release", "lsb-release", "debian_version", "redhat-release", "fedora-release", "system-release", "alpine-release", "arch-release", "issue",
	"fonts", "X11/rgb.txt", "glvnd", "vulkan", "OpenCL", "ImageMagick-6", "ImageMagick-7",
	"java*", ".java", "python*", "perl", "R", "julia", "maven", "emacs",
	"bash.bashrc", "bashrc", "inputrc", "profile", "shells", "skel", "terminfo", "vim", "xattr.conf", "login.defs",
}

// copyEtc copies the harmless part of the machine's /etc to the base's.
func copyEtc(from, to string) error {
	for _, pattern := range harmless {
		found, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil {
			return err
		}
		for _, p := range found {
			name, err := filepath.Rel(from, p)
			if err != nil {
				return err
			}
			if err := copyTree(p, filepath.Join(to, name)); err != nil {
				return fmt.Errorf("copy %s: %w", p, err)
			}
		}
	}
	return copyPipConf(filepath.Join(from, "pip.conf"), filepath.Join(to, "pip.conf"))
}

// copyTree copies what everybody may read of a file or folder, links as links.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return skipForbidden(d, err)
		}
		rest, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		return copyEntry(p, filepath.Join(to, rest), d)
	})
}

func copyEntry(from, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return skipForbidden(d, err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	const others = 0o004
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case info.Mode()&others == 0:
		return skipForbidden(d, fs.ErrPermission)
	case d.IsDir():
		return os.MkdirAll(to, 0o755)
	case info.Mode().IsRegular():
		return copyPublic(from, to, info.Mode().Perm()&^0o022)
	}
	return nil // a socket or a device is not for containers
}

// skipForbidden passes over what may not be read or has just gone.
func skipForbidden(d fs.DirEntry, err error) error {
	if !os.IsPermission(err) && !os.IsNotExist(err) {
		return err
	}
	if d != nil && d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func copyPublic(from, to string, mode fs.FileMode) error {
	content, err := os.ReadFile(from)
	if os.IsPermission(err) || os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if bytes.Contains(content, []byte("PRIVATE KEY-----")) {
		return nil
	}
	return writeFile(to, content, mode)
}

// copyPipConf lets containers use the machine's package index, unless its
// address says who we are.
func copyPipConf(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return nil // most machines have none
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil || strings.Contains(string(content), "@") {
		return nil
	}
	return writeFile(to, content, 0o644)
}

// writeFile writes a file that must have the mode, whatever the umask says.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
