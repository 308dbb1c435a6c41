package gateway

import (
	"net/http"
	"strings"

	"github.com/weir-ml/weir/platform/routes"
)

// ownRoutes are the door's own.
func (g *Gateway) ownRoutes() []Route {
	all := []Route{
		{Owner: "weir", Pattern: "GET /session", Rule: routes.SignedIn, Handler: http.HandlerFunc(g.showSession)},
		{Owner: "weir", Pattern: "POST /session", Rule: routes.Anyone, Handler: http.HandlerFunc(g.signIn)},
		{Owner: "weir", Pattern: "DELETE /session", Rule: routes.SignedIn, Handler: http.HandlerFunc(g.signOut)},
		{Owner: "weir", Pattern: "GET /sign-in", Rule: routes.Anyone, Handler: http.HandlerFunc(g.useLink)},
		{Owner: "weir", Pattern: "/weir/", Rule: routes.SignedIn, Handler: http.HandlerFunc(nothing)},
		{Owner: "pages", Pattern: "/", Rule: routes.Anyone, Handler: http.HandlerFunc(g.showPage)},
	}
	for _, tree := range []string{"/api", "/apis", "/openapi"} {
		all = append(all, Route{Owner: "kubernetes", Pattern: tree, Tree: true, Rule: routes.OwnRights, Handler: g.kubernetes})
	}
	// What says nothing but that it is there, the API server tells anyone.
	for _, tree := range []string{"/version", "/healthz", "/livez", "/readyz"} {
		all = append(all, Route{Owner: "kubernetes", Pattern: tree, Tree: true, Rule: routes.Anyone, Handler: g.kubernetes})
	}
	return all
}

// showPage shows whatever is no route as a page.
func (g *Gateway) showPage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "pages are there to be read")
		return
	}
	g.config.Pages.ServeHTTP(w, r)
}

func nothing(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotFound, "NotFound", "the front door leads nowhere at "+strings.TrimSpace(r.URL.Path))
}
