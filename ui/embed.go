// Package ui is the pages that people see. They are written in TypeScript, in
// src, and lie in the program as npm built them.
package ui

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:generate sh -c "go run ../hack/uitypes -openapi $(go list -m -f {{.Dir}} k8s.io/kubernetes)/api/openapi-spec/v3 Pod,Event,Node,Namespace,PersistentVolumeClaim,ConfigMap,Secret,Service,Job,Status,SelfSubjectAccessReview > src/api/kubernetes.ts"
//go:generate sh -c "go run ../hack/uitypes -crds ../install/crds JobSet,TFJob,TrainJob > src/api/platform.ts"

// dist has a placeholder in it, so that the program can be built without npm.
//
//go:embed all:dist
var dist embed.FS

// Handler serves the pages. A path that names no file is a page's own, and gets
// index.html, whose script knows what to show there. Where the pages were not
// built there is one that says how to build them.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // The folder is named in the program itself.
	}
	return handler(files)
}

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the pages are only read", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if path.Ext(name) == "" {
			name = "index.html"
		}
		data, err := fs.ReadFile(files, name)
		switch {
		case err != nil && name == "index.html":
			http.Error(w, "The pages are not in this program. Build it with: make build", http.StatusNotFound)
			return
		case err != nil:
			http.NotFound(w, r)
			return
		}
		// What lies in assets has what is in it in its name; all else may change.
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasPrefix(name, "assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		// The build leaves a smaller form beside what is worth it.
		if smaller, err := fs.ReadFile(files, name+".gz"); err == nil {
			w.Header().Add("Vary", "Accept-Encoding")
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				w.Header().Set("Content-Encoding", "gzip")
				data = smaller
			}
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	})
}
