package rootfs

import (
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// An Image is what an image reference means on this machine: folders that a
// container sees besides the machine's own system folders, and what to run in
// it when the pod does not say.
type Image struct {
	ID        string // "sha256:…" of what it was made of
	Reference string // as the pod wrote it

	// Layers are the root that the image brings, the topmost first: unpacked, as
	// overlays want them. Nil is this machine's system folders.
	Layers []string

	Folders   []Folder
	Path      []string          // put first on PATH, as seen in the container
	Variables map[string]string // set unless the pod sets them

	Entrypoint, Command []string
	WorkingDir, User    string
	StopSignal          string   // as "SIGQUIT"; "" is the usual one
	Volumes             []string // folders to write in even where the root is read-only

	Size    int64    // in bytes
	Digests []string // the names by which registries know it, as "name@sha256:…"

	Packed *oci.Image // what Layers are unpacked from; nil for an environment
}

// OwnRoot says whether the image brings a root, so that nothing of this machine is
// seen.
func (i *Image) OwnRoot() bool { return i != nil && i.Packed != nil }

// A Folder is a folder of this machine that an image shows at a place of its own.
// One whose Target is "/" is laid over the root, system folders and all, as an
// image of its own files would be; it is always copy on write.
type Folder struct {
	Source, Target string
	CopyOnWrite    bool // writes stay in the container; else it is read-only
}

// Place is where what a container sees at a path has to be put: an image may have a
// link there, as its /etc/resolv.conf may be, that leads nowhere yet.
func (i *Image) Place(path string) string {
	if !i.OwnRoot() {
		return path
	}
	return layers.Resolve(i.Layers, path)
}

// LaysOver says whether the image has files of its own to lay over the root.
func (i *Image) LaysOver() bool { return i.laidOver() != "" }

// laidOver is the folder of those files, or "".
func (i *Image) laidOver() string {
	if i == nil {
		return ""
	}
	for _, f := range i.Folders {
		if f.Target == "/" {
			return f.Source
		}
	}
	return ""
}
