package gateway

import (
	"errors"
	"net/http"

	authorization "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// overUsers is for those who could as well write the Secrets that users are.
func overUsers(verb string) *routes.Rule {
	return routes.May(func(*http.Request) authorization.SubjectAccessReviewSpec {
		return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
			Verb: verb, Resource: "secrets", Namespace: identity.Namespace,
		}}
	})
}

func (g *Gateway) listUsers(w http.ResponseWriter, r *http.Request) {
	items, err := g.config.Identity.Users(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	routes.Respond(w, http.StatusOK, map[string]any{"items": items})
}

// A userChange is what a user is to be like. What is not said stays, or is
// nothing in one who is new.
type userChange struct {
	Name     string    `json:"name"`
	Groups   *[]string `json:"groups"`
	Password *string   `json:"password"`
}

func (g *Gateway) addUser(w http.ResponseWriter, r *http.Request) {
	var wanted userChange
	if !read(w, r, &wanted, `{"name": "ada", "groups": ["team-a"], "password": …}`) {
		return
	}
	var groups []string
	var password string
	if wanted.Groups != nil {
		groups = *wanted.Groups
	}
	if wanted.Password != nil {
		password = *wanted.Password
	}
	if !g.answerUser(w, g.config.Identity.AddUser(r.Context(), wanted.Name, groups, password)) {
		return
	}
	g.config.Audit.Info("user added", "user", visitorOf(r).Name, "whom", wanted.Name, "groups", groups)
	routes.Respond(w, http.StatusCreated, map[string]any{"name": wanted.Name, "groups": groups})
}

func (g *Gateway) changeUser(w http.ResponseWriter, r *http.Request) {
	var wanted userChange
	if !read(w, r, &wanted, `{"groups": ["team-a"], "password": …}`) {
		return
	}
	name := r.PathValue("name")
	if !g.answerUser(w, g.config.Identity.ChangeUser(r.Context(), name, wanted.Groups, wanted.Password)) {
		return
	}
	g.config.Audit.Info("user changed", "user", visitorOf(r).Name, "whom", name, "groups", wanted.Groups, "password", wanted.Password != nil)
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gateway) removeUser(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !g.answerUser(w, g.config.Identity.RemoveUser(r.Context(), name)) {
		return
	}
	g.config.Audit.Info("user removed", "user", visitorOf(r).Name, "whom", name)
	w.WriteHeader(http.StatusNoContent)
}

// changePassword changes the caller's own password, which they must know, unless
// they have none yet.
func (g *Gateway) changePassword(w http.ResponseWriter, r *http.Request) {
	var given struct{ Old, New string }
	if !read(w, r, &given, `{"old": …, "new": …}`) {
		return
	}
	v := visitorOf(r)
	if !v.cookie || v.Subject.Foreign {
		routes.Refuse(w, http.StatusForbidden, "a password is changed by who has signed in to the pages, and is kept here")
		return
	}
	has, err := g.config.Identity.HasPassword(r.Context(), v.Name)
	if err == nil && has {
		if wait := g.attempts.take(g.signIns().Limits, v.Name, from(r)); wait > 0 {
			tooMany(w, wait)
			return
		}
		if _, err = g.config.Identity.SignIn(r.Context(), v.Name, given.Old); errors.Is(err, identity.ErrUnknown) {
			routes.Refuse(w, http.StatusForbidden, "the old password is another")
			return
		}
	}
	if err != nil {
		fail(w, err)
		return
	}
	if !g.answerUser(w, g.config.Identity.ChangeUser(r.Context(), v.Name, nil, &given.New)) {
		return
	}
	g.config.Audit.Info("password changed", "user", v.Name)
	w.WriteHeader(http.StatusNoContent)
}

// answerUser says what did not work, if anything.
func (g *Gateway) answerUser(w http.ResponseWriter, err error) bool {
	var status *apierrors.StatusError
	switch {
	case err == nil:
		return true
	case apierrors.IsAlreadyExists(err):
		routes.Refuse(w, http.StatusConflict, err.Error())
	case errors.As(err, &status):
		fail(w, err)
	case errors.Is(err, identity.ErrNoUser):
		routes.Refuse(w, http.StatusNotFound, err.Error())
	default:
		routes.Refuse(w, http.StatusBadRequest, err.Error())
	}
	return false
}
