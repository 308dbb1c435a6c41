package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	authorization "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// A SessionAnswer says who is signed in.
type SessionAnswer struct {
	User    string    `json:"user"`
	Groups  []string  `json:"groups"`
	Via     string    `json:"via"`
	Expires time.Time `json:"expires,omitzero"`
	// Password says whether the user has one. It is left out for whom weir does not keep.
	Password *bool `json:"password,omitempty"`
	// Namespaces are those that the user has a role in. It is left out for who may
	// list all themselves.
	Namespaces []string `json:"namespaces,omitzero"`
}

// cookieName differs by port: browsers send a host's cookies to all its ports,
// and two weirs on a machine would sign each other's users out.
func cookieName(r *http.Request) string {
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		return "weir-session-" + port
	}
	return "weir-session"
}

func (g *Gateway) showSession(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	a := SessionAnswer{User: v.Name, Groups: v.Groups, Via: v.Via, Expires: v.Expires}
	if a.Groups == nil {
		a.Groups = []string{}
	}
	var err error
	if a.Namespaces, err = g.namespacesOf(r, v); err == nil && v.Via != "account" && !v.Subject.Foreign {
		var has bool
		has, err = g.config.Identity.HasPassword(r.Context(), v.Name)
		a.Password = &has
	}
	if err != nil {
		fail(w, err)
		return
	}
	routes.Respond(w, http.StatusOK, a)
}

// namespacesOf are those in which a role is bound to somebody; nil is all, for who
// may list them. The cluster itself does not say.
func (g *Gateway) namespacesOf(r *http.Request, v *visitor) ([]string, error) {
	err := g.allowed(r, authorization.SubjectAccessReviewSpec{
		ResourceAttributes: &authorization.ResourceAttributes{Verb: "list", Resource: "namespaces"},
	}, v)
	if !isForbidden(err) {
		return nil, err
	}
	bindings, err := g.core.RbacV1().RoleBindings("").List(r.Context(), metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("read where %s has a role: %w", v.Name, err)
	}
	names := []string{}
	for _, b := range bindings.Items {
		if slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool { return isOne(s, &v.Caller) }) {
			names = append(names, b.Namespace)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// isOne says whether a subject of a binding is somebody, or a group of theirs.
// The group of all who are signed in gives nobody a home.
func isOne(s rbacv1.Subject, c *routes.Caller) bool {
	switch s.Kind {
	case rbacv1.UserKind:
		return s.Name == c.Name
	case rbacv1.GroupKind:
		return slices.Contains(c.Groups, s.Name)
	case rbacv1.ServiceAccountKind:
		return c.Name == "system:serviceaccount:"+s.Namespace+":"+s.Name
	}
	return false
}

// signIn signs somebody in by name and password.
func (g *Gateway) signIn(w http.ResponseWriter, r *http.Request) {
	if !sameOrigin(r) {
		routes.Refuse(w, http.StatusForbidden, "this was sent by a page of another site, which may not sign you in")
		return
	}
	var given struct{ Name, Password string }
	if !read(w, r, &given, `{"name": …, "password": …}`) {
		return
	}
	if wait := g.attempts.take(g.signIns().Limits, given.Name, from(r)); wait > 0 {
		g.config.Audit.Warn("sign-in refused", "user", given.Name, "via", "password", "from", from(r), "error", "too many attempts")
		tooMany(w, wait)
		return
	}
	who, via, err := g.byPassword(r, given.Name, given.Password)
	if errors.Is(err, identity.ErrUnknown) {
		g.config.Audit.Warn("sign-in refused", "user", given.Name, "via", "password", "from", from(r))
		routes.Refuse(w, http.StatusUnauthorized, "no user has this name and password")
		return
	}
	if err == nil {
		g.attempts.forgive(given.Name, from(r))
		err = g.startSession(w, r, who, via)
	}
	if err != nil {
		routes.Refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	routes.Respond(w, http.StatusCreated, map[string]string{"user": who.User})
}

// byPassword is whose name and password these are: one of weir's own users, or of
// the directory's, if there is one.
func (g *Gateway) byPassword(r *http.Request, name, password string) (who identity.Subject, via string, err error) {
	who, err = g.config.Identity.SignIn(r.Context(), name, password)
	directory := g.signIns().LDAP
	if directory == nil || !errors.Is(err, identity.ErrUnknown) {
		return who, "password", err
	}
	if who, err = directory.signIn(r.Context(), name, password); err != nil {
		return who, "ldap", err
	}
	if kept := g.unkept(r, who.User); kept != nil {
		g.config.Audit.Warn("sign-in refused", "user", who.User, "via", "ldap", "from", from(r), "error", kept.Error())
		return who, "ldap", identity.ErrUnknown
	}
	return who, "ldap", nil
}

// useLink signs in who comes with a link, and leads them on.
func (g *Gateway) useLink(w http.ResponseWriter, r *http.Request) {
	secret := r.URL.Query().Get("token")
	if secret == "" {
		g.config.Pages.ServeHTTP(w, r) // the page that asks for name and password
		return
	}
	who, err := g.config.Identity.UseLink(r.Context(), secret)
	if err == nil {
		err = g.startSession(w, r, who, "link")
	}
	if err != nil {
		g.config.Audit.Warn("sign-in refused", "via", "link", "from", from(r), "error", err.Error())
		http.Redirect(w, r, "/sign-in?problem=link", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// startSession signs somebody in.
func (g *Gateway) startSession(w http.ResponseWriter, r *http.Request, who identity.Subject, via string) error {
	secret, p, err := g.config.Identity.StartSession(r.Context(), who, via, g.signIns().session())
	if err != nil {
		return err
	}
	g.config.Audit.Info("signed in", "user", p.Name, "via", via, "from", from(r), "session", p.ID)
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: secret, Path: "/", Expires: p.Expires,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	})
	w.Header().Set("Cache-Control", "no-store")
	return nil
}

// signOut ends the session at once, here and wherever else it is known.
func (g *Gateway) signOut(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	if !v.cookie {
		routes.Refuse(w, http.StatusBadRequest, "this came with a token, which no sign-out ends; weir token revoke does")
		return
	}
	if err := g.config.Identity.End(r.Context(), v.ID); err != nil {
		routes.Refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	g.config.Audit.Info("signed out", "user", v.Name, "session", v.ID)
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
	w.WriteHeader(http.StatusNoContent)
}

// schemeOf is by what a request came.
func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// from is the address that a request came from.
func from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Link is the address that signs somebody in with a link's secret.
func Link(base, secret string) string {
	return strings.TrimSuffix(base, "/") + "/sign-in?" + url.Values{"token": {secret}}.Encode()
}
