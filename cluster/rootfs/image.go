package rootfs

// An Image is what an image reference means on this machine: folders that a
// container sees besides the machine's own system folders, and what to run in
// it when the pod does not say.
type Image struct {
	ID        string // "sha256:…" of what it was made of
	Reference string // as the pod wrote it

	Folders   []Folder
	Path      []string          // put first on PATH, as seen in the container
	Variables map[string]string // set unless the pod sets them

	Entrypoint, Command []string
	WorkingDir, User    string

	Size int64 // in bytes
}

// A Folder is a folder of this machine that an image shows at a place of its own.
// One whose Target is "/" is laid over the root, system folders and all, as an
// image of its own files would be; it is always copy on write.
type Folder struct {
	Source, Target string
	CopyOnWrite    bool // writes stay in the container; else it is read-only
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
