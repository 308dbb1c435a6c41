package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/cluster/cri"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// podFiles show the files of running containers.
type podFiles struct {
	look func(namespace, pod, container, path string) (*os.File, error)
}

// routes lead to them, for those who may run commands in the pod, and so read them
// anyway:
//
//	GET /weir/files/NAMESPACE/POD/CONTAINER?path=/work            what lies there
//	GET /weir/files/NAMESPACE/POD/CONTAINER/content?path=/work/a  what is in it
func (p podFiles) routes() []gateway.Route {
	rule := routes.MayWithPod("create", "exec")
	return []gateway.Route{
		{Owner: "weir", Pattern: "GET /weir/files/{namespace}/{pod}/{container}", Rule: rule, Handler: http.HandlerFunc(p.tell)},
		{Owner: "weir", Pattern: "GET /weir/files/{namespace}/{pod}/{container}/content", Rule: rule, Handler: http.HandlerFunc(p.read)},
	}
}

// A podFile is a file or folder in a container, as it is told.
type podFile struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"` // file, folder, link or other
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

// A podFolder is what lies at a place in a container. Of a file it has no items.
type podFolder struct {
	podFile
	Items []podFile `json:"items"`
	// More says that there are more items than those.
	More bool `json:"more,omitempty"`
}

// mostPodFiles are how many are told of a folder.
const mostPodFiles = 10_000

func (p podFiles) tell(w http.ResponseWriter, r *http.Request) {
	f, at, err := p.open(r)
	if err != nil {
		refuseFile(w, r, err)
		return
	}
	defer f.Close()
	folder := podFolder{podFile: at, Items: []podFile{}}
	if at.Kind == "folder" {
		// Not f.ReadDir: that may ask by name, which means something else here.
		names, err := f.Readdirnames(mostPodFiles + 1)
		if err != nil && !errors.Is(err, io.EOF) {
			refuseFile(w, r, err)
			return
		}
		folder.More = len(names) > mostPodFiles
		for _, name := range names[:min(len(names), mostPodFiles)] {
			var s unix.Stat_t
			if unix.Fstatat(int(f.Fd()), name, &s, unix.AT_SYMLINK_NOFOLLOW) == nil { // else it has gone
				folder.Items = append(folder.Items, podFileOf(name, &s))
			}
		}
		slices.SortFunc(folder.Items, func(a, b podFile) int { return cmp.Compare(a.Name, b.Name) })
	}
	routes.Respond(w, http.StatusOK, folder)
}

// read gives what is in a file, to be kept and not to be shown: it is anyone's.
func (p podFiles) read(w http.ResponseWriter, r *http.Request) {
	f, at, err := p.open(r)
	if err == nil && at.Kind != "file" {
		f.Close()
		err = syscall.EISDIR
	}
	if err != nil {
		refuseFile(w, r, err)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": at.Name}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	http.ServeContent(w, r, "", at.Changed, f)
}

// open opens what is asked for, and tells what it is.
func (p podFiles) open(r *http.Request) (*os.File, podFile, error) {
	at := r.URL.Query().Get("path")
	f, err := p.look(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"), at)
	if err != nil {
		return nil, podFile{}, err
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		f.Close()
		return nil, podFile{}, err
	}
	return f, podFileOf(path.Base(path.Clean("/"+at)), &s), nil
}

func podFileOf(name string, s *unix.Stat_t) podFile {
	kinds := map[uint32]string{unix.S_IFREG: "file", unix.S_IFDIR: "folder", unix.S_IFLNK: "link"}
	return podFile{Name: name, Kind: cmp.Or(kinds[s.Mode&unix.S_IFMT], "other"), Size: s.Size, Changed: time.Unix(s.Mtim.Unix())}
}

func refuseFile(w http.ResponseWriter, r *http.Request, err error) {
	where := fmt.Sprintf("container %s of pod %s/%s", r.PathValue("container"), r.PathValue("namespace"), r.PathValue("pod"))
	at := r.URL.Query().Get("path")
	switch {
	case errors.Is(err, cri.ErrNotRunning):
		routes.Refuse(w, http.StatusConflict, where+" does not run, and only of one that runs files can be seen")
	case errors.Is(err, cluster.ErrNoNode), errors.Is(err, container.ErrShared):
		routes.Refuse(w, http.StatusConflict, err.Error())
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		routes.Refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %q in %s", at, where))
	case errors.Is(err, fs.ErrPermission):
		routes.Refuse(w, http.StatusForbidden, fmt.Sprintf("the user of %s may not read %q", where, at))
	case errors.Is(err, container.ErrNoFile), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		routes.Refuse(w, http.StatusBadRequest, fmt.Sprintf("%q in %s cannot be read: it is no file", at, where))
	default:
		routes.Fail(w, err)
	}
}
