package gateway

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc"
	"golang.org/x/oauth2"

	"github.com/weir-ml/weir/platform/gateway/identity"
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

// reach asks the provider how it signs people in, once.
func (o *oidcDoor) reach(ctx context.Context, issuer string) (*oidc.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil || o.issuer != issuer {
		p, err := oidc.NewProvider(ctx, issuer)
		if err != nil {
			return nil, fmt.Errorf("ask %s how it signs people in: %w", issuer, err)
		}
		o.provider, o.issuer = p, issuer
	}
	return o.provider, nil
}

// elsewhereTimeout is how long what is asked elsewhere may take.
const elsewhereTimeout = 20 * time.Second

// An oidcWay is the way by a provider.
type oidcWay struct {
	*Provider
	door *oidcDoor
}

var _ elsewhere = (*oidcWay)(nil)

func (o *oidcWay) at() string { return hostOf(o.Issuer) }

func (o *oidcWay) client(ctx context.Context, back string) (context.Context, *oauth2.Config, error) {
	// The provider's keys are asked for again later, so this does not end with the
	// request.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: elsewhereTimeout})
	p, err := o.door.reach(ctx, o.Issuer)
	if err != nil {
		return nil, nil, err
	}
	scopes := o.Scopes
	if len(scopes) == 0 {
		scopes = []string{"email", "profile", "groups"}
	}
	return ctx, &oauth2.Config{
		ClientID: o.ClientID, ClientSecret: o.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: back, Scopes: append([]string{oidc.ScopeOpenID}, scopes...),
	}, nil
}

func (o *oidcWay) subject(ctx context.Context, tokens *oauth2.Token, nonce string) (identity.Subject, error) {
	p, err := o.door.reach(ctx, o.Issuer)
	if err != nil {
		return identity.Subject{}, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := p.Verifier(&oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return identity.Subject{}, fmt.Errorf("check what the provider says: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
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
		who.Groups = join(who.Groups, group)
	}
	return who, nil
}
