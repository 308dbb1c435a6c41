package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// root answers that the protocol is spoken here, or which repositories there are.
func (h *handler) root(w http.ResponseWriter, r *http.Request, _ Request) error {
	if r.URL.Path != "/v2/_catalog" {
		respond(w, struct{}{})
		return nil
	}
	all, err := h.store.Repositories()
	if err != nil {
		return err
	}
	if all, err = page(w, r, all); err == nil {
		respond(w, map[string][]string{"repositories": all})
	}
	return err
}

func (h *handler) tags(w http.ResponseWriter, r *http.Request, q Request) error {
	all, err := h.store.Tags(q.Repository)
	if err != nil {
		return err
	}
	if all, err = page(w, r, all); err == nil {
		respond(w, map[string]any{"name": q.Repository, "tags": all})
	}
	return err
}

// page is the part of a list that a request asks for: n names after last.
func page(w http.ResponseWriter, r *http.Request, all []string) ([]string, error) {
	query := r.URL.Query()
	if last := query.Get("last"); last != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name <= last })
	}
	if text := query.Get("n"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, &problem{http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", fmt.Sprintf("n=%s: a number from 0 on is wanted", text)}
		}
		if n < len(all) {
			all = all[:n]
			if n > 0 {
				w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.Path, url.Values{"n": {text}, "last": {all[n-1]}}.Encode()))
			}
		}
	}
	return slices.Concat([]string{}, all), nil
}

func (h *handler) manifest(w http.ResponseWriter, r *http.Request, q Request) error {
	if err := checkReference(q.Reference); err != nil {
		return err
	}
	d, data, err := h.store.Manifest(q.Repository, q.Reference)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", d.MediaType)
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.Header().Set("ETag", `"`+d.Digest.String()+`"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // Who has gone needs no answer.
	}
	return nil
}

// checkReference looks at a tag or a digest.
func checkReference(reference string) error {
	if strings.Contains(reference, ":") {
		_, err := digestOf(reference)
		return err
	}
	if !tagName.MatchString(reference) {
		return &problem{http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf("tag %q: tags have letters, digits and . _ -, at most 128", reference)}
	}
	return nil
}

// maxManifest is how large a manifest may be: as large as others take it.
const maxManifest = 4 << 20

// contents is what a manifest or an index says of others.
type contents struct {
	MediaType    string               `json:"mediaType"`
	Config       *ocispec.Descriptor  `json:"config"`
	Layers       []ocispec.Descriptor `json:"layers"`
	Manifests    []ocispec.Descriptor `json:"manifests"`
	Subject      *ocispec.Descriptor  `json:"subject"`
	ArtifactType string               `json:"artifactType"`
	Annotations  map[string]string    `json:"annotations"`
}

func (h *handler) putManifest(w http.ResponseWriter, r *http.Request, q Request) error {
	if err := checkReference(q.Reference); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxManifest+1))
	if err != nil {
		return &problem{http.StatusBadRequest, "MANIFEST_INVALID", fmt.Sprintf("the manifest did not come whole: %v", err)}
	}
	if len(data) > maxManifest {
		return &problem{http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", fmt.Sprintf("the manifest is larger than %d MiB", maxManifest>>20)}
	}
	var c contents
	if err := json.Unmarshal(data, &c); err != nil {
		return &problem{http.StatusBadRequest, "MANIFEST_INVALID", fmt.Sprintf("the manifest is not JSON: %v", err)}
	}
	d := ocispec.Descriptor{MediaType: c.MediaType, Size: int64(len(data)), Digest: digest.FromBytes(data)}
	if said, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && said != "" {
		if d.MediaType != "" && d.MediaType != said {
			return &problem{http.StatusBadRequest, "MANIFEST_INVALID", fmt.Sprintf("the manifest says it is %q, the request %q", d.MediaType, said)}
		}
		d.MediaType = said
	}
	if d.MediaType == "" {
		return &problem{http.StatusBadRequest, "MANIFEST_INVALID", "neither the manifest nor Content-Type says what kind of manifest it is"}
	}
	tag := q.Reference
	if strings.Contains(tag, ":") {
		want, err := digestOf(tag)
		if err != nil {
			return err
		}
		if d.Digest = want.Algorithm().FromBytes(data); d.Digest != want {
			return &problem{http.StatusBadRequest, "DIGEST_INVALID", fmt.Sprintf("the manifest's digest is %s, not %s", d.Digest, want)}
		}
		tag = ""
	}
	if err := h.whole(q.Repository, c); err != nil {
		return err
	}
	if err := h.store.PutManifest(q.Repository, tag, d, data); err != nil {
		return err
	}
	if c.Subject != nil {
		w.Header().Set("OCI-Subject", c.Subject.Digest.String())
	}
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.Header().Set("Location", "/v2/"+q.Repository+"/manifests/"+q.Reference)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// whole says which part of an image is missing. Layers that lie elsewhere may.
func (h *handler) whole(repository string, c contents) error {
	parts := c.Layers
	if c.Config != nil {
		parts = append(parts, *c.Config)
	}
	for _, p := range parts {
		if len(p.URLs) > 0 {
			continue
		}
		if _, err := digestOf(p.Digest.String()); err != nil {
			return err
		}
		f, err := h.store.Blob(repository, p.Digest)
		if errors.Is(err, fs.ErrNotExist) {
			return &problem{http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", fmt.Sprintf("%s, which the manifest names, is not in repository %s: push it first", p.Digest, repository)}
		}
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

func (h *handler) deleteManifest(w http.ResponseWriter, _ *http.Request, q Request) error {
	if err := checkReference(q.Reference); err != nil {
		return err
	}
	if err := h.store.DeleteManifest(q.Repository, q.Reference); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// referrers lists the manifests that say something about another, which need not be
// there.
func (h *handler) referrers(w http.ResponseWriter, r *http.Request, q Request) error {
	subject, err := digestOf(q.Reference)
	if err != nil {
		return err
	}
	all, err := h.store.Manifests(q.Repository)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	wanted := r.URL.Query().Get("artifactType")
	for _, d := range all {
		_, data, err := h.store.Manifest(q.Repository, d.Digest.String())
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted just now
		}
		if err != nil {
			return err
		}
		var c contents
		if json.Unmarshal(data, &c) != nil || c.Subject == nil || c.Subject.Digest != subject {
			continue
		}
		d.ArtifactType, d.Annotations = c.ArtifactType, c.Annotations
		if d.ArtifactType == "" && c.Config != nil {
			d.ArtifactType = c.Config.MediaType
		}
		if wanted == "" || wanted == d.ArtifactType {
			index.Manifests = append(index.Manifests, d)
		}
	}
	if wanted != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	respond(w, index)
	return nil
}
