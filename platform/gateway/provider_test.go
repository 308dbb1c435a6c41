package gateway_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
)

// A provider is an OpenID Connect provider that takes everybody for the one
// whom its claims are of.
type provider struct {
	*httptest.Server
	key    *rsa.PrivateKey
	claims map[string]any // beside issuer, audience, nonce and times
	asked  url.Values     // what the last who came was sent with
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, what any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(what)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		p.asked = r.URL.Query()
		http.Redirect(w, r, p.asked.Get("redirect_uri")+"?"+url.Values{"code": {"the-code"}, "state": {p.asked.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if r.FormValue("code") != "the-code" || encode(sum[:]) != p.asked.Get("code_challenge") {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.sign()})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *provider) sign() string {
	all := map[string]any{
		"iss": p.URL, "aud": "weir", "sub": "1", "nonce": p.asked.Get("nonce"),
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	for k, v := range p.claims {
		all[k] = v
	}
	claims, _ := json.Marshal(all)
	text := encode([]byte(`{"alg":"RS256","kid":"1"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, _ := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	return text + "." + encode(signature)
}

// People whom a provider knows come in as it says, and nobody as more than that.
func TestSignInByAProvider(t *testing.T) {
	p := newProvider(t)
	d := newDoorWith(t, func() *gateway.SignIn {
		return &gateway.SignIn{OIDC: &gateway.Provider{Issuer: p.URL, ClientID: "weir", ClientSecret: "hush"}}
	})
	there(t, d.users.AddUser(t.Context(), "kept@example.com", nil, ""))
	for name, c := range map[string]struct {
		claims map[string]any
		want   string // groups; "refused" if nobody is signed in
	}{
		"Groups":        {map[string]any{"email": "ada@example.com", "groups": []string{"team-a", "team-b"}}, "team-a,team-b,system:authenticated"},
		"NoGroups":      {map[string]any{"email": "ada@example.com"}, "system:authenticated"},
		"ReservedGroup": {map[string]any{"email": "ada@example.com", "groups": []string{"system:masters", identity.Owners, "x"}}, "x,system:authenticated"},
		"ReservedName":  {map[string]any{"email": "system:admin"}, "refused"},
		"NoName":        {map[string]any{"groups": []string{"x"}}, "refused"},
		"NotVerified":   {map[string]any{"email": "ada@example.com", "email_verified": false}, "refused"},
		"KeptHere":      {map[string]any{"email": "kept@example.com"}, "refused"},
		"OtherAudience": {map[string]any{"email": "ada@example.com", "aud": "somebody-else"}, "refused"},
		"OtherIssuer":   {map[string]any{"email": "ada@example.com", "iss": "https://evil.example"}, "refused"},
		"Old":           {map[string]any{"email": "ada@example.com", "exp": 1}, "refused"},
		"OtherNonce":    {map[string]any{"email": "ada@example.com", "nonce": "said before"}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			p.claims = c.claims
			d.comesBack(t, "oidc", "ada@example.com", c.want)
		})
	}
	t.Run("NotSent", func(t *testing.T) {
		p.claims = map[string]any{"email": "ada@example.com"}
		back, cookie := d.toProvider(t, "oidc")
		for _, with := range []string{"", "weir-journey=s=x", strings.Replace(cookie, "s=", "s=x", 1), strings.Replace(cookie, "w=oidc", "w=github", 1)} {
			if a := d.ask(t, person{}, "GET", back, "", "Cookie", with); a.header.Get("Location") != "/sign-in?problem=provider" {
				t.Errorf("with the cookie %q who comes back is led to %s", with, a.header.Get("Location"))
			}
		}
	})
	if strings.Contains(d.audit.String(), "the-code") {
		t.Errorf("the audit has secrets:\n%s", d.audit)
	}
}

// The page of sign-in learns by what people can sign in, from the settings as they are.
func TestWaysToSignIn(t *testing.T) {
	var s gateway.SignIn
	d := newDoorWith(t, func() *gateway.SignIn { return &s })
	for name, c := range map[string]struct {
		signIn gateway.SignIn
		want   string
	}{
		"Passwords": {gateway.SignIn{}, `[{"way":"password","path":"/session"}]`},
		"Directory": {gateway.SignIn{LDAP: &gateway.LDAP{URL: "ldaps://ldap.example.com:636"}}, `[{"way":"password","path":"/session","at":"ldap.example.com"}]`},
		"Elsewhere": {
			gateway.SignIn{OIDC: &gateway.Provider{Issuer: "https://accounts.example.com/x"}, GitHub: &gateway.GitHub{}},
			`[{"way":"password","path":"/session"},{"way":"github","path":"/sign-in/github","at":"github.com"},{"way":"oidc","path":"/sign-in/oidc","at":"accounts.example.com"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s = c.signIn
			if got, want := strings.TrimSpace(d.ask(t, person{}, "GET", "/sign-in/ways", "").body), `{"items":`+c.want+`}`; got != want {
				t.Errorf("ways\n%s, want\n%s", got, want)
			}
		})
	}
}

// Who is sent to a provider that does not answer is told so on the page, and the
// audit why.
func TestProviderThatDoesNotAnswer(t *testing.T) {
	p := newProvider(t)
	p.Close()
	d := newDoorWith(t, func() *gateway.SignIn {
		return &gateway.SignIn{OIDC: &gateway.Provider{Issuer: p.URL, ClientID: "weir"}}
	})
	a := d.ask(t, person{}, "GET", "/sign-in/oidc", "")
	if a.code != http.StatusSeeOther || a.header.Get("Location") != "/sign-in?problem=unreachable" {
		t.Errorf("answer %d to %s", a.code, a.header.Get("Location"))
	}
	if !strings.Contains(d.audit.String(), "connection refused") {
		t.Errorf("the audit does not say why:\n%s", d.audit)
	}
}

// comesBack signs in by a provider, as a user of these groups with commas between;
// or nobody, if that is "refused".
func (d *door) comesBack(t *testing.T, way, name, want string) {
	t.Helper()
	back, cookie := d.toProvider(t, way)
	a := d.ask(t, person{}, "GET", back, "", "Cookie", cookie)
	in := a.header["Set-Cookie"][len(a.header["Set-Cookie"])-1]
	if want == "refused" {
		if a.header.Get("Location") != "/sign-in?problem=provider" || strings.HasPrefix(in, "weir-session") {
			t.Errorf("answer %d to %s with %s, want to be refused", a.code, a.header.Get("Location"), in)
		}
		return
	}
	session, err := http.ParseSetCookie(in)
	if err != nil || a.header.Get("Location") != "/" {
		t.Fatalf("answer %d to %s with %s; the audit says\n%s", a.code, a.header.Get("Location"), in, d.audit)
	}
	user, groups := d.known(t, person{cookie: session.Value})
	if user != name || strings.Join(groups, ",") != want {
		t.Errorf("%s of %v, want %s of %s", user, groups, name, want)
	}
}

// toProvider goes to the provider, and returns the path by which it sends back,
// and the cookie that must come along.
func (d *door) toProvider(t *testing.T, way string) (string, string) {
	t.Helper()
	sent := d.ask(t, person{}, "GET", "/sign-in/"+way, "")
	if sent.code != http.StatusSeeOther {
		t.Fatalf("to the provider: %d %s", sent.code, sent.body)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Get(sent.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	back, err := a.Location()
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, _ := strings.Cut(sent.header.Get("Set-Cookie"), ";")
	return back.RequestURI(), cookie
}

// newGitHub stands for GitHub's own, which no test can reach: it takes everybody
// for one, who is in organizations and teams.
func newGitHub(t *testing.T, login *string, organizations, teams *[]map[string]any) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, what any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(what)
	}
	var asked url.Values
	mux.HandleFunc("/login/oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+url.Values{"code": {"the-code"}, "state": {asked.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("code") != "the-code" || r.FormValue("client_secret") != "hush" {
			write(w, map[string]string{"error": "bad_verification_code"}) // with 200, as GitHub does
			return
		}
		write(w, map[string]any{"access_token": "of-github", "token_type": "bearer"})
	})
	mux.HandleFunc("GET /api/v3/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-github" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		list := map[string]*[]map[string]any{"/api/v3/user/orgs": organizations, "/api/v3/user/teams": teams}[r.URL.Path]
		if list == nil {
			write(w, map[string]string{"login": *login})
			return
		}
		page, _ := strconv.Atoi(r.FormValue("page"))
		from, to := min((page-1)*100, len(*list)), min(page*100, len(*list))
		write(w, (*list)[from:to])
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// Members of an organization of GitHub's come in, by names that are nobody else's.
func TestSignInByGitHub(t *testing.T) {
	var login string
	var organizations, teams []map[string]any
	source := newGitHub(t, &login, &organizations, &teams)
	d := newDoorWith(t, func() *gateway.SignIn {
		return &gateway.SignIn{GitHub: &gateway.GitHub{
			ClientID: "weir", ClientSecret: "hush", Organizations: []string{"example"}, Host: strings.TrimPrefix(source.URL, "http://"),
		}}
	})
	many := []map[string]any{}
	for i := range 150 {
		many = append(many, map[string]any{"login": fmt.Sprintf("other-%d", i)})
	}
	for name, c := range map[string]struct {
		login                string
		organizations, teams []map[string]any
		want                 string // groups; "refused" if nobody is signed in
	}{
		"Member":  {"ada", []map[string]any{{"login": "Example"}, {"login": "other"}}, nil, "github:Example,system:authenticated"},
		"OfMany":  {"ada", append(many, map[string]any{"login": "example"}), nil, "github:example,system:authenticated"},
		"Teams":   {"ada", []map[string]any{{"login": "example"}}, []map[string]any{{"slug": "ml", "organization": map[string]any{"login": "example"}}, {"slug": "owners", "organization": map[string]any{"login": "other"}}}, "github:example,github:example:ml,system:authenticated"},
		"Other":   {"ada", []map[string]any{{"login": "other"}}, nil, "refused"},
		"Nowhere": {"ada", nil, nil, "refused"},
		"NoLogin": {"", []map[string]any{{"login": "example"}}, nil, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			login, organizations, teams = c.login, c.organizations, c.teams
			d.comesBack(t, "github", "github:ada", c.want)
		})
	}
	if strings.Contains(d.audit.String(), "the-code") || strings.Contains(d.audit.String(), "of-github") {
		t.Errorf("the audit has secrets:\n%s", d.audit)
	}
}
