package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func newShelf(t *testing.T) *shelf {
	t.Helper()
	dir := t.TempDir()
	images, err := imagesAt(dir, 8080)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := readSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &shelf{dir, images, newReread(dir, settings)}
}

// ask asks a route of a shelf, whatever its rule says, and reads what it answers.
func (s *shelf) ask(t *testing.T, method, path string, body []byte, into any) int {
	t.Helper()
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, bytes.NewReader(body)))
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	return w.Code
}

func (s *shelf) names(t *testing.T, query string) []string {
	t.Helper()
	var list struct{ Items []imageAnswer }
	s.ask(t, "GET", "/weir/images"+query, nil, &list)
	names := []string{}
	for _, i := range list.Items {
		names = append(names, i.Name)
	}
	return names
}

// Images are listed by namespace, loaded, and removed by their names.
func TestShelfOfImages(t *testing.T) {
	s := newShelf(t)
	for _, name := range []string{"weir.local/ada/mnist:v1", "weir.local/team/x:v1", "busybox"} {
		if _, err := s.images.Make(name, ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.names(t, ""), []string{"busybox:latest", "weir.local/ada/mnist:v1", "weir.local/team/x:v1"}; !cmp.Equal(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
	if got, want := s.names(t, "?namespace=team"), []string{"weir.local/team/x:v1"}; !cmp.Equal(got, want) {
		t.Errorf("of team: %v, want %v", got, want)
	}

	var archive bytes.Buffer
	if err := s.images.Save(&archive, "busybox"); err != nil {
		t.Fatal(err)
	}
	var loaded struct{ Loaded []string }
	if code := s.ask(t, "POST", "/weir/images?name=weir.local/ada/new:v2", archive.Bytes(), &loaded); code != http.StatusOK || !cmp.Equal(loaded.Loaded, []string{"weir.local/ada/new:v2"}) {
		t.Errorf("loading: %d %v", code, loaded.Loaded)
	}
	var refused struct{ Message string }
	if code := s.ask(t, "POST", "/weir/images", []byte("no archive"), &refused); code != http.StatusUnprocessableEntity || refused.Message == "" {
		t.Errorf("loading what is no archive: %d %q", code, refused.Message)
	}
	for _, want := range []int{http.StatusOK, http.StatusNotFound} {
		if code := s.ask(t, "DELETE", "/weir/images?name=weir.local/ada/mnist:v1", nil, &refused); code != want {
			t.Errorf("removing: %d %s, want %d", code, refused.Message, want)
		}
	}
	if got, want := s.names(t, "?namespace=ada"), []string{"weir.local/ada/new:v2"}; !cmp.Equal(got, want) {
		t.Errorf("of ada: %v, want %v", got, want)
	}
}

// What somebody must be allowed is of the namespace that a name begins with, and
// of none where the name is another registry's.
func TestWhoseAnImageIs(t *testing.T) {
	s := newShelf(t)
	for name, want := range map[string]string{
		"weir.local/ada/mnist:v1": "ada", "weir.local/ada/a/b@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865": "ada",
		"weir.local/mnist": "", "ada/mnist:v1": "", "localhost:8080/ada/mnist": "", "weir.local.evil/ada/x": "", "weir.local/../ada/x": "", "": "",
	} {
		if got := namespaceOf(name); got != want {
			t.Errorf("%q is of %q, want %q", name, got, want)
		}
		for _, r := range s.routes() {
			if r.Pattern != "DELETE /weir/images" {
				continue
			}
			q := httptest.NewRequest("DELETE", "/weir/images", nil)
			q.URL.RawQuery = "name=" + name
			if review, _ := r.Rule.Review(q); review.ResourceAttributes.Namespace != want || review.ResourceAttributes.Verb != "delete" {
				t.Errorf("to remove %q one must be allowed %v", name, review.ResourceAttributes)
			}
		}
	}
}

// The catalogue has what weir.yaml says first, and what is built can be removed.
func TestShelfOfEnvironments(t *testing.T) {
	s := newShelf(t)
	if err := os.WriteFile(settingsFile(s.dir), []byte("environments:\n- image: my/image\n  packages: [keras]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var all struct {
		Catalogue []recipeAnswer
		Built     []environmentAnswer
	}
	s.ask(t, "GET", "/weir/environments", nil, &all)
	if len(all.Catalogue) < 2 || all.Catalogue[0] != (recipeAnswer{"my/image", "keras", "weir.yaml"}) || all.Catalogue[1].From != "weir" || len(all.Built) != 0 {
		t.Errorf("got %+v", all)
	}
	if code := s.ask(t, "DELETE", "/weir/environments/sha256:12", nil, nil); code != http.StatusNotFound {
		t.Errorf("removing one that is not there: %d", code)
	}
	id := "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	dir := environmentsDir(s.dir) + "/" + id
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/environment.json", []byte(`{"image":"my/image","packages":["keras==3.1"],"size":5}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ask(t, "GET", "/weir/environments", nil, &all)
	if len(all.Built) != 1 || all.Built[0].ID != "sha256:"+id || all.Built[0].Size != 5 {
		t.Fatalf("built: %+v", all.Built)
	}
	if code := s.ask(t, "DELETE", "/weir/environments/sha256:"+id[:12], nil, nil); code != http.StatusNotFound {
		t.Errorf("removing by the beginning of a name: %d", code)
	}
	if code := s.ask(t, "DELETE", "/weir/environments/sha256:"+id, nil, nil); code != http.StatusOK {
		t.Errorf("removing: %d", code)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
