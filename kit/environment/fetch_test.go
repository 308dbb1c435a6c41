package environment

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is fetched from the web, and what is said of what cannot be.
func TestFetch(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "missing") {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "numbers")
	}))
	defer web.Close()
	for name, tc := range map[string]struct {
		why, uri, file, says string
	}{
		"File":    {why: "A file keeps its name.", uri: web.URL + "/a/my%20data.csv", file: "dataset/my data.csv", says: "dataset is in "},
		"Host":    {why: "Something without a name gets one.", uri: web.URL, file: "dataset/index", says: "dataset is in "},
		"Upward":  {why: "A name does not lead out.", uri: web.URL + "/..%2f..%2fup", file: "dataset/up", says: "dataset is in "},
		"Missing": {why: "The server's word is passed on.", uri: web.URL + "/missing", says: "404"},
		"Scheme":  {why: "What can be fetched is said.", uri: "ftp://host/file", says: "STORAGE_URI 'ftp://host/file': give s3://bucket/folder, https://host/file or hf://owner/repository"},
		"Nothing": {why: "So it is when there is nothing.", uri: "", says: "STORAGE_URI '': give"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := exec.Command("python3", "-c", fetch, "dataset")
			c.Env = append(os.Environ(), "STORAGE_URI="+tc.uri, "WORKSPACE="+dir, "no_proxy=*")
			out, err := c.CombinedOutput()
			if (err == nil) != (tc.file != "") || !strings.Contains(string(out), tc.says) {
				t.Errorf("%s %v: %s", tc.why, err, out)
			}
			if tc.file == "" {
				return
			}
			if data, err := os.ReadFile(filepath.Join(dir, tc.file)); err != nil || string(data) != "numbers" {
				t.Errorf("%s %q, %v", tc.why, data, err)
			}
		})
	}
}
