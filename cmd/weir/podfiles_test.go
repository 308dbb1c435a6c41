package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/cluster/cri"
)

// What a container has is told by its own names, read in part, and never shown as a
// page of weir's.
func TestFilesOfPods(t *testing.T) {
	root := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(root, "work/models"), 0o755),
		os.WriteFile(filepath.Join(root, "work/page.html"), []byte("<script>"), 0o644),
		os.Symlink("page.html", filepath.Join(root, "work/link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	for _, r := range (podFiles{func(namespace, pod, container, path string) (*os.File, error) {
		if namespace != "team" || pod != "w-0" || container != "main" {
			return nil, cri.ErrNotRunning
		}
		f, err := os.Open(filepath.Join(root, path))
		if err != nil {
			return nil, err
		}
		fd, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDONLY, 0)
		f.Close()
		return fd, err
	}}).routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	ask := func(place, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/weir/files/team/"+place+"?path="+url.QueryEscape(path), nil)
		if len(header) == 2 {
			r.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	var told podFolder
	w := ask("w-0/main", "/work/")
	if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var got []string
	for _, i := range told.Items {
		got = append(got, i.Name+" "+i.Kind)
	}
	if want := []string{"link link", "models folder", "page.html file"}; told.Name != "work" || told.Kind != "folder" || !cmp.Equal(got, want) {
		t.Errorf("%s %s: %v, want the folder work with %v", told.Kind, told.Name, got, want)
	}
	w = ask("w-0/main/content", "/work/link", "Range", "bytes=1-3")
	if h := w.Header(); w.Code != http.StatusPartialContent || w.Body.String() != "scr" || h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != "attachment; filename=link" {
		t.Errorf("%d %q %v", w.Code, w.Body, h)
	}
	for place, want := range map[string]map[string]int{
		"w-0/main":         {"/none": http.StatusNotFound, "/work/page.html/x": http.StatusNotFound, "/work/page.html": http.StatusOK},
		"w-0/main/content": {"/none": http.StatusNotFound, "/work": http.StatusBadRequest},
		"w-0/other":        {"/work": http.StatusConflict},
		"w-1/main/content": {"/work/page.html": http.StatusConflict},
	} {
		for path, code := range want {
			if w := ask(place, path); w.Code != code {
				t.Errorf("%s %s: %d %s, want %d", place, path, w.Code, w.Body, code)
			}
		}
	}
}
