package gateway

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc"
	"golang.org/x/oauth2"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// A Provider is an OpenID Connect provider by which people sign in.
type Provider struct {
	// Issuer is its address, such as https://accounts.example.com.
	Issuer string `json:"issuer"`
	// ClientID and ClientSecret are what it knows weir by.
	ClientID     string `json:"clientID"`
	ClientSecret string `json:"clientSecret"`
	// NameClaim holds a user's name; email if empty. GroupsClaim holds their
	// groups; groups if empty.
	NameClaim   string `json:"nameClaim,omitempty"`
	GroupsClaim string `json:"groupsClaim,omitempty"`
	// Scopes are asked for beside openid; email, profile and groups if none.
	Scopes []string `json:"scopes,omitempty"`
}

// Check says what is missing, or wrong, by the field.
func (p *Provider) Check() error {
	u, err := url.Parse(p.Issuer)
	if err != nil || u.Host == "" || (u.Scheme != "https" && !isLoopback(u.Hostname())) {
		return &FieldError{"issuer", fmt.Errorf("%q is no address: say the provider's, with https://", p.Issuer)}
	}
	if p.ClientID == "" {
		return &FieldError{"clientID", errors.New("it is missing: say what the provider knows weir by")}
	}
	return nil
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// An oidcDoor knows the provider that it has asked last. It asks when somebody
// first comes.
type oidcDoor struct {
	mu       sync.Mutex
	issuer   string
	provider *oidc.Provider
}

// A waiter is the door as the settings have it while one request lasts.
type waiter struct {
	Provider
	door *oidcDoor
}

var errNoProvider = errors.New("no provider signs people in here: signIn.oidc in weir.yaml can name one")

// provider signs people in by what the settings name now.
func (g *Gateway) provider() (*waiter, error) {
	p := g.signIns().OIDC
	if p == nil {
		return nil, errNoProvider
	}
	return &waiter{*p, &g.oidc}, nil
}

const (
	providerPath = "/sign-in/oidc"
	callbackPath = "/sign-in/oidc/callback"
	// providerCookie holds what must come back with who was sent to the provider.
	providerCookie   = "weir-oidc"
	providerPatience = 10 * time.Minute
)

// reach is a context to ask the provider in. Its keys are asked for again later,
// so it does not end with the request.
func (o *waiter) reach(r *http.Request) (context.Context, *oidc.Provider, error) {
	ctx := oidc.ClientContext(context.WithoutCancel(r.Context()), &http.Client{Timeout: 20 * time.Second})
	o.door.mu.Lock()
	defer o.door.mu.Unlock()
	if o.door.provider == nil || o.door.issuer != o.Issuer {
		p, err := oidc.NewProvider(ctx, o.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("ask %s how it signs people in: %w", o.Issuer, err)
		}
		o.door.provider, o.door.issuer = p, o.Issuer
	}
	return ctx, o.door.provider, nil
}

func (o *waiter) client(r *http.Request, p *oidc.Provider) *oauth2.Config {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	scopes := o.Scopes
	if len(scopes) == 0 {
		scopes = []string{"email", "profile", "groups"}
	}
	return &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: scheme + "://" + r.Host + callbackPath, Scopes: append([]string{oidc.ScopeOpenID}, scopes...),
	}
}

// A journey is what must come back from the provider.
type journey struct{ State, Nonce, Verifier string }

// toProvider sends somebody to the provider.
func (g *Gateway) toProvider(w http.ResponseWriter, r *http.Request) {
	o, err := g.provider()
	if err != nil {
		routes.Refuse(w, http.StatusNotFound, err.Error())
		return
	}
	_, p, err := o.reach(r)
	if err != nil {
		fail(w, err)
		return
	}
	j := journey{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	value := url.Values{"s": {j.State}, "n": {j.Nonce}, "v": {j.Verifier}}.Encode()
	http.SetCookie(w, &http.Cookie{
		Name: providerCookie, Value: value, Path: providerPath, MaxAge: int(providerPatience.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, o.client(r, p).AuthCodeURL(j.State, oidc.Nonce(j.Nonce), oauth2.S256ChallengeOption(j.Verifier)), http.StatusSeeOther)
}

// fromProvider signs in who comes back.
func (g *Gateway) fromProvider(w http.ResponseWriter, r *http.Request) {
	var who identity.Subject
	o, err := g.provider()
	if err == nil {
		who, err = o.subject(r)
	}
	http.SetCookie(w, &http.Cookie{Name: providerCookie, Path: providerPath, MaxAge: -1})
	if err == nil {
		err = g.unkept(r, who.User)
	}
	if err == nil {
		err = g.startSession(w, r, who, "oidc")
	}
	if err != nil {
		g.config.Audit.Warn("sign-in refused", "user", who.User, "via", "oidc", "from", from(r), "error", err.Error())
		http.Redirect(w, r, "/sign-in?problem=provider", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// unkept refuses a provider's user of the name of one whom we keep ourselves.
func (g *Gateway) unkept(r *http.Request, name string) error {
	kept, err := g.config.Identity.Keeps(r.Context(), name)
	if err == nil && kept {
		err = fmt.Errorf("the provider's user %s has the name of one of weir's own", name)
	}
	return err
}

// subject is whom the provider says has come back.
func (o *waiter) subject(r *http.Request) (identity.Subject, error) {
	c, err := r.Cookie(providerCookie)
	if err != nil {
		return identity.Subject{}, errors.New("who comes back was not sent, or took too long")
	}
	sent, err := url.ParseQuery(c.Value)
	if err != nil || sent.Get("s") == "" || subtle.ConstantTimeCompare([]byte(sent.Get("s")), []byte(r.URL.Query().Get("state"))) != 1 {
		return identity.Subject{}, errors.New("who comes back is another than was sent")
	}
	if said := r.URL.Query().Get("error"); said != "" {
		return identity.Subject{}, fmt.Errorf("the provider says %q %q", said, r.URL.Query().Get("error_description"))
	}
	ctx, p, err := o.reach(r)
	if err != nil {
		return identity.Subject{}, err
	}
	tokens, err := o.client(r, p).Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(sent.Get("v")))
	if err != nil {
		return identity.Subject{}, fmt.Errorf("get what the provider says: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := p.Verifier(&oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return identity.Subject{}, fmt.Errorf("check what the provider says: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(sent.Get("n"))) != 1 {
		return identity.Subject{}, errors.New("what the provider says was said before")
	}
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil {
		return identity.Subject{}, fmt.Errorf("read what the provider says: %w", err)
	}
	return o.claimed(claims)
}

// claimed reads who somebody is. What is kept for the cluster and for weir no
// provider may claim.
func (p *Provider) claimed(claims map[string]json.RawMessage) (identity.Subject, error) {
	who := identity.Subject{Foreign: true}
	claim := p.NameClaim
	if claim == "" {
		claim = "email"
	}
	if err := json.Unmarshal(claims[claim], &who.User); err != nil {
		return who, fmt.Errorf("the provider says no %s; nameClaim in weir.yaml names what holds a user's name", claim)
	}
	if verified, said := claims["email_verified"]; claim == "email" && said && string(verified) != "true" {
		return who, fmt.Errorf("the provider has not verified %s", who.User)
	}
	if err := identity.CheckName(who.User); err != nil {
		return who, err
	}
	groups := p.GroupsClaim
	if groups == "" {
		groups = "groups"
	}
	var said []string
	if err := json.Unmarshal(claims[groups], &said); claims[groups] != nil && err != nil {
		return who, fmt.Errorf("the provider's %s is no list of groups", groups)
	}
	for _, group := range said {
		if strings.TrimSpace(group) != "" && !identity.Reserved(group) {
			who.Groups = append(who.Groups, group)
		}
	}
	return who, nil
}
