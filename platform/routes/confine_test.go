package routes_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weir-ml/weir/platform/routes"
)

// A browser that is sent on does so as whoever looks, and policies do not look at
// the path that it is sent to: so no program of others sends out of its place.
func TestNothingIsSentOutOfItsPlace(t *testing.T) {
	in := httptest.NewRequest("GET", "http://weir.test/portforward/team/box/80/", nil)
	place, err := routes.PlaceOf(in, "/portforward/team/box/80/")
	if err != nil {
		t.Fatal(err)
	}
	const refused = ""
	for to, want := range map[string]string{
		"/login?next=%2Fa#b":              "/portforward/team/box/80/login?next=%2Fa#b",
		"next":                            "/portforward/team/box/80/at/next",
		"?page=2":                         "/portforward/team/box/80/at/here?page=2",
		"..":                              "/portforward/team/box/80/",
		"sub/":                            "/portforward/team/box/80/at/sub/",
		"/portforward/team/box/80/known":  "/portforward/team/box/80/known",
		"http://weir.test/known":          "/portforward/team/box/80/known",
		"/api/v1/namespaces/team/secrets": "/portforward/team/box/80/api/v1/namespaces/team/secrets",
		"/portforward/team/box/80/../../../../api":       "/portforward/team/box/80/api",
		"/portforward/team/box/80/%2e%2e/%2e%2e/../../x": "/portforward/team/box/80/x",
		"/portforward/team/box/80":                       "/portforward/team/box/80",
		"/portforward/team/box/8000/":                    "/portforward/team/box/80/portforward/team/box/8000/",
		"../../../../../weir/users":                      "/portforward/team/box/80/weir/users",
		"//evil.example/":                                refused,
		"https://evil.example/":                          refused,
		"javascript:alert(1)":                            refused,
		`/portforward/team/box/80/..\..\..\..\api`:       refused,
		`\\evil.example\`:                                refused,
		"/portforward/team/box/80/%5c..%5c..":            refused,
		"/a\tb":                                          refused,
	} {
		asked := httptest.NewRequest("GET", "http://box/at/here", nil)
		answer := &http.Response{StatusCode: http.StatusTemporaryRedirect, Header: http.Header{"Location": {to}, "Set-Cookie": {"a=b"}}, Request: asked}
		err := place.Confine(answer)
		switch got := answer.Header.Get("Location"); {
		case want == refused && err == nil:
			t.Errorf("%q is sent on to %q, want an error", to, got)
		case want != refused && (err != nil || got != want):
			t.Errorf("%q is sent on to %q, %v, want %q", to, got, err, want)
		case want != refused && answer.Header.Get("Set-Cookie") != "":
			t.Errorf("%q comes with a cookie", to)
		}
	}
	for _, path := range []string{"/portforward/a b/", "/portforward/a;b/", "/portforward/a'/", "/portforward", "/portforward//"} {
		if _, err := routes.PlaceOf(in, path); err == nil {
			t.Errorf("%q is a place", path)
		}
	}
}
