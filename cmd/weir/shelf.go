package main

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	authorization "k8s.io/api/authorization/v1"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// A shelf is what pods run in, as the pages show it: images and environments.
type shelf struct {
	dir      string
	images   *oci.Store
	settings *reread
}

// routes lead to it. Images of weir's own registry are of the namespace that their
// name begins with; all others, and environments, are of the whole weir.
func (s *shelf) routes() []gateway.Route {
	environments := func(verb string) *routes.Rule {
		return routes.May(func(*http.Request) authorization.SubjectAccessReviewSpec { return over("environments", verb, "", "") })
	}
	return []gateway.Route{
		{Owner: "images", Pattern: "GET /weir/images", Handler: http.HandlerFunc(s.listImages), Rule: routes.May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
			return over("images", "get", r.URL.Query().Get("namespace"), "")
		})},
		{Owner: "images", Pattern: "POST /weir/images", Handler: http.HandlerFunc(s.loadImages), Rule: routes.May(func(*http.Request) authorization.SubjectAccessReviewSpec {
			return over("images", "update", "", "")
		})},
		{Owner: "images", Pattern: "DELETE /weir/images", Handler: http.HandlerFunc(s.removeImage), Rule: routes.May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
			name := r.URL.Query().Get("name")
			return over("images", "delete", namespaceOf(name), name)
		})},
		{Owner: "images", Pattern: "GET /weir/environments", Rule: environments("list"), Handler: http.HandlerFunc(s.listEnvironments)},
		{Owner: "images", Pattern: "DELETE /weir/environments/{id}", Rule: environments("delete"), Handler: http.HandlerFunc(s.removeEnvironment)},
	}
}

func over(resource, verb, namespace, name string) authorization.SubjectAccessReviewSpec {
	return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
		Group: "weir-ml.github.io", Resource: resource, Verb: verb, Namespace: namespace, Name: name,
	}}
}

// namespaceOf is whose an image is, by its name; nobody's in particular if empty.
func namespaceOf(image string) string {
	n, err := oci.ParseName(image)
	if err != nil {
		return ""
	}
	name, own := strings.CutPrefix(n.Repository, ownRegistry+"/")
	namespace, _, inside := strings.Cut(name, "/")
	if !own || !inside {
		return ""
	}
	return namespace
}

// An imageAnswer is an image as it is told.
type imageAnswer struct {
	Name      string     `json:"name"`
	Namespace string     `json:"namespace,omitempty"`
	ID        string     `json:"id"`
	Made      *time.Time `json:"made,omitempty"`
	Size      int64      `json:"size"`
	// Unpacked is how much more room it takes to run it; 0 until it runs.
	Unpacked int64 `json:"unpacked,omitempty"`
	Pulled   bool  `json:"pulled,omitempty"`
}

func (s *shelf) listImages(w http.ResponseWriter, r *http.Request) {
	all, err := s.images.List()
	if err != nil {
		routes.Fail(w, err)
		return
	}
	items, of := []imageAnswer{}, r.URL.Query().Get("namespace")
	for _, i := range all {
		a := imageAnswer{Name: i.Name.Familiar(), Namespace: namespaceOf(i.Name.String()), ID: i.ID.String(), Made: i.Config.Created, Size: i.Size(), Pulled: i.Pulled}
		if of != "" && a.Namespace != of {
			continue
		}
		if u, ok := s.images.Unpacked(i); ok {
			a.Unpacked = u.Size
		}
		items = append(items, a)
	}
	routes.Respond(w, http.StatusOK, map[string]any{"items": items})
}

// loadImages keeps the images of an archive that is sent.
func (s *shelf) loadImages(w http.ResponseWriter, r *http.Request) {
	names, err := s.images.Load(r.Context(), r.Body, r.URL.Query().Get("name"))
	if err != nil {
		routes.Refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	loaded := []string{}
	for _, n := range names {
		loaded = append(loaded, n.Familiar())
	}
	routes.Respond(w, http.StatusOK, map[string]any{"loaded": loaded})
}

// removeImage takes a name away from an image, and frees what nothing needs then.
func (s *shelf) removeImage(w http.ResponseWriter, r *http.Request) {
	err := s.images.Remove(r.URL.Query().Get("name"))
	if errors.Is(err, fs.ErrNotExist) {
		routes.Refuse(w, http.StatusNotFound, err.Error())
		return
	}
	if err == nil {
		_, err = s.images.Collect(oci.PushTime, nil)
	}
	if err != nil && !errors.Is(err, oci.ErrBusy) { // Then the daily cleaning frees it.
		routes.Fail(w, err)
		return
	}
	routes.Respond(w, http.StatusOK, struct{}{})
}

// A recipeAnswer is a line of the catalogue as it is told.
type recipeAnswer struct {
	Image string `json:"image"`
	Means string `json:"means"`
	From  string `json:"from"` // who says so: weir.yaml, weir run, or weir
}

// An environmentAnswer is an environment that is built, as it is told.
type environmentAnswer struct {
	ID       string    `json:"id"`
	Image    string    `json:"image"` // that it was first built for
	Python   string    `json:"python"`
	Packages []string  `json:"packages"`
	Size     int64     `json:"size"`
	Built    time.Time `json:"built"`
}

// environments are those that are built, and the store that has them.
func (s *shelf) environments() (*environment.Store, []environment.Entry, error) {
	store, err := environment.Open(environmentsDir(s.dir), environment.Options{})
	if err != nil {
		return nil, nil, err
	}
	entries, err := store.List()
	return store, entries, err
}

func (s *shelf) listEnvironments(w http.ResponseWriter, _ *http.Request) {
	store, entries, err := s.environments()
	if err != nil {
		routes.Fail(w, err)
		return
	}
	kept, err := store.Kept()
	if err != nil {
		routes.Fail(w, err)
		return
	}
	catalogue := []recipeAnswer{}
	for _, from := range []struct {
		name    string
		recipes []environment.Recipe
	}{{"weir.yaml", s.settings.settings().Environments}, {"weir run", kept}, {"weir", environment.BuiltIn()}} {
		for _, r := range from.recipes {
			catalogue = append(catalogue, recipeAnswer{r.Image, meaning(r), from.name})
		}
	}
	built := []environmentAnswer{}
	for _, e := range slices.Backward(entries) {
		built = append(built, environmentAnswer{e.ID, e.Image, e.Python, e.Packages, e.Size, e.Built})
	}
	routes.Respond(w, http.StatusOK, map[string]any{"catalogue": catalogue, "built": built})
}

// removeEnvironment removes one that is called by its whole ID.
func (s *shelf) removeEnvironment(w http.ResponseWriter, r *http.Request) {
	store, entries, err := s.environments()
	if err != nil {
		routes.Fail(w, err)
		return
	}
	id := r.PathValue("id")
	if !slices.ContainsFunc(entries, func(e environment.Entry) bool { return e.ID == id }) {
		routes.Refuse(w, http.StatusNotFound, "no environment "+id+": GET /weir/environments names them")
		return
	}
	if err := store.Remove(id); err != nil {
		routes.Fail(w, err)
		return
	}
	routes.Respond(w, http.StatusOK, struct{}{})
}
