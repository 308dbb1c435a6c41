package gateway_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/gateway/identity"
)

// whoAmI is whom the API server takes somebody for.
const whoAmI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

func (d *door) known(t *testing.T, who person, headers ...string) (name string, groups []string) {
	t.Helper()
	a := d.ask(t, who, "POST", whoAmI, `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`, append([]string{"Content-Type", "application/json"}, headers...)...)
	var review struct {
		Status struct {
			UserInfo struct {
				Username string
				Groups   []string
			}
		}
	}
	if err := json.Unmarshal([]byte(a.body), &review); err != nil || a.code != http.StatusCreated {
		t.Fatalf("who am I: %d %s", a.code, a.body)
	}
	return review.Status.UserInfo.Username, review.Status.UserInfo.Groups
}

// Whatever a client says of who it is besides its own cookie or token is not heard.
func TestHeadersSayNothingOfWhoSomebodyIs(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	owner := d.withToken(t, "owner")
	for name, headers := range map[string][]string{
		"Impersonate":          {"Impersonate-User", "owner", "Impersonate-Group", identity.Owners},
		"ImpersonateMasters":   {"Impersonate-Group", "system:masters"},
		"ImpersonateLowerCase": {"impersonate-user", "owner", "impersonate-group", identity.Owners},
		"ImpersonateUid":       {"Impersonate-Uid", "1", "Impersonate-Extra-Scopes", "all"},
		"RemoteUser":           {"X-Remote-User", "owner", "X-Remote-Group", "system:masters"},
		"Underscore":           {"X_Remote_User", "owner", "Impersonate_User", "owner"},
		"Forwarded":            {"X-Forwarded-User", "owner", "X-Forwarded-Email", "owner", "X-Forwarded-Uri", "/healthz", "Forwarded", "for=owner"},
		"Kubeflow":             {"Kubeflow-Userid", "owner", "Kubeflow-Groups", identity.Owners},
		"ConnectionLists":      {"Connection", "Impersonate-User, Impersonate-Group, Authorization, Cookie", "Impersonate-User", "owner"},
		"ConnectionListsOurs":  {"Connection", "close, Impersonate-User"},
		"SocketToken":          {"Sec-Websocket-Protocol", socketToken(owner.token)},
		"Rewrite":              {"X-Original-Url", "/weir/users", "X-Rewrite-Url", "/weir/users", "X-Http-Method-Override", "DELETE"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, who := range []person{d.signIn(t, "viewer"), d.withToken(t, "viewer")} {
				if name == "SocketToken" && who.token == "" {
					continue // A token counts before a cookie, and this one is good.
				}
				user, groups := d.known(t, who, headers...)
				if user != "viewer" || strings.Join(groups, ",") != "system:authenticated" {
					t.Errorf("the API server takes the viewer for %s of %v", user, groups)
				}
			}
			for _, path := range []string{"/session", "/weir/users", "/api/v1/nodes"} {
				if name == "SocketToken" {
					continue
				}
				if got := d.ask(t, person{}, "GET", path, "", headers...).code; got != http.StatusUnauthorized {
					t.Errorf("no one gets %d at %s, want 401", got, path)
				}
			}
		})
	}
}

// A path leads where it says, however it is written, or nowhere.
func TestPathTricks(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	viewer := d.withToken(t, "viewer")
	for _, path := range []string{
		"//weir/users", "/weir//users", "/./weir/users", "/weir/../weir/users", "/api/../weir/users", "/healthz/../weir/users", "/version/%2e%2e/weir/users",
		"/%77eir/users", "/weir%2Fusers", "/weir/users;x", "/weir/users/", "/WEIR/users", "/weir/users%00", "/weir/users?x=/healthz", "/sign-in/../weir/users", "/weir\\users",
		"/healthz/../api/v1/secrets", "/version/../api/v1/secrets", "/healthz/%2e%2e/api/v1/secrets", "/livez/..%2fapi/v1/secrets", "/readyz//../api/v1/secrets",
		"/weir/s3/team-data/../other-data/there", "/weir/s3/team-data/%2e%2e/other-data/there", "/weir/s3/team-data/..%2Fother-data/there", "/weir/s3/team-data%2F..%2Fother-data/there",
		"/weir/s3/..%2Fother-data/there", "/weir/s3//other-data/there", "/weir/s3/./other-data/there", "/weir/s3/team-data/.%2e/other-data/there",
	} {
		for _, who := range []person{{}, viewer} {
			c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", path)
			if who.token != "" {
				fmt.Fprintf(c, "Authorization: Bearer %s\r\n", who.token)
			}
			fmt.Fprint(c, "\r\n")
			said, _ := io.ReadAll(c)
			c.Close()
			text := string(said)
			if strings.HasPrefix(text, "HTTP/1.1 200") && !strings.HasSuffix(text, "a page") && !strings.HasSuffix(text, "ok") {
				t.Errorf("%s as %q is answered:\n%s", path, who.name, text)
			}
		}
	}
}

// A page of another site may not act for who is signed in, nor listen in.
func TestOtherSites(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	owner := d.signIn(t, "owner")
	cm := "/api/v1/namespaces/team/configmaps"
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		refused      bool
	}{
		"CrossSite":         {"POST", cm, []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, true},
		"SameSite":          {"POST", cm, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:9"}, true},
		"OtherOrigin":       {"DELETE", "/session", []string{"Origin", "http://evil.example"}, true},
		"NullOrigin":        {"POST", cm, []string{"Origin", "null"}, true},
		"Own":               {"POST", cm, []string{"Sec-Fetch-Site", "same-origin", "Origin", d.url}, false},
		"NoBrowser":         {"POST", cm, nil, false},
		"SocketOfOthers":    {"GET", cm + "?watch=1", append([]string{"Origin", "http://evil.example"}, upgrade...), true},
		"SocketWithout":     {"GET", cm + "?watch=1", upgrade, true},
		"SignInForSomebody": {"POST", "/session", []string{"Sec-Fetch-Site", "cross-site"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, d.url+c.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			bare := owner
			d.sign(bare, r)
			r.Header.Del("Sec-Fetch-Site")
			a := d.send(t, person{}, r, c.headers...)
			if (a.code == http.StatusForbidden) != c.refused {
				t.Errorf("answer %d, refused should be %v: %s", a.code, c.refused, a.body)
			}
		})
	}
	// By a token, which no browser sends by itself, all that is the same to us.
	if got := d.ask(t, d.withToken(t, "owner"), "POST", cm, "{}", "Sec-Fetch-Site", "cross-site").code; got == http.StatusForbidden {
		t.Error("a token is refused for the site that it came from")
	}
}

// Answers say to browsers that nothing in them runs or frames what it should not.
func TestWhatBrowsersAreTold(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	owner := d.signIn(t, "owner")
	for path, want := range map[string]string{
		"/":                            "script-src 'self';",
		"/session":                     "frame-ancestors 'none'",
		"/weir/s3/team-data/there":     "sandbox",
		"/api/v1/namespaces/team":      "sandbox",
		"/weir/nothing":                "default-src 'none'",
		"/jobs/of/a/page/of/the/pages": "base-uri 'none'",
	} {
		a := d.ask(t, owner, "GET", path, "")
		policy := a.header["Content-Security-Policy"]
		if len(policy) != 1 || !strings.Contains(policy[0], want) || strings.Contains(policy[0], "script-src 'self' 'unsafe") {
			t.Errorf("%s: policy %q, want one with %q", path, policy, want)
		}
		if len(a.header["X-Content-Type-Options"]) != 1 || len(a.header["X-Frame-Options"]) != 1 {
			t.Errorf("%s: headers %v", path, a.header)
		}
	}
}

// A link signs in whoever comes first, and nobody after.
func TestLinksWorkOnce(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	secret, err := d.users.NewLink(t.Context(), identity.Subject{User: "viewer"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var in atomic.Int32
	var cookie atomic.Value
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			a := d.ask(t, person{}, "GET", "/sign-in?token="+secret, "")
			if c := a.header.Get("Set-Cookie"); c != "" {
				in.Add(1)
				cookie.Store(c)
			} else if a.header.Get("Location") != "/sign-in?problem=link" {
				t.Errorf("answer %d to %s", a.code, a.header.Get("Location"))
			}
		})
	}
	all.Wait()
	if in.Load() != 1 {
		t.Fatalf("the link signed in %d times, want once", in.Load())
	}
	c, err := http.ParseSetCookie(cookie.Load().(string))
	if err != nil {
		t.Fatal(err)
	}
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
		t.Errorf("cookie %+v", c)
	}
	if a := d.ask(t, person{cookie: c.Value}, "GET", "/session", ""); !strings.Contains(a.body, `"user":"viewer"`) || !strings.Contains(a.body, `"via":"link"`) {
		t.Errorf("session: %s", a.body)
	}
	if secrets := d.kept(t); strings.Contains(secrets, secret) || strings.Contains(secrets, c.Value) {
		t.Error("what lets somebody in is kept as it is")
	}
	if strings.Contains(d.audit.String(), secret) || strings.Contains(d.audit.String(), c.Value) {
		t.Errorf("the audit has secrets:\n%s", d.audit)
	}
}

// kept is all that lies in the cluster of who people are.
func (d *door) kept(t *testing.T) string {
	t.Helper()
	all, err := d.core.CoreV1().Secrets(identity.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range all.Items {
		for _, v := range s.Data {
			fmt.Fprintf(&b, "%s %s %s\n", s.Name, s.Type, v)
		}
	}
	return b.String()
}

// Passwords sign in, wrong ones do not, and too many are not looked at.
func TestPasswords(t *testing.T) {
	d := newDoor(t)
	const password = "correct horse battery"
	there(t, d.users.AddUser(t.Context(), "ada", []string{"team-a"}, password))
	ask := func(name, password string) answer {
		data, _ := json.Marshal(map[string]string{"name": name, "password": password})
		return d.ask(t, person{}, "POST", "/session", string(data))
	}
	a := ask("ada", password)
	if a.code != http.StatusCreated {
		t.Fatalf("sign-in: %d %s", a.code, a.body)
	}
	c, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	ada := person{cookie: c.Value}
	if _, groups := d.known(t, ada); strings.Join(groups, ",") != "team-a,system:authenticated" {
		t.Errorf("groups %v", groups)
	}
	if kept := d.kept(t); strings.Contains(kept, password) || !strings.Contains(kept, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error("the password is not kept as a hash of argon2id")
	}

	// A group that is taken counts at once, for the session that there is.
	none := []string{}
	if err := d.users.ChangeUser(t.Context(), "ada", &none, nil); err != nil {
		t.Fatal(err)
	}
	if _, groups := d.known(t, ada); strings.Join(groups, ",") != "system:authenticated" {
		t.Errorf("groups %v after they were taken", groups)
	}

	wrong, nobody := ask("ada", "wrong password"), ask("eve", "wrong password")
	if wrong.code != http.StatusUnauthorized || wrong.body != nobody.body || nobody.code != wrong.code {
		t.Errorf("a wrong password is answered %d %s, and a wrong name %d %s: they should not differ", wrong.code, wrong.body, nobody.code, nobody.body)
	}
	for range 4 {
		ask("ada", "wrong password")
	}
	if a := ask("ada", password); a.code != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
		t.Errorf("after five wrong passwords the right one is answered %d, want 429", a.code)
	}
	if log := d.audit.String(); !strings.Contains(log, `"sign-in refused","user":"ada","via":"password","from":"127.0.0.1"`) || strings.Contains(log, password) {
		t.Errorf("the audit says:\n%s", log)
	}

	// Who is removed is out at once.
	if err := d.users.RemoveUser(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if got := d.ask(t, ada, "GET", "/session", "").code; got != http.StatusUnauthorized {
		t.Errorf("the session of a user who is gone is answered %d, want 401", got)
	}
}

// Tokens do what their scopes say, and nothing when they are taken back.
func TestTokens(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	editor := d.signIn(t, "editor")
	a := d.ask(t, editor, "POST", "/weir/tokens", `{"name":"ci","scopes":["read"],"lasts":"1h"}`)
	var made struct{ ID, Token, Kubeconfig string }
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.code != http.StatusCreated {
		t.Fatalf("make a token: %d %s", a.code, a.body)
	}
	if !strings.HasPrefix(made.Token, "weir_") || strings.Contains(d.kept(t), made.Token) || !strings.Contains(made.Kubeconfig, made.Token) {
		t.Errorf("token %s, kubeconfig:\n%s", made.Token, made.Kubeconfig)
	}
	reads := person{token: made.Token}
	cm := "/api/v1/namespaces/team/configmaps"
	for _, c := range []struct {
		who          person
		method, path string
		refused      bool
	}{
		{reads, "GET", cm, false}, {reads, "POST", cm, true}, {reads, "DELETE", cm, true}, {reads, "GET", "/weir/s3/team-data/there", false},
		{reads, "PUT", "/weir/s3/team-data/there", true}, {reads, "GET", "/api/v1/namespaces/team/services/x/proxy/", true}, {reads, "GET", "/api/v1/namespaces/team/pods/x/exec", true},
		{d.withToken(t, "owner", "read"), "GET", "/weir/s3-keys", true}, {d.withToken(t, "owner"), "GET", "/weir/s3-keys", false},
		{reads, "POST", "/weir/tokens", true}, {reads, "GET", "/session", false},
		{d.withToken(t, "editor", "kubernetes"), "POST", cm, false}, {d.withToken(t, "editor", "kubernetes"), "GET", "/weir/s3/team-data/there", true},
		{d.withToken(t, "editor", "s3"), "GET", cm, true}, {d.withToken(t, "editor", "s3"), "GET", "/weir/s3/team-data/there", false},
		{d.withToken(t, "editor", "s3", "read"), "PUT", "/weir/s3/team-data/there", true}, {d.withToken(t, "editor", "weir"), "POST", "/weir/tokens", true},
	} {
		if a := d.ask(t, c.who, c.method, c.path, "{}"); (a.code == http.StatusForbidden) != c.refused {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.code, a.body)
		}
	}
	if a := d.ask(t, d.signIn(t, "admin"), "DELETE", "/weir/tokens/"+made.ID, ""); a.code != http.StatusNotFound {
		t.Errorf("somebody else takes the token back: %d", a.code)
	}
	if a := d.ask(t, editor, "GET", "/weir/tokens", ""); !strings.Contains(a.body, `"name":"ci"`) || strings.Contains(a.body, made.Token) {
		t.Errorf("tokens: %s", a.body)
	}
	if a := d.ask(t, editor, "DELETE", "/weir/tokens/"+made.ID, ""); a.code != http.StatusNoContent {
		t.Errorf("take back: %d %s", a.code, a.body)
	}
	if a := d.ask(t, reads, "GET", cm, ""); a.code != http.StatusUnauthorized {
		t.Errorf("a token that was taken back is answered %d", a.code)
	}
}

// What is taken back ends at once, also what is under way, and at another door.
func TestRevocationEndsWhatIsUnderWay(t *testing.T) {
	one, two := newDoor(t), newDoor(t)
	one.people(t)
	for name, end := range map[string]func(person){
		"SignOut":     func(who person) { one.ask(t, who, "DELETE", "/session", "") },
		"GroupsTaken": func(person) { g := []string{"x"}; _ = one.users.ChangeUser(t.Context(), "viewer", &g, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			who := one.signIn(t, "viewer")
			clustertest.Until(t, "the other door knows the session", func() bool { return two.ask(t, who, "GET", "/session", "").code == 200 })
			r, err := http.NewRequestWithContext(t.Context(), "GET", two.url+"/api/v1/namespaces/team/configmaps?watch=true", nil)
			if err != nil {
				t.Fatal(err)
			}
			two.sign(who, r)
			a, err := http.DefaultClient.Do(r) //nolint:bodyclose // It is closed below, beside who reads it.
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			if a.StatusCode != http.StatusOK {
				t.Fatalf("watch: %s", a.Status)
			}
			ended := make(chan error, 1)
			go func() { _, err := io.Copy(io.Discard, a.Body); ended <- err }()
			end(who)
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Error("the watch goes on")
			}
		})
	}
}

// What another process has made lets somebody in at once.
func TestWhatIsNewCountsAtOnce(t *testing.T) {
	one, two := newDoor(t), newDoor(t)
	two.ask(t, person{}, "GET", "/session", "", "Authorization", "Bearer weir_NOBODYS") // so that it has read what there is
	for i := range 20 {
		name := fmt.Sprintf("new-%d-%d", i, time.Now().UnixNano())
		one.user(t, name)
		if a := two.ask(t, one.withToken(t, name), "GET", "/session", ""); a.code != http.StatusOK {
			t.Errorf("with a new token: %d %s", a.code, a.body)
		}
		link, err := one.users.NewLink(t.Context(), identity.Subject{User: name}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if a := two.ask(t, person{}, "GET", "/sign-in?token="+link, ""); a.header.Get("Location") != "/" {
			t.Errorf("with a new link: %d to %s", a.code, a.header.Get("Location"))
		}
	}
}

// A service account comes in with the token that its pod has.
func TestServiceAccounts(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	pod := person{token: account(t, d.core, theirs)}
	if name, _ := d.known(t, pod); name != "system:serviceaccount:team:default" {
		t.Errorf("the API server takes the account for %s", name)
	}
	if a := d.ask(t, pod, "GET", "/session", ""); !strings.Contains(a.body, `"user":"system:serviceaccount:team:default"`) || !strings.Contains(a.body, `"via":"account"`) {
		t.Errorf("session: %s", a.body)
	}
	if name, _ := d.known(t, person{}, "Sec-Websocket-Protocol", "v4.channel.k8s.io, "+socketToken(pod.token)); name != "system:serviceaccount:team:default" {
		t.Errorf("by a WebSocket's protocol it is %s", name)
	}
	if a := d.ask(t, person{token: "eyJ.nobodys.token"}, "GET", "/session", ""); a.code != http.StatusUnauthorized {
		t.Errorf("a token of nobody is answered %d", a.code)
	}
}

// One port takes TLS and what comes without, HTTP/1.1 and HTTP/2.
func TestOnePortTakesAll(t *testing.T) {
	d := newDoor(t)
	for name, c := range map[string]struct {
		url   string
		http2 bool
		proto string
	}{
		"HTTP1":    {d.url, false, "HTTP/1.1"},
		"HTTP2":    {d.url, true, "HTTP/2.0"},
		"TLSHTTP1": {strings.Replace(d.url, "http:", "https:", 1), false, "HTTP/1.1"},
		"TLSHTTP2": {strings.Replace(d.url, "http:", "https:", 1), true, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			p := new(http.Protocols)
			p.SetHTTP1(!c.http2)
			p.SetHTTP2(c.http2)
			p.SetUnencryptedHTTP2(c.http2)
			client := http.Client{Transport: &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // The test made the certificate.
			a, err := client.Get(c.url + "/version")
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			if a.StatusCode != 200 || a.Proto != c.proto {
				t.Errorf("%s by %s, want 200 by %s", a.Status, a.Proto, c.proto)
			}
		})
	}
}

// Headers that are too long, and clients that are too slow, are let go.
func TestLimits(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	many := make(http.Header)
	for i := range 2000 {
		many.Set(fmt.Sprintf("X-Many-%d", i), strings.Repeat("x", 30))
	}
	for name, headers := range map[string]http.Header{"Long": {"X-Long": {strings.Repeat("x", 100<<10)}}, "Many": many} {
		for _, http2 := range []bool{false, true} {
			p := new(http.Protocols)
			p.SetHTTP1(!http2)
			p.SetUnencryptedHTTP2(http2)
			client := http.Client{Transport: &http.Transport{Protocols: p}}
			r, err := http.NewRequestWithContext(t.Context(), "GET", d.url+"/session", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = headers
			// It need not read on to answer, and the rest may then reset the connection.
			a, err := client.Do(r)
			if err != nil {
				continue
			}
			a.Body.Close()
			if a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s by %s: %s, want 431", name, a.Proto, a.Status)
			}
		}
	}
	if a := d.ask(t, person{}, "POST", "/session", `{"name":"`+strings.Repeat("x", 17<<10)+`"}`); a.code != http.StatusBadRequest {
		t.Errorf("a name of 17 kB is answered %d, want 400", a.code)
	}
	var all sync.WaitGroup
	for what, begun := range map[string]string{
		"their headers":         "GET /session HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"their sign-in":         "POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"to say hello by TLS":   "\x16\x03\x01",
		"the end of their name": "POST /session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"nam",
	} {
		all.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprint(c, begun)
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			_, err = io.Copy(io.Discard, c)
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				t.Errorf("who never ends %s is still waited for after a minute", what)
			}
		})
	}
	all.Wait()
}

// A session says in which namespaces somebody has a role.
func TestNamespacesOfASession(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	for name, want := range map[string]string{"viewer": `"namespaces":["team"]`, "stranger": `"namespaces":[]`} {
		if a := d.ask(t, d.signIn(t, name), "GET", "/session", ""); !strings.Contains(a.body, want) {
			t.Errorf("session of %s: %s, want %s", name, a.body, want)
		}
	}
	if a := d.ask(t, d.signIn(t, "owner"), "GET", "/session", ""); a.code != 200 || strings.Contains(a.body, "namespaces") {
		t.Errorf("session of the owner: %s, who may list all themselves", a.body)
	}
}

// Whatever the door answers is counted, by whose route it is.
func TestRequestsAreCounted(t *testing.T) {
	d := newDoor(t)
	d.ask(t, person{}, "GET", "/weir/users", "")
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "weir_front_door_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); l[0].GetValue() == "401" && l[1].GetValue() == "weir" && m.GetCounter().GetValue() >= 1 {
				return
			}
		}
	}
	t.Error("a request that was refused is not counted")
}
