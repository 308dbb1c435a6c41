package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

func (h *handler) blob(w http.ResponseWriter, r *http.Request, q Request) error {
	d, err := digestOf(q.Reference)
	if err != nil {
		return err
	}
	f, err := h.store.Blob(q.Repository, d)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("ETag", `"`+d.String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, f) // parts of it too, so that a pull can go on
	return nil
}

func (h *handler) deleteBlob(w http.ResponseWriter, _ *http.Request, q Request) error {
	d, err := digestOf(q.Reference)
	if err != nil {
		return err
	}
	if err := h.store.DeleteBlob(q.Repository, d); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// startUpload begins an upload, or ends it in one step: the blob may come with the
// request, or be in another repository already.
func (h *handler) startUpload(w http.ResponseWriter, r *http.Request, q Request) error {
	query := r.URL.Query()
	if text := query.Get("mount"); text != "" && mayMount(q.Repository, query.Get("from")) {
		d, err := digestOf(text)
		if err != nil {
			return err
		}
		err = h.store.Mount(q.Repository, query.Get("from"), d)
		if err == nil {
			created(w, q.Repository, d.String())
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	id, err := h.store.NewUpload(q.Repository)
	if err != nil {
		return err
	}
	q.Reference = id
	if query.Get("digest") != "" {
		return h.finishUpload(w, r, q)
	}
	progress(w, q, 0, http.StatusAccepted)
	return nil
}

// mayMount says whether a blob may come from another repository by its name alone:
// who may use one of a namespace may use them all.
func mayMount(repository, from string) bool {
	to, _, inside := strings.Cut(repository, "/")
	of, _, also := strings.Cut(from, "/")
	return repositoryName.MatchString(from) && inside == also && (to == of || !inside)
}

func created(w http.ResponseWriter, repository, digest string) {
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Location", "/v2/"+repository+"/blobs/"+digest)
	w.WriteHeader(http.StatusCreated)
}

// progress says how much of an upload has come.
func progress(w http.ResponseWriter, q Request, size int64, status int) {
	w.Header().Set("Location", "/v2/"+q.Repository+"/blobs/uploads/"+q.Reference)
	w.Header().Set("Docker-Upload-UUID", q.Reference)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	w.WriteHeader(status)
}

func (h *handler) upload(w http.ResponseWriter, _ *http.Request, q Request) error {
	size, err := h.store.Upload(q.Repository, q.Reference)
	if err != nil {
		return err
	}
	progress(w, q, size, http.StatusNoContent)
	return nil
}

func (h *handler) appendUpload(w http.ResponseWriter, r *http.Request, q Request) error {
	size, err := h.take(r, q)
	if err != nil {
		return err
	}
	progress(w, q, size, http.StatusAccepted)
	return nil
}

// take takes the next part of an upload, which must follow the last.
func (h *handler) take(r *http.Request, q Request) (int64, error) {
	size, err := h.store.Upload(q.Repository, q.Reference)
	if err != nil {
		return 0, err
	}
	if text := r.Header.Get("Content-Range"); text != "" {
		var from, to int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(text, "bytes "), "%d-%d", &from, &to); err != nil || to < from {
			return 0, &problem{http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", fmt.Sprintf("Content-Range %q: FROM-TO is wanted", text)}
		}
		if from != size {
			return 0, &problem{http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", fmt.Sprintf("this part begins at %d, and %d bytes have come", from, size)}
		}
	}
	size, err = h.store.Append(q.Repository, q.Reference, r.Body)
	if err != nil {
		return 0, fmt.Errorf("upload: %w", err)
	}
	return size, nil
}

func (h *handler) finishUpload(w http.ResponseWriter, r *http.Request, q Request) error {
	d, err := digestOf(r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	if r.ContentLength != 0 {
		if _, err := h.take(r, q); err != nil {
			return err
		}
	}
	if err := h.store.Finish(q.Repository, q.Reference, d); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if errors.Is(err, fs.ErrInvalid) {
			return &problem{http.StatusBadRequest, "DIGEST_INVALID", err.Error()}
		}
		return err
	}
	created(w, q.Repository, d.String())
	return nil
}

func (h *handler) cancelUpload(w http.ResponseWriter, _ *http.Request, q Request) error {
	if err := h.store.Cancel(q.Repository, q.Reference); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
