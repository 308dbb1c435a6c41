package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /weir/tokens": g.listTokens, "POST /weir/tokens": g.makeToken, "DELETE /weir/tokens/{id}": g.revokeToken,
		"PUT /weir/password": g.changePassword, "GET /weir/machine": g.showMachine, "GET /weir/routes": g.showRoutes,
	} {
		all = append(all, Route{Owner: "weir", Pattern: pattern, Rule: routes.SignedIn, Handler: handle})
	}
	all = append(all,
		Route{Owner: "weir", Pattern: "GET /weir/users", Rule: overUsers("list"), Handler: http.HandlerFunc(g.listUsers)},
		Route{Owner: "weir", Pattern: "POST /weir/users", Rule: overUsers("create"), Handler: http.HandlerFunc(g.addUser)},
		Route{Owner: "weir", Pattern: "PATCH /weir/users/{name}", Rule: overUsers("update"), Handler: http.HandlerFunc(g.changeUser)},
		Route{Owner: "weir", Pattern: "DELETE /weir/users/{name}", Rule: overUsers("delete"), Handler: http.HandlerFunc(g.removeUser)},
	)
	all = append(all, Route{Owner: "weir", Pattern: "GET /sign-in/ways", Rule: routes.Anyone, Handler: http.HandlerFunc(g.showWays)})
	all = append(all,
		Route{Owner: "weir", Pattern: "GET /sign-in/oidc", Rule: routes.Anyone, Handler: g.sendTo("oidc")},
		Route{Owner: "weir", Pattern: "GET /sign-in/oidc/callback", Rule: routes.Anyone, Handler: g.comeFrom("oidc")},
		Route{Owner: "weir", Pattern: "GET /sign-in/github", Rule: routes.Anyone, Handler: g.sendTo("github")},
		Route{Owner: "weir", Pattern: "GET /sign-in/github/callback", Rule: routes.Anyone, Handler: g.comeFrom("github")},
	)
	if g.store != nil {
		all = append(all,
			Route{Owner: "s3", Pattern: "GET " + storagePath, Rule: routes.SignedIn, Handler: http.HandlerFunc(g.listBuckets)},
			Route{Owner: "s3", Pattern: "GET " + storagePath + "/{$}", Rule: routes.SignedIn, Handler: http.HandlerFunc(g.listBuckets)},
			Route{Owner: "s3", Pattern: storagePath, Tree: true, Rule: routes.May(g.mayStore), Handler: http.HandlerFunc(g.serveStorage)},
			Route{Owner: "s3", Pattern: linksPath, Tree: true, Rule: routes.May(g.mayLink), Handler: http.HandlerFunc(g.makeLink)},
			Route{Owner: "s3", Pattern: "PUT /weir/s3-keys/{namespace}", Rule: overKeys(), Handler: http.HandlerFunc(g.makeKeys)},
			Route{Owner: "s3", Pattern: "DELETE /weir/s3-keys/{namespace}", Rule: routes.SignedIn, Handler: http.HandlerFunc(g.revokeKeys)},
			Route{Owner: "s3", Pattern: "GET /weir/s3-keys", Rule: overUsers("get"), Handler: http.HandlerFunc(g.showKeys)},
		)
	}
	all = append(all, g.portsRoute())
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
		routes.Refuse(w, http.StatusMethodNotAllowed, "pages are there to be read")
		return
	}
	g.config.Pages.ServeHTTP(w, r)
}

// A Way is one by which people sign in.
type Way struct {
	Way string `json:"way"` // password, oidc or github
	// Path takes a name and a password by POST, or leads elsewhere by GET.
	Path string `json:"path"`
	// At is who knows people there: a host, if that is not weir alone.
	At string `json:"at,omitempty"`
}

// showWays says by what the page of sign-in can sign somebody in.
func (g *Gateway) showWays(w http.ResponseWriter, _ *http.Request) {
	s := g.signIns()
	password := Way{Way: "password", Path: "/session"}
	if s.LDAP != nil {
		password.At = hostOf(s.LDAP.URL)
	}
	ways := []Way{password}
	for way, there := range g.elsewheres() {
		ways = append(ways, Way{way, elsewherePath + way, there.at()})
	}
	slices.SortFunc(ways[1:], func(a, b Way) int { return strings.Compare(a.Way, b.Way) })
	routes.Respond(w, http.StatusOK, map[string]any{"items": ways})
}

// hostOf is the host of an address that has been checked.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// showMachine says how the installation fares.
func (g *Gateway) showMachine(w http.ResponseWriter, r *http.Request) {
	if g.config.Machine == nil {
		nothing(w, r)
		return
	}
	routes.Respond(w, http.StatusOK, g.config.Machine(r.Context()))
}

// A RouteAnswer is a route as it is told.
type RouteAnswer struct {
	Owner   string `json:"owner"`
	Pattern string `json:"pattern"`
	Tree    bool   `json:"tree,omitempty"`
	Rule    string `json:"rule"`
}

// showRoutes tells all that the door leads to, and by which rule.
func (g *Gateway) showRoutes(w http.ResponseWriter, _ *http.Request) {
	items := []RouteAnswer{}
	for _, r := range g.table.all {
		items = append(items, RouteAnswer{r.Owner, r.Pattern, r.Tree, r.Rule.String()})
	}
	routes.Respond(w, http.StatusOK, map[string]any{"items": items})
}

// noRoute is why there is nothing at an address, other than that what is asked for
// is not there: beside somebody else's cluster the door leads to less.
const noRoute = "NoRoute"

func nothing(w http.ResponseWriter, r *http.Request) {
	routes.Respond(w, http.StatusNotFound, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: noRoute, Code: http.StatusNotFound,
		Message: "the front door leads nowhere at " + strings.TrimSpace(r.URL.Path),
	})
}
