package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// guard lets requests through to a route, if its rule allows.
func (g *Gateway) guard(route *Route) http.Handler {
	return count(route.Owner, func(w *counted, r *http.Request) { g.answer(w, r, route) })
}

func (g *Gateway) answer(w *counted, r *http.Request, route *Route) {
	refuse := func(code int, message string) {
		if route.Refuse != nil {
			route.Refuse(w, r, code, message)
			return
		}
		routes.Refuse(w, code, message)
	}
	who, err := g.who(r)
	if err != nil && !errors.Is(err, identity.ErrUnknown) {
		refuse(http.StatusServiceUnavailable, fmt.Sprintf("who you are cannot be found out now: %v", err))
		return
	}
	if g.tooFast(w, who.party(r), refuse) {
		return
	}
	if route.Rule == routes.Anyone {
		route.Handler.ServeHTTP(w, withPass(r, who))
		return
	}
	if who == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(http.StatusUnauthorized, "nobody is signed in, or no longer: open the link that weir link prints, sign in with a password, or send a token, from weir token create or kubectl create token, as Authorization: Bearer TOKEN")
		return
	}
	if who.cookie && !sameOrigin(r) {
		refuse(http.StatusForbidden, "this was sent by a page of another site, which may not act for you")
		return
	}
	if !allows(who.Scopes, route, r) {
		refuse(http.StatusForbidden, fmt.Sprintf("token %q of %s is good for %s only; weir token create makes others", who.Title, who.Name, strings.Join(who.Scopes, ", ")))
		return
	}
	if err := g.may(r, route, who); err != nil {
		code := http.StatusServiceUnavailable
		if isForbidden(err) {
			code = http.StatusForbidden
		}
		refuse(code, err.Error())
		return
	}
	ctx, cancel := while(r.Context(), &who.Pass)
	defer cancel()
	w.held = ctx
	route.Handler.ServeHTTP(w, withPass(r.WithContext(ctx), who))
}

// A visitor is who asks, and how they said so.
type visitor struct {
	identity.Pass
	cookie bool // so that a page of another site could have made their browser say it
}

// party is whose requests are counted together: no one is known by the address.
func (v *visitor) party(r *http.Request) party {
	if v == nil {
		return party{kind: "requests", address: from(r)}
	}
	return party{kind: "requests", name: v.Name}
}

type visitorKey struct{}

func withPass(r *http.Request, v *visitor) *http.Request {
	if v == nil {
		return r
	}
	ctx := context.WithValue(r.Context(), visitorKey{}, v)
	return r.WithContext(routes.WithCaller(ctx, &v.Caller))
}

func visitorOf(r *http.Request) *visitor {
	v, _ := r.Context().Value(visitorKey{}).(*visitor)
	return v
}

// while ends when a pass does, so that a watch or a shell does not outlive the
// right to it.
func while(ctx context.Context, p *identity.Pass) (context.Context, context.CancelFunc) {
	if p.Held == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := context.AfterFunc(p.Held, cancel)
	stop := func() { ended(); cancel() }
	if p.Expires.IsZero() {
		return ctx, stop
	}
	timer := time.AfterFunc(time.Until(p.Expires), cancel)
	return ctx, func() { timer.Stop(); stop() }
}

// who finds out who asks. Of several things that say so a token counts first;
// one that is wrong is not made up for by a cookie.
func (g *Gateway) who(r *http.Request) (*visitor, error) {
	if token, ok := bearer(r); ok {
		if strings.HasPrefix(token, identity.TokenPrefix) {
			p, err := g.config.Identity.Token(r.Context(), token)
			if err != nil {
				return nil, err
			}
			return &visitor{Pass: *p}, nil
		}
		return g.account(r, token)
	}
	if c, err := r.Cookie(cookieName(r)); err == nil && c.Value != "" {
		p, err := g.config.Identity.Session(r.Context(), c.Value)
		if err != nil {
			return nil, err
		}
		return &visitor{Pass: *p, cookie: true}, nil
	}
	return nil, nil
}

// bearer is the token that a request carries.
func bearer(r *http.Request) (string, bool) {
	if given := r.Header.Get("Authorization"); given != "" {
		scheme, token, _ := strings.Cut(given, " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token), true
		}
		return "", true // Something else, which is nobody's token.
	}
	for p := range strings.SplitSeq(strings.Join(r.Header["Sec-Websocket-Protocol"], ","), ",") {
		if encoded, ok := strings.CutPrefix(strings.TrimSpace(p), routes.SocketToken); ok {
			token, err := base64.RawURLEncoding.DecodeString(encoded)
			return string(token), err == nil
		}
	}
	return "", false
}

// account is whose token of the cluster this is: a service account's, mostly.
func (g *Gateway) account(r *http.Request, token string) (*visitor, error) {
	if token == "" {
		return nil, identity.ErrUnknown
	}
	review := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token}}
	review, err := g.core.AuthenticationV1().TokenReviews().Create(r.Context(), review, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the cluster whose token this is: %w", err)
	}
	if !review.Status.Authenticated {
		return nil, identity.ErrUnknown
	}
	return &visitor{Pass: identity.Pass{Caller: *routes.CallerFrom(review.Status.User, token), Via: "account"}}, nil
}

// sameOrigin says whether a request that came with a cookie may have come from
// one of our own pages: browsers say where a request is from. What only reads is
// let through, since other pages cannot see the answer, unless it stays open.
func sameOrigin(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if reads && r.Header.Get("Upgrade") == "" {
		return true
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		// A browser says one of both, but for an upgrade only the origin.
		return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Upgrade") == ""
	}
	o, err := url.Parse(origin)
	return err == nil && o.Host == r.Host && o.Host != ""
}

// forbidden says that somebody may not do something.
type forbidden string

func (f forbidden) Error() string { return string(f) }

// may says whether the rule of a route lets somebody through.
func (g *Gateway) may(r *http.Request, route *Route, who *visitor) error {
	review, ok := route.Rule.Review(r)
	if !ok {
		return nil
	}
	return g.allowed(r, review, who)
}

func isForbidden(err error) bool {
	var no forbidden
	return errors.As(err, &no)
}

// allowed says whether somebody may do what a review asks.
func (g *Gateway) allowed(r *http.Request, review authorization.SubjectAccessReviewSpec, who *visitor) error {
	who.Caller.Review(&review)
	answer, err := g.core.AuthorizationV1().SubjectAccessReviews().Create(r.Context(), &authorization.SubjectAccessReview{Spec: review}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask the cluster what %s may: %w", who.Name, err)
	}
	if !answer.Status.Allowed {
		return forbidden(fmt.Sprintf("%s may not %s; a role of the cluster can allow it", who.Name, routes.Asked(review)))
	}
	return nil
}

// Scopes are what a token may be good for: a part of the door, or reading alone.
var Scopes = []string{"read", "images", "kubernetes", "s3", "weir"}

// allows says whether a token's scopes are for a request.
func allows(scopes []string, route *Route, r *http.Request) bool {
	if slices.Contains(scopes, "read") && !onlyReads(r) {
		return false
	}
	return inScope(scopes, route.Owner)
}

// inScope says whether a token's scopes leave it a part of the door.
func inScope(scopes []string, part string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return s != "read" }) || slices.Contains(scopes, part)
}

// onlyReads says whether a request changes and runs nothing. What goes through
// to pods does who knows what.
func onlyReads(r *http.Request) bool {
	if (r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions) || r.Header.Get("Upgrade") != "" {
		return false
	}
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if slices.Contains([]string{"proxy", "exec", "attach", "portforward"}, part) {
			return false
		}
	}
	return true
}
