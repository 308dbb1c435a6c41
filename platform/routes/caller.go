package routes

import (
	"context"
	"slices"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"
)

// A Caller is who asks, as the cluster knows them.
type Caller struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
	// Token is the caller's own token of the cluster. Who came in otherwise has
	// none, and is acted for by impersonation.
	Token string
}

// CallerFrom is whom the cluster says a token is of.
func CallerFrom(u authentication.UserInfo, token string) *Caller {
	c := &Caller{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: map[string][]string{}, Token: token}
	for k, v := range u.Extra {
		c.Extra[k] = v
	}
	return c
}

// Config is base with the rights of the caller, in place of its own.
func (c *Caller) Config(base *rest.Config) *rest.Config {
	if c.Token != "" {
		config := rest.AnonymousClientConfig(base)
		config.BearerToken = c.Token
		return config
	}
	config := rest.CopyConfig(base)
	config.Impersonate = rest.ImpersonationConfig{UserName: c.Name, UID: c.UID, Groups: c.Groups, Extra: c.Extra}
	return config
}

// Review fills in who a review is about.
func (c *Caller) Review(s *authorization.SubjectAccessReviewSpec) {
	s.User, s.UID, s.Groups = c.Name, c.UID, slices.Clone(c.Groups)
	if !slices.Contains(s.Groups, "system:authenticated") {
		s.Groups = append(s.Groups, "system:authenticated")
	}
	s.Extra = map[string]authorization.ExtraValue{}
	for k, v := range c.Extra {
		s.Extra[k] = v
	}
}

type callerKey struct{}

// WithCaller tells the handler of a route who asks.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is who asks; nil when the route is for anyone and they did not say.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
