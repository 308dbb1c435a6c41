package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// A Root is the root of one container, before it is mounted.
type Root struct {
	Dir    string   // holds all that is the container's own
	Layers []Layer  // in the order to mount them, the root itself first
	Hidden []string // to be seen empty
}

// New makes the folders of a root in dir, which must not exist yet. Of the image
// only files that it lays over the root are in it: Show adds the others. The files
// that make one container differ from another are not in it either: see Files.
func (b *Base) New(dir string, image *Image) (*Root, error) {
	if image.OwnRoot() {
		return b.newOwn(dir, image)
	}
	r := &Root{Dir: dir, Layers: b.layers(dir), Hidden: b.hidden}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	if files := image.laidOver(); files != "" {
		r.layOver(files)
	}
	if err := r.make(b); err != nil {
		return nil, errors.Join(fmt.Errorf("make root: %w", err), r.Remove())
	}
	return r, nil
}

// Show adds the image's folders, as further layers. They are read-only where the
// root cannot be an overlay either.
func (r *Root) Show(image *Image) error {
	for i, f := range image.Folders {
		if f.Target == "/" {
			continue
		}
		l := Layer{Target: f.Target, Lower: f.Source}
		if f.CopyOnWrite && r.Layers[0].Upper != "" {
			name := "image-" + strconv.Itoa(i)
			l.Upper, l.Work = filepath.Join(r.Dir, "upper", name), filepath.Join(r.Dir, "work", name)
		}
		if err := l.make(); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
		r.Layers = append(r.Layers, l)
	}
	return nil
}

// Volumes are the folders of the image's own root that its containers write to even
// where the root is read-only, as further layers.
func (r *Root) Volumes(image *Image) ([]Layer, error) {
	if !image.OwnRoot() {
		return nil, nil
	}
	var all []Layer
	for i, target := range image.Volumes {
		if r.Layers[0].Upper == "" { // The copy's own folder is written to.
			own := filepath.Join(r.Layers[0].Lower, layers.Resolve(image.Layers, target))
			if err := os.MkdirAll(own, 0o755); err != nil {
				return nil, fmt.Errorf("volume %s of image %s: %w", target, image.Reference, err)
			}
			all = append(all, Layer{Target: target, Lower: own})
			continue
		}
		folders, err := layers.Folders(image.Layers, target)
		if errors.Is(err, fs.ErrNotExist) {
			empty := filepath.Join(r.Dir, "empty")
			folders, err = []string{empty}, makeFolder(empty)
		}
		if err != nil {
			return nil, fmt.Errorf("volume %s of image %s: %w", target, image.Reference, err)
		}
		last, name := len(folders)-1, "volume-"+strconv.Itoa(i)
		l := Layer{
			Target: target, Lower: folders[last], Over: folders[:last],
			Upper: filepath.Join(r.Dir, "upper", name), Work: filepath.Join(r.Dir, "work", name),
		}
		if err := l.make(); err != nil {
			return nil, fmt.Errorf("make root: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}

// layOver lays the image's own files over the root, and over each system folder
// that the image has a part of.
func (r *Root) layOver(files string) {
	for i, l := range r.Layers {
		part := filepath.Join(files, l.Target)
		if info, err := os.Stat(part); err == nil && info.IsDir() {
			r.Layers[i].Over = []string{part}
		}
	}
}

func (r *Root) make(b *Base) error {
	for _, l := range r.Layers {
		if err := l.make(); err != nil {
			return err
		}
	}
	for _, folder := range b.opened {
		if err := r.open(folder); err != nil {
			return err
		}
	}
	if r.Layers[0].Upper != "" {
		return nil
	}
	// Without an overlay the root is a copy, and the copy is written to.
	own := filepath.Join(r.Dir, "copy")
	r.Layers[0].Lower = own
	if err := copyAll(b.root(), own); err != nil {
		return err
	}
	for _, files := range r.Layers[0].Over {
		if err := copyAll(files, own); err != nil {
			return err
		}
	}
	return nil
}

// newOwn makes the folders of a root that is the image's own.
func (b *Base) newOwn(dir string, image *Image) (*Root, error) {
	if b.fixed["/"] != nil {
		return b.copyOwn(dir, image)
	}
	lowers := image.Layers
	if len(lowers) == 0 {
		empty := filepath.Join(dir, "empty")
		if err := makeFolder(empty); err != nil {
			return nil, fmt.Errorf("make root: %w", err)
		}
		lowers = []string{empty}
	}
	last := len(lowers) - 1
	root := Layer{
		Target: "/", Lower: lowers[last], Over: lowers[:last],
		Upper: filepath.Join(dir, "upper", "root"), Work: filepath.Join(dir, "work", "root"),
	}
	r := &Root{Dir: dir, Layers: []Layer{root}}
	if err := root.make(); err != nil {
		return nil, errors.Join(fmt.Errorf("make root: %w", err), r.Remove())
	}
	return r, nil
}

// copyOwn copies the image's root, where no overlay can be mounted.
func (b *Base) copyOwn(dir string, image *Image) (*Root, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	own := filepath.Join(dir, "copy")
	r := &Root{Dir: dir, Layers: []Layer{{Target: "/", Lower: own}}}
	if err := layers.Copy(image.Layers, own); err != nil {
		return nil, errors.Join(fmt.Errorf("make root: %w", err), r.Remove())
	}
	return r, nil
}

// open makes a folder of the container's own that lies over the machine's and
// shows what is in it, so that the container may write to it.
func (r *Root) open(folder string) error {
	for _, l := range r.Layers[1:] {
		rest, inside := strings.CutPrefix(folder, l.Target+"/")
		if !inside || l.Upper == "" {
			continue
		}
		if err := makeFolder(filepath.Join(l.Upper, rest)); err != nil {
			return err
		}
	}
	return nil
}

// make makes the layer's own folders, where it has any.
func (l Layer) make() error {
	if l.Upper == "" {
		return nil
	}
	return errors.Join(makeFolder(l.Upper), makeFolder(l.Work))
}

// makeFolder makes a folder, and those that lead to it, for everybody to enter,
// whatever the umask says.
func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// copyAll copies the base, which is all ours, or an image's files over it, with
// modes and links.
func copyAll(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rest)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if err := os.Mkdir(target, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			return os.Chmod(target, info.Mode())
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return writeFile(target, content, info.Mode().Perm())
	})
}

// Usage is how many bytes and inodes the container's own files take.
func (r *Root) Usage() (bytes, inodes uint64, err error) {
	b, n, err := environment.TakenBy(r.Dir, nil)
	return uint64(b), uint64(n), err
}

// Remove removes all that is the container's own.
func (r *Root) Remove() error {
	if err := os.RemoveAll(r.Dir); err != nil {
		return fmt.Errorf("remove root: %w", err)
	}
	return nil
}
