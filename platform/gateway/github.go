package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/weir-ml/weir/platform/gateway/identity"
)

// A GitHub is where members of organizations sign in. They are known as
// github:LOGIN, in the groups github:ORG and github:ORG:TEAM: names there are
// anybody's to choose, and must not be those of others here.
type GitHub struct {
	// ClientID and ClientSecret are what it knows weir by.
	ClientID     string `json:"clientID"`
	ClientSecret string `json:"clientSecret"`
	// Organizations are those whose members come in.
	Organizations []string `json:"organizations"`
	// Host is that of an Enterprise Server; github.com if empty.
	Host string `json:"host,omitempty"`
}

var _ elsewhere = (*GitHub)(nil)

// Check says what is missing, or wrong, by the field.
func (h *GitHub) Check() error {
	switch {
	case h.ClientID == "" || h.ClientSecret == "":
		return &FieldError{"clientID", errors.New("it or clientSecret is missing: say what GitHub knows weir by")}
	case len(h.Organizations) == 0:
		return &FieldError{"organizations", errors.New("it is missing: name those whose members come in, as [example]; else all of GitHub would")}
	case strings.Contains(h.Host, "/"):
		return &FieldError{"host", fmt.Errorf("%q is no host: say one as github.example.com", h.Host)}
	}
	return nil
}

// addresses are where people sign in, and where it is asked who they are.
func (h *GitHub) addresses() (site, api string) {
	if h.Host == "" {
		return "https://github.com", "https://api.github.com"
	}
	scheme := "https://"
	if host, _, err := net.SplitHostPort(h.Host); err == nil && isLoopback(host) {
		scheme = "http://"
	}
	return scheme + h.Host, scheme + h.Host + "/api/v3"
}

func (h *GitHub) at() string { return cmp.Or(h.Host, "github.com") }

func (h *GitHub) client(ctx context.Context, back string) (context.Context, *oauth2.Config, error) {
	site, _ := h.addresses()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: elsewhereTimeout})
	return ctx, &oauth2.Config{
		ClientID: h.ClientID, ClientSecret: h.ClientSecret, RedirectURL: back, Scopes: []string{"read:org"},
		Endpoint: oauth2.Endpoint{AuthURL: site + "/login/oauth/authorize", TokenURL: site + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams},
	}, nil
}

func (h *GitHub) subject(ctx context.Context, tokens *oauth2.Token, _ string) (identity.Subject, error) {
	client := oauth2.NewClient(ctx, oauth2.StaticTokenSource(tokens))
	var user struct{ Login string }
	if err := h.get(ctx, client, "/user", &user); err != nil {
		return identity.Subject{}, err
	}
	who := identity.Subject{User: "github:" + user.Login, Foreign: true}
	if user.Login == "" {
		return who, errors.New("GitHub says no login")
	}
	if err := identity.CheckName(who.User); err != nil {
		return who, err
	}
	type organization struct{ Login string }
	organizations, err := pages[organization](ctx, h, client, "/user/orgs")
	if err != nil {
		return who, err
	}
	for _, o := range organizations {
		if h.takes(o.Login) {
			who.Groups = append(who.Groups, "github:"+o.Login)
		}
	}
	if len(who.Groups) == 0 {
		return who, fmt.Errorf("%s is a member of none of %s", user.Login, strings.Join(h.Organizations, ", "))
	}
	teams, err := pages[struct {
		Slug         string
		Organization organization
	}](ctx, h, client, "/user/teams")
	if err != nil {
		return who, err
	}
	for _, t := range teams {
		if h.takes(t.Organization.Login) && t.Slug != "" {
			who.Groups = append(who.Groups, "github:"+t.Organization.Login+":"+t.Slug)
		}
	}
	return who, nil
}

// takes says whether an organization's members come in. GitHub's names are the
// same in capitals.
func (h *GitHub) takes(organization string) bool {
	return slices.ContainsFunc(h.Organizations, func(o string) bool { return strings.EqualFold(o, organization) })
}

// pages reads a list that is told page by page.
func pages[T any](ctx context.Context, h *GitHub, client *http.Client, path string) ([]T, error) {
	const size, most = 100, 20
	var all []T
	for page := 1; page <= most; page++ {
		var some []T
		if err := h.get(ctx, client, fmt.Sprintf("%s?per_page=%d&page=%d", path, size, page), &some); err != nil {
			return nil, err
		}
		if all = append(all, some...); len(some) < size {
			break
		}
	}
	return all, nil
}

func (h *GitHub) get(ctx context.Context, client *http.Client, path string, into any) error {
	_, api := h.addresses()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, api+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	a, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("ask GitHub: %w", err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("ask GitHub for %s: it says %s", path, a.Status)
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, a.Body, 4<<20)).Decode(into); err != nil {
		return fmt.Errorf("read what %s says at %s: %w", cmp.Or(h.Host, "GitHub"), path, err)
	}
	return nil
}
