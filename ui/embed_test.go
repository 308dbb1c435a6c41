package ui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHandler(t *testing.T) {
	built := fstest.MapFS{
		"index.html":          {Data: []byte("<title>weir</title>")},
		"assets/page-1.js":    {Data: []byte("show()")},
		"assets/page-1.js.gz": {Data: []byte("smaller")},
		"mark.svg":            {Data: []byte("<svg/>")},
	}
	const forever, never = "public, max-age=31536000, immutable", "no-cache"
	cases := map[string]struct {
		why          string
		method, path string
		accepts      string
		code         int
		body, cache  string
		encoding     string
	}{
		"Root":       {why: "the first page", path: "/", code: 200, body: "<title>", cache: never},
		"Page":       {why: "a page may be opened by its address", path: "/jobs/default/tfjobs/mnist", code: 200, body: "<title>", cache: never},
		"Asset":      {why: "its name changes with it", path: "/assets/page-1.js", code: 200, body: "show()", cache: forever},
		"Compressed": {why: "the smaller form, to who reads it", path: "/assets/page-1.js", accepts: "br, gzip", code: 200, body: "smaller", cache: forever, encoding: "gzip"},
		"Mark":       {why: "a file outside assets may change", path: "/mark.svg", code: 200, body: "<svg/>", cache: never},
		"OldAsset":   {why: "a page in place of a script would break whoever has an old page open", path: "/assets/page-0.js", code: 404},
		"Outside":    {why: "nothing but the files of the pages", path: "/../embed.go", code: 404},
		"Post":       {why: "pages take nothing in", method: "POST", path: "/", code: 405},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			method := c.method
			if method == "" {
				method = http.MethodGet
			}
			r := httptest.NewRequest(method, c.path, nil)
			r.Header.Set("Accept-Encoding", c.accepts)
			w := httptest.NewRecorder()
			handler(built).ServeHTTP(w, r)
			if w.Code != c.code {
				t.Fatalf("%s: code %d, want %d", c.why, w.Code, c.code)
			}
			if !strings.Contains(w.Body.String(), c.body) {
				t.Errorf("%s: body %q, want %q in it", c.why, w.Body, c.body)
			}
			if c.code != 200 {
				return
			}
			if got := w.Header().Get("Cache-Control"); got != c.cache {
				t.Errorf("%s: Cache-Control %q, want %q", c.why, got, c.cache)
			}
			if got := w.Header().Get("Content-Encoding"); got != c.encoding {
				t.Errorf("%s: Content-Encoding %q, want %q", c.why, got, c.encoding)
			}
		})
	}
}

// A program built without npm says how to have pages.
func TestNotBuilt(t *testing.T) {
	w := httptest.NewRecorder()
	handler(fstest.MapFS{".keep": {}}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jobs", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("answer %d %q, want one that names make build", w.Code, w.Body)
	}
}
