package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// maxAnswer is how long what is sent to the door's own routes may be.
const maxAnswer = 16 << 10

// read reads JSON into what, or says what is wrong with it.
func read(w http.ResponseWriter, r *http.Request, what any, like string) bool {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerPatience)) // It is short, so it comes soon.
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAnswer))
	d.DisallowUnknownFields()
	if err := d.Decode(what); err != nil {
		routes.Refuse(w, http.StatusBadRequest, fmt.Sprintf("what was sent cannot be read (%v): send %s", err, like))
		return false
	}
	return true
}

// fail answers that something of ours did not work.
func fail(w http.ResponseWriter, err error) {
	routes.Refuse(w, http.StatusServiceUnavailable, err.Error())
}

// listTokens lists the caller's own tokens.
func (g *Gateway) listTokens(w http.ResponseWriter, r *http.Request) {
	items, err := g.config.Identity.Tokens(r.Context(), visitorOf(r).Name)
	if err != nil {
		fail(w, err)
		return
	}
	routes.Respond(w, http.StatusOK, map[string]any{"items": items})
}

// A newToken is what a token is to be like. Lasts is as Lasting reads it.
type newToken struct {
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	Lasts  string   `json:"lasts"`
}

// makeToken makes a token for the caller. It is shown this once.
func (g *Gateway) makeToken(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	if v.Via == "account" || len(v.Scopes) > 0 {
		routes.Refuse(w, http.StatusForbidden, "a token that is good for some things only, or is a service account's, makes no further tokens")
		return
	}
	var wanted newToken
	if !read(w, r, &wanted, `{"name": "laptop", "scopes": ["read"], "lasts": "720h"}`) {
		return
	}
	lasts, err := Lasting(wanted.Lasts, time.Now())
	if err == nil {
		err = CheckScopes(wanted.Scopes)
	}
	if err == nil && strings.TrimSpace(wanted.Name) == "" {
		err = fmt.Errorf("name is missing: name what the token is for")
	}
	if err != nil {
		routes.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	// One that was made by another does not outlive it.
	if !v.Expires.IsZero() && v.Via == "token" && (lasts == 0 || time.Now().Add(lasts).After(v.Expires)) {
		lasts = time.Until(v.Expires)
	}
	secret, p, err := g.config.Identity.NewToken(r.Context(), v.Subject, wanted.Name, wanted.Scopes, lasts)
	if err != nil {
		fail(w, err)
		return
	}
	g.config.Audit.Info("token made", "user", v.Name, "token", p.ID, "name", p.Title, "scopes", p.Scopes, "expires", p.Expires)
	namespace := "default"
	if own, err := g.namespacesOf(r, v); err == nil && len(own) > 0 && !slices.Contains(own, namespace) {
		namespace = own[0]
	}
	routes.Respond(w, http.StatusCreated, map[string]any{
		"id": p.ID, "name": p.Title, "scopes": p.Scopes, "expires": p.Expires, "token": secret,
		"kubeconfig": g.kubeconfig(r, v.Name, secret), "snippets": g.snippets(r, v.Name, secret, p.Scopes, namespace),
	})
}

// revokeToken takes back one of the caller's own tokens.
func (g *Gateway) revokeToken(w http.ResponseWriter, r *http.Request) {
	v, id := visitorOf(r), r.PathValue("id")
	if len(v.Scopes) > 0 && v.ID != id {
		routes.Refuse(w, http.StatusForbidden, "a token that is good for some things only takes back no other")
		return
	}
	own, err := g.config.Identity.Tokens(r.Context(), v.Name)
	if err != nil {
		fail(w, err)
		return
	}
	if !slices.ContainsFunc(own, func(t identity.Token) bool { return t.ID == id }) {
		routes.Refuse(w, http.StatusNotFound, fmt.Sprintf("you have no token %s", id))
		return
	}
	if err := g.config.Identity.End(r.Context(), id); err != nil {
		fail(w, err)
		return
	}
	g.config.Audit.Info("token taken back", "user", v.Name, "token", id)
	w.WriteHeader(http.StatusNoContent)
}

// Lasting reads how long a token lasts: "720h", "30d", or the last day, as
// "2027-01-31". Nothing is 30 days, and 0 is for ever.
func Lasting(text string, now time.Time) (time.Duration, error) {
	switch text {
	case "":
		return 30 * 24 * time.Hour, nil
	case "0":
		return 0, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		if lasts := day.AddDate(0, 0, 1).Sub(now); lasts > 0 && lasts < mostDays*24*time.Hour {
			return lasts, nil
		}
		return 0, fmt.Errorf("%q is no last day of a token: name one from today on, within a hundred years", text)
	}
	if rest, ok := strings.CutSuffix(text, "d"); ok {
		if days, err := strconv.Atoi(rest); err == nil && days > 0 && days < mostDays {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no time for a token to last: say 12h or 30d, the last day, as 2027-01-31, or 0 for ever", text)
	}
	return d, nil
}

// mostDays are a hundred years.
const mostDays = 36500

// CheckScopes says which scope there is not.
func CheckScopes(scopes []string) error {
	for _, s := range scopes {
		if !slices.Contains(Scopes, s) {
			return fmt.Errorf("there is no scope %q; there are %s, and none is everything", s, strings.Join(Scopes, ", "))
		}
	}
	return nil
}
