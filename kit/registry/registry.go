// Package registry is a registry of images as an http.Handler: OCI's distribution
// protocol over a store.
//
//	docker, podman, skopeo, crane ─▶ Handler ─▶ Store
//	                                 /v2/<repository>/blobs, manifests, tags, referrers
//
// Who may do what is decided before a request comes here: Asked says what it asks.
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Store keeps what a registry serves. What is missing is an fs.ErrNotExist.
type Store interface {
	// Repositories and Tags are sorted.
	Repositories() ([]string, error)
	Tags(repository string) ([]string, error)

	// Manifest finds a manifest or an index by its tag or digest, and Manifests all
	// that a repository has.
	Manifest(repository, reference string) (ocispec.Descriptor, []byte, error)
	Manifests(repository string) ([]ocispec.Descriptor, error)
	// PutManifest keeps a manifest, under a tag unless that is "".
	PutManifest(repository, tag string, d ocispec.Descriptor, data []byte) error
	// DeleteManifest removes a manifest, or a tag alone.
	DeleteManifest(repository, reference string) error

	Blob(repository string, d digest.Digest) (*os.File, error)
	DeleteBlob(repository string, d digest.Digest) error
	// Mount gives a repository a blob that another has.
	Mount(repository, from string, d digest.Digest) error

	// An upload is known by the id that NewUpload gives it. Upload says how much has
	// come, and Append how much has then.
	NewUpload(repository string) (id string, err error)
	Upload(repository, id string) (size int64, err error)
	Append(repository, id string, content io.Reader) (size int64, err error)
	// Finish makes an upload a blob. It is fs.ErrInvalid if it has another digest.
	Finish(repository, id string, d digest.Digest) error
	Cancel(repository, id string) error
}

// Handler serves a store.
func Handler(s Store) http.Handler { return &handler{s} }

type handler struct{ store Store }

// A Request is what somebody asks of a registry.
type Request struct {
	Repository string // "" for the registry itself
	Kind       string // "blobs", "uploads", "manifests", "tags", "referrers"; "" for the registry itself
	Reference  string // a digest, a tag, the id of an upload
}

// paths are those of the protocol. A repository's name may have slashes.
var paths = []struct {
	pattern *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`^/v2/(.+)/blobs/uploads/?([^/]*)$`), "uploads"},
	{regexp.MustCompile(`^/v2/(.+)/blobs/([^/]+)$`), "blobs"},
	{regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`), "manifests"},
	{regexp.MustCompile(`^/v2/(.+)/tags/(list)$`), "tags"},
	{regexp.MustCompile(`^/v2/(.+)/referrers/([^/]+)$`), "referrers"},
}

var (
	repositoryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagName        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// Asked says what a request asks, and whether that is anything at all.
func Asked(r *http.Request) (Request, bool) {
	switch r.URL.Path {
	case "/v2", "/v2/", "/v2/_catalog":
		return Request{}, true
	}
	for _, p := range paths {
		if m := p.pattern.FindStringSubmatch(r.URL.Path); m != nil {
			return Request{Repository: m[1], Kind: p.kind, Reference: m[2]}, true
		}
	}
	return Request{}, false
}

// methods are what can be done, with what.
var methods = map[string]func(*handler, http.ResponseWriter, *http.Request, Request) error{
	"GET ":             (*handler).root,
	"GET tags":         (*handler).tags,
	"GET referrers":    (*handler).referrers,
	"GET manifests":    (*handler).manifest,
	"PUT manifests":    (*handler).putManifest,
	"DELETE manifests": (*handler).deleteManifest,
	"GET blobs":        (*handler).blob,
	"DELETE blobs":     (*handler).deleteBlob,
	"POST uploads":     (*handler).startUpload,
	"GET uploads":      (*handler).upload,
	"PATCH uploads":    (*handler).appendUpload,
	"PUT uploads":      (*handler).finishUpload,
	"DELETE uploads":   (*handler).cancelUpload,
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	q, ok := Asked(r)
	if !ok {
		Refuse(w, http.StatusNotFound, "UNSUPPORTED", "the registry has nothing at "+r.URL.Path)
		return
	}
	if q.Kind != "" && (!repositoryName.MatchString(q.Repository) || len(q.Repository) > 255) {
		Refuse(w, http.StatusBadRequest, "NAME_INVALID", fmt.Sprintf("repository %q: names have lower-case letters, digits, and . _ - between them", q.Repository))
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	handle := methods[method+" "+q.Kind]
	if handle == nil {
		Refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", r.Method+" is not done here")
		return
	}
	if err := handle(h, w, r, q); err != nil {
		answer(w, q, err)
	}
}

// A problem is what is wrong with a request.
type problem struct {
	status int
	code   string // of the protocol
	text   string
}

func (p *problem) Error() string { return p.text }

// unknown are the protocol's codes for what is not there.
var unknown = map[string]string{"blobs": "BLOB_UNKNOWN", "uploads": "BLOB_UPLOAD_UNKNOWN", "manifests": "MANIFEST_UNKNOWN", "tags": "NAME_UNKNOWN", "referrers": "MANIFEST_UNKNOWN"}

func answer(w http.ResponseWriter, q Request, err error) {
	var p *problem
	switch {
	case errors.As(err, &p):
		Refuse(w, p.status, p.code, p.text)
	case errors.Is(err, fs.ErrNotExist):
		Refuse(w, http.StatusNotFound, unknown[q.Kind], fmt.Sprintf("repository %s has no %s %s", q.Repository, strings.TrimSuffix(q.Kind, "s"), q.Reference))
	case errors.Is(err, syscall.ENOSPC):
		Refuse(w, http.StatusInsufficientStorage, "DENIED", "the disk of the registry is full: remove images that nobody needs, and push again")
	case errors.Is(err, syscall.EDQUOT):
		Refuse(w, http.StatusForbidden, "DENIED", err.Error())
	default:
		Refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
	}
}

// Refuse answers with an error as the protocol has them.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.NewEncoder(w).Encode(map[string][]problem{"errors": {{code, message}}}) // Who has gone needs no answer.
}

func respond(w http.ResponseWriter, what any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	_ = json.NewEncoder(w).Encode(what) // Who has gone needs no answer.
}

// digestOf reads a digest that a request names.
func digestOf(text string) (digest.Digest, error) {
	d, err := digest.Parse(text)
	if err != nil {
		return "", &problem{http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("digest %q: %v", text, err)}
	}
	return d, nil
}
