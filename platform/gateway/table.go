package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/weir-ml/weir/platform/routes"
)

// A Route is one thing that the door leads to, and who may use it.
type Route = routes.Route

// A table finds the route of a request, as fast among a thousand as among ten.
type table struct {
	all []Route
	mux *http.ServeMux
	// trees are found by their first one or two folders and get their paths as they came:
	// an object in S3 may be called a//b.
	trees map[string]http.Handler
}

func newTable() *table {
	return &table{mux: http.NewServeMux(), trees: map[string]http.Handler{}}
}

// add adds a route, behind what guard puts before it.
func (t *table) add(r Route, guard func(*Route) http.Handler) (err error) {
	if r.Owner == "" || r.Handler == nil || r.Rule == nil {
		return fmt.Errorf("route %q: an owner, a rule or a handler is missing", r.Pattern)
	}
	if r.Tree && t.trees[r.Pattern] != nil {
		return fmt.Errorf("route %q: there are two", r.Pattern)
	}
	defer func() {
		if said := recover(); said != nil { // The mux says so when two patterns clash.
			err = fmt.Errorf("route %q: %v", r.Pattern, said)
		}
	}()
	if r.Tree {
		t.trees[r.Pattern] = guard(&r)
	} else {
		t.mux.Handle(r.Pattern, guard(&r))
	}
	t.all = append(t.all, r)
	return nil
}

// ServeHTTP leads a request to its route, or says that there is none.
func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := t.tree(r.URL.Path); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	t.mux.ServeHTTP(w, r)
}

// tree is the route by whose one or two first folders a path begins.
func (t *table) tree(path string) http.Handler {
	if !strings.HasPrefix(path, "/") {
		return nil
	}
	first, rest, _ := strings.Cut(path[1:], "/")
	if h := t.trees["/"+first]; h != nil {
		return h
	}
	second, below, _ := strings.Cut(rest, "/")
	if below == "" {
		return nil
	}
	return t.trees["/"+first+"/"+second]
}
