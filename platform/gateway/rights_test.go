package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// who may use the routes whose rule is a right in the cluster. A new one is
// written here, or the test fails.
var whoMay = map[string][]string{
	"GET /weir/users":                                 {"owner"},
	"POST /weir/users":                                {"owner"},
	"PATCH /weir/users/{name}":                        {"owner"},
	"DELETE /weir/users/{name}":                       {"owner"},
	"GET /weir/s3-keys":                               {"owner"},
	"/portforward/{namespace}/{pod}/{port}/{rest...}": {"editor", "admin", "owner"},
	"PUT /weir/s3-keys/{namespace}":                   {"viewer", "editor", "admin", "owner"},
}

// below are requests below the routes that are trees, and who may make them.
var below = map[string][]struct {
	method, path string
	may          []string
}{
	"/weir/s3": {
		{"GET", "/weir/s3/team-data?list-type=2", []string{"viewer", "editor", "admin", "owner"}},
		{"GET", "/weir/s3/team-data/there", []string{"viewer", "editor", "admin", "owner"}},
		{"HEAD", "/weir/s3/team-data/there", []string{"viewer", "editor", "admin", "owner"}},
		{"PUT", "/weir/s3/team-data/new", []string{"editor", "admin", "owner"}},
		{"POST", "/weir/s3/team-data/parts?uploads", []string{"editor", "admin", "owner"}},
		{"DELETE", "/weir/s3/team-data/new", []string{"editor", "admin", "owner"}},
		{"PUT", "/weir/s3/team-more", []string{"editor", "admin", "owner"}},
		{"DELETE", "/weir/s3/team-none", []string{"editor", "admin", "owner"}},
		{"GET", "/weir/s3/other-data?list-type=2", []string{"owner"}},
		{"GET", "/weir/s3/other-data/there", []string{"owner"}},
		{"PUT", "/weir/s3/other-data/new", []string{"owner"}},
		{"DELETE", "/weir/s3/other-data/there", []string{"owner"}},
		{"PUT", "/weir/s3/nobodys", []string{"owner"}},
		{"GET", "/weir/s3/teamwork?list-type=2", []string{"owner"}},
	},
	"/weir/s3-links": {
		{"POST", "/weir/s3-links/team-data/there", []string{"viewer", "editor", "admin", "owner"}},
		{"POST", "/weir/s3-links/other-data/there", []string{"owner"}},
		{"POST", "/weir/s3-links/teamwork/there", []string{"owner"}},
	},
	"/version": {{"GET", "/version", nil}}, "/healthz": {{"GET", "/healthz", nil}},
	"/livez": {{"GET", "/livez", nil}}, "/readyz": {{"GET", "/readyz", nil}},
	"/api":     {{"GET", "/api/v1/namespaces/team/pods", nil}, {"POST", "/api/v1/namespaces/team/configmaps", nil}, {"GET", "/api/v1/nodes", nil}},
	"/apis":    {{"GET", "/apis/apps/v1/namespaces/team/deployments", nil}, {"DELETE", "/apis/batch/v1/namespaces/team/jobs/none", nil}},
	"/openapi": {{"GET", "/openapi/v3", nil}},
}

// Every route, tried as everybody: by its rule, nobody gets more or less.
func TestEveryRouteAsEverybody(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	direct := newDirect(t)
	for _, route := range d.gateway.Routes() {
		for _, request := range requestsOf(t, &route) {
			t.Run(request.method+" "+request.path, func(t *testing.T) {
				for _, name := range append(outside, "stranger", "viewer", "editor", "admin", "owner") {
					got := d.ask(t, d.as(t, name), request.method, request.path, "no JSON").code
					out := slices.Contains(outside, name)
					var ok bool
					var want string
					switch {
					case route.Rule == routes.Anyone:
						ok, want = got != 401 && got != 403, "to be let in, as anyone"
					case out:
						ok, want = got == 401, "401"
					case route.Rule == routes.SignedIn:
						ok, want = got != 401 && got != 403, "to be let in"
					case route.Rule == routes.OwnRights && route.Owner == "kubernetes":
						code := direct.as(t, name, request.method, request.path, "no JSON")
						ok, want = got == code, fmt.Sprintf("%d, as from the API server", code)
					case slices.Contains(request.may, name):
						ok, want = got != 401 && got != 403, "to be let in"
					default:
						ok, want = got == 403, "403"
					}
					if !ok {
						t.Errorf("%s is answered %d, want %s", name, got, want)
					}
				}
			})
		}
	}
}

// as is somebody by the name of a test's person.
func (d *door) as(t *testing.T, name string) person {
	t.Helper()
	lasts := time.Hour
	if strings.HasPrefix(name, "expired") {
		lasts = time.Nanosecond
	}
	var who person
	var p *identity.Pass
	var err error
	switch name {
	case "no one":
		return who
	case "revoked", "expired":
		who.cookie, p, err = d.users.StartSession(t.Context(), identity.Subject{User: "owner"}, "test", lasts)
	case "revoked token", "expired token":
		who.token, p, err = d.users.NewToken(t.Context(), identity.Subject{User: "owner"}, "test", nil, lasts)
	default:
		return d.signIn(t, name)
	}
	if err == nil && strings.HasPrefix(name, "revoked") {
		err = d.users.End(t.Context(), p.ID)
	}
	if err != nil && (lasts == time.Hour || !errors.Is(err, identity.ErrUnknown)) {
		t.Fatal(err)
	}
	return who
}

// outside are those whom nothing lets in.
var outside = []string{"no one", "revoked", "expired", "revoked token", "expired token"}

type request struct {
	method, path string
	may          []string
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// requestsOf are requests that lead to a route.
func requestsOf(t *testing.T, r *gateway.Route) []request {
	t.Helper()
	if r.Tree {
		if len(below[r.Pattern]) == 0 {
			t.Fatalf("route %s: say in this test what lies below it, and who may ask for it", r.Pattern)
		}
		var all []request
		for _, b := range below[r.Pattern] {
			all = append(all, request{b.method, b.path, b.may})
		}
		return all
	}
	method, path, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		method, path = http.MethodGet, r.Pattern
	}
	path = wildcard.ReplaceAllStringFunc(path, func(w string) string {
		if w == "{$}" {
			return ""
		}
		if w == "{namespace}" {
			return theirs
		}
		return "none"
	})
	may, known := whoMay[r.Pattern]
	if r.Rule.String() == "may" && !known {
		t.Fatalf("route %s: say in this test who may use it", r.Pattern)
	}
	return []request{{method, path, may}}
}

// A direct asks the API server itself.
type direct struct{ config *rest.Config }

func newDirect(t *testing.T) *direct { return &direct{clustertest.REST(t)} }

// as asks as a person, by impersonation, and returns the code of the answer.
func (d *direct) as(t *testing.T, name, method, path, body string) int {
	t.Helper()
	config := rest.CopyConfig(d.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	if name == "owner" {
		config.Impersonate.Groups = []string{identity.Owners}
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, config.Host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	return a.StatusCode
}

// People of one namespace try all that they can think of in another.
func TestNothingOfOthersIsReached(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	tried := 0
	namespaced := map[string][]string{
		"/api/v1":                            {"pods", "secrets", "configmaps", "services", "persistentvolumeclaims", "events", "serviceaccounts", "resourcequotas", "endpoints"},
		"/apis/apps/v1":                      {"deployments", "statefulsets", "daemonsets", "replicasets"},
		"/apis/batch/v1":                     {"jobs", "cronjobs"},
		"/apis/networking.k8s.io/v1":         {"networkpolicies", "ingresses"},
		"/apis/rbac.authorization.k8s.io/v1": {"roles", "rolebindings"},
	}
	var paths []request
	for group, resources := range namespaced {
		for _, resource := range resources {
			at := group + "/namespaces/" + others + "/" + resource
			paths = append(paths, []request{
				{"GET", at, nil}, {"GET", at + "/x", nil}, {"POST", at, nil}, {"PUT", at + "/x", nil}, {"DELETE", at + "/x", nil},
				{"DELETE", at, nil}, {"GET", at + "?watch=true", nil},
			}...)
		}
	}
	pod := "/api/v1/namespaces/" + others + "/pods/x"
	paths = append(paths, []request{
		{"GET", pod + "/log", nil}, {"GET", pod + "/exec?command=id", nil}, {"POST", pod + "/exec?command=id", nil},
		{"POST", pod + "/attach", nil}, {"POST", pod + "/portforward", nil}, {"GET", pod + "/proxy/", nil}, {"POST", pod + "/eviction", nil},
		{"GET", "/portforward/" + others + "/x/80/", nil}, {"POST", "/portforward/" + others + "/x/80/any", nil},
		{"GET", "/api/v1/namespaces/" + others + "/services/x/proxy/", nil}, {"POST", "/api/v1/namespaces/" + others + "/serviceaccounts/default/token", nil},
		{"GET", "/api/v1/namespaces/" + identity.Namespace + "/secrets", nil}, {"GET", "/api/v1/secrets", nil}, {"GET", "/api/v1/pods", nil},
		{"GET", "/api/v1/nodes", nil}, {"GET", "/api/v1/nodes/weir/proxy/", nil}, {"DELETE", "/api/v1/namespaces/" + others, nil},
		{"POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", nil}, {"POST", "/api/v1/namespaces/" + identity.Namespace + "/secrets", nil},
		{"GET", "/weir/s3/other-data?list-type=2", nil}, {"GET", "/weir/s3/other-data/there", nil}, {"PUT", "/weir/s3/other-data/there", nil}, {"DELETE", "/weir/s3/other-data/there", nil},
		{"POST", "/weir/s3/other-data/x?uploads", nil}, {"PUT", "/weir/s3/other-data/x?partNumber=1&uploadId=x", nil}, {"GET", "/weir/s3/other-data/x?uploadId=x&part-number-marker=0&max-parts=1", nil},
		{"POST", "/weir/s3-links/other-data/there", nil}, {"POST", "/weir/s3-links/other-data/none?expires=1", nil}, {"POST", "/weir/s3-links/teamwork/there", nil}, {"POST", "/weir/s3-links/weir-code/x", nil},
		{"GET", "/weir/users", nil}, {"POST", "/weir/users", nil}, {"PATCH", "/weir/users/owner", nil}, {"DELETE", "/weir/users/owner", nil}, {"GET", "/weir/s3-keys", nil}, {"PUT", "/weir/s3-keys/" + others, nil}, {"PUT", "/weir/s3-keys/" + identity.Namespace, nil},
	}...)
	for _, name := range []string{"stranger", "viewer", "editor", "admin"} {
		who := d.withToken(t, name)
		for _, r := range paths {
			tried++
			if got := d.ask(t, who, r.method, r.path, "{}").code; got != http.StatusForbidden {
				t.Errorf("%s: %s %s is answered %d, want 403", name, r.method, r.path, got)
			}
		}
	}
	// One who may read does not make anything run.
	viewer := d.withToken(t, "viewer")
	for _, r := range []request{
		{"POST", "/api/v1/namespaces/team/pods", nil}, {"POST", "/api/v1/namespaces/team/pods/x/exec?command=id", nil}, {"GET", "/api/v1/namespaces/team/pods/x/exec?command=id", nil},
		{"POST", "/api/v1/namespaces/team/pods/x/attach", nil}, {"GET", "/api/v1/namespaces/team/pods/x/proxy/", nil}, {"GET", "/portforward/team/x/80/", nil}, {"GET", "/api/v1/namespaces/team/services/x/proxy/", nil},
		{"POST", "/apis/batch/v1/namespaces/team/jobs", nil}, {"POST", "/apis/apps/v1/namespaces/team/deployments", nil}, {"GET", "/api/v1/namespaces/team/secrets", nil},
		{"PATCH", "/apis/apps/v1/namespaces/team/deployments/x/scale", nil}, {"POST", "/api/v1/namespaces/team/serviceaccounts/default/token", nil}, {"PUT", "/weir/s3/team-data/x", nil},
	} {
		tried++
		if got := d.ask(t, viewer, r.method, r.path, "{}").code; got != http.StatusForbidden {
			t.Errorf("viewer: %s %s is answered %d, want 403", r.method, r.path, got)
		}
	}
	if tried < 300 {
		t.Errorf("%d attempts, want 300 at least", tried)
	}
}
