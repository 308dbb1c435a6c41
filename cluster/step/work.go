package step

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/dockerfile"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// A work is what there is for a command besides its image.
type work struct {
	command dockerfile.Command
	dir     string
	caches  string          // the folder of all caches
	empty   string          // a folder below the image, where what is mounted has a place
	mounted map[string]bool // those places, by their names below the root
	mounts  []container.Mount
	held    []*os.File // the locks of caches
}

func newWork(p *place, id string, c dockerfile.Command) *work {
	dir := filepath.Join(p.dir, id)
	return &work{command: c, dir: dir, caches: p.caches(), empty: filepath.Join(dir, "empty"), mounted: map[string]bool{}}
}

func (w *work) remove() {
	for _, f := range w.held {
		f.Close()
	}
	os.RemoveAll(w.dir)
}

// lay lays out what a command needs.
func (w *work) lay(ctx context.Context) error {
	for _, folder := range []string{"proc", "sys", "dev"} {
		if err := w.makePlace(folder, true); err != nil {
			return err
		}
	}
	for _, file := range []string{"etc/hostname", "etc/resolv.conf"} {
		if err := w.makePlace(file, false); err != nil {
			return err
		}
	}
	for i, m := range w.command.Mounts {
		if err := w.mount(ctx, filepath.Join(w.dir, "mount-"+strconv.Itoa(i)), m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return nil
}

// makePlace makes a place for something to be mounted on, in the folder that lies below
// the image: who looks there finds it, and nothing is made for it that would be in the
// layer.
func (w *work) makePlace(name string, folder bool) error {
	to := strings.TrimPrefix(layers.Resolve(w.command.Root, name), "/")
	w.mounted[to] = true
	at := filepath.Join(w.empty, to)
	if folder {
		return makeFolder(at)
	}
	if err := makeFolder(filepath.Dir(at)); err != nil {
		return err
	}
	return os.WriteFile(at, nil, 0o644)
}

func makeFolder(dir string) error {
	return os.MkdirAll(dir, 0o755)
}

// mount makes a mount of the command ready, for which dir is to be made if need be.
func (w *work) mount(ctx context.Context, dir string, m dockerfile.Mount) error {
	mount := container.Mount{Source: dir, Target: m.Target, ReadOnly: m.ReadOnly}
	folder := true
	switch {
	case m.Cache != "":
		var err error
		if mount.Source, err = w.cache(ctx, m); err != nil {
			return err
		}
	case len(m.Folders) > 0:
		last := len(m.Folders) - 1
		mount.Source, mount.Over = m.Folders[last], m.Folders[:last]
	case len(m.Entries) == 1 && m.Entries[0].Name == "." && !m.Entries[0].Mode.IsDir():
		folder = false
		if err := lay(dir, m.Entries[0]); err != nil {
			return err
		}
	default:
		if err := layAll(dir, m.Entries); err != nil {
			return err
		}
	}
	w.mounts = append(w.mounts, mount)
	return w.makePlace(m.Target, folder)
}

// layAll lays copies of entries out in a folder.
func layAll(dir string, entries []oci.Entry) error {
	if err := makeFolder(dir); err != nil {
		return err
	}
	for _, e := range entries {
		file := filepath.Join(dir, e.Name)
		if err := makeFolder(filepath.Dir(file)); err != nil {
			return err
		}
		if err := lay(file, e); err != nil {
			return err
		}
	}
	return nil
}

// lay lays a copy of an entry out.
func lay(file string, e oci.Entry) error {
	switch {
	case e.Mode.IsDir():
		return makeFolder(file)
	case e.Mode&fs.ModeSymlink != 0:
		return os.Symlink(e.Link, file)
	}
	content := io.Reader(bytes.NewReader(e.Content))
	if e.Source != "" {
		in, err := os.Open(e.Source)
		if err != nil {
			return err
		}
		defer in.Close()
		content = in
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, content); err != nil {
		return err
	}
	return errors.Join(out.Chown(e.User, e.Group), out.Chmod(e.Mode.Perm()))
}

// cache is the folder of a cache, which is made when it is wanted first.
func (w *work) cache(ctx context.Context, m dockerfile.Mount) (string, error) {
	dir := filepath.Join(w.caches, fmt.Sprintf("%x", sha256.Sum256([]byte(m.Cache)))[:32])
	if err := makeFolder(w.caches); err != nil {
		return "", err
	}
	how := unix.LOCK_SH
	if m.Exclusive {
		how = unix.LOCK_EX
	}
	held, err := lockUntil(ctx, dir+".lock", how)
	if err != nil {
		return "", err
	}
	w.held = append(w.held, held)
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		now := time.Now()
		return dir, os.Chtimes(dir+".lock", now, now)
	}
	if err == nil {
		err = errors.Join(os.Chown(dir, m.UID, m.GID), os.Chmod(dir, m.Mode))
	}
	return dir, err
}
