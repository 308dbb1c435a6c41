package gateway

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// An elsewhere is where people are sent to say who they are, and come back from.
type elsewhere interface {
	// at is the host where they say it.
	at() string
	// client is what we are there, for those who come back to an address, and a
	// context to ask in.
	client(ctx context.Context, back string) (context.Context, *oauth2.Config, error)
	// subject is whom it says has come back.
	subject(ctx context.Context, tokens *oauth2.Token, nonce string) (identity.Subject, error)
}

// elsewheres are those that the settings name now, by the word in their path.
func (g *Gateway) elsewheres() map[string]elsewhere {
	s, all := g.signIns(), map[string]elsewhere{}
	if s.OIDC != nil {
		all["oidc"] = &oidcWay{s.OIDC, &g.oidc}
	}
	if s.GitHub != nil {
		all["github"] = s.GitHub
	}
	return all
}

const (
	elsewherePath = "/sign-in/"
	// journeyCookie holds what must come back with who was sent elsewhere.
	journeyCookie   = "weir-journey"
	journeyPatience = 10 * time.Minute
)

// A journey is what must come back from elsewhere.
type journey struct{ way, state, nonce, verifier string }

func (j journey) String() string {
	return url.Values{"w": {j.way}, "s": {j.state}, "n": {j.nonce}, "v": {j.verifier}}.Encode()
}

// journeyOf is the one that somebody comes back from.
func journeyOf(r *http.Request, way string) (journey, error) {
	c, err := r.Cookie(journeyCookie)
	if err != nil {
		return journey{}, errors.New("who comes back was not sent, or took too long")
	}
	sent, err := url.ParseQuery(c.Value)
	if err != nil || sent.Get("w") != way || sent.Get("s") == "" || subtle.ConstantTimeCompare([]byte(sent.Get("s")), []byte(r.URL.Query().Get("state"))) != 1 {
		return journey{}, errors.New("who comes back is another than was sent")
	}
	return journey{way, sent.Get("s"), sent.Get("n"), sent.Get("v")}, nil
}

func backTo(r *http.Request, way string) string {
	return schemeOf(r) + "://" + r.Host + elsewherePath + way + "/callback"
}

// sendTo sends somebody elsewhere.
func (g *Gateway) sendTo(way string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		there := g.elsewheres()[way]
		if there == nil {
			routes.Refuse(w, http.StatusNotFound, fmt.Sprintf("nobody signs in by %s here: signIn.%[1]s in weir.yaml can say how", way))
			return
		}
		_, client, err := there.client(r.Context(), backTo(r, way))
		if err != nil {
			g.config.Audit.Warn("sign-in refused", "via", way, "from", from(r), "error", err.Error())
			http.Redirect(w, r, "/sign-in?problem=unreachable", http.StatusSeeOther)
			return
		}
		j := journey{way, rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
		http.SetCookie(w, &http.Cookie{
			Name: journeyCookie, Value: j.String(), Path: elsewherePath, MaxAge: int(journeyPatience.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
		})
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, client.AuthCodeURL(j.state, oauth2.SetAuthURLParam("nonce", j.nonce), oauth2.S256ChallengeOption(j.verifier)), http.StatusSeeOther)
	}
}

// comeFrom signs in who comes back.
func (g *Gateway) comeFrom(way string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := g.cameFrom(r, way)
		http.SetCookie(w, &http.Cookie{Name: journeyCookie, Path: elsewherePath, MaxAge: -1})
		if err == nil {
			err = g.unkept(r, who.User)
		}
		if err == nil {
			err = g.startSession(w, r, who, way)
		}
		if err != nil {
			g.config.Audit.Warn("sign-in refused", "user", who.User, "via", way, "from", from(r), "error", err.Error())
			http.Redirect(w, r, "/sign-in?problem=provider", http.StatusSeeOther)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (g *Gateway) cameFrom(r *http.Request, way string) (identity.Subject, error) {
	there := g.elsewheres()[way]
	if there == nil {
		return identity.Subject{}, errors.New("nobody signs in by this any longer")
	}
	j, err := journeyOf(r, way)
	if err != nil {
		return identity.Subject{}, err
	}
	if said := r.URL.Query().Get("error"); said != "" {
		return identity.Subject{}, fmt.Errorf("the provider says %q %q", said, r.URL.Query().Get("error_description"))
	}
	ctx, client, err := there.client(r.Context(), backTo(r, way))
	if err != nil {
		return identity.Subject{}, err
	}
	tokens, err := client.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(j.verifier))
	if err != nil {
		return identity.Subject{}, fmt.Errorf("get what the provider says: %w", err)
	}
	return there.subject(ctx, tokens, j.nonce)
}

// unkept refuses somebody else's user of the name of one whom we keep ourselves.
func (g *Gateway) unkept(r *http.Request, name string) error {
	kept, err := g.config.Identity.Keeps(r.Context(), name)
	if err == nil && kept {
		err = fmt.Errorf("the provider's user %s has the name of one of weir's own", name)
	}
	return err
}
