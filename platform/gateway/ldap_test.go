package gateway_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"k8s.io/client-go/util/cert"

	"github.com/weir-ml/weir/platform/gateway"
)

// slapd is OpenLDAP's server, of the package slapd, and its settings.
const (
	slapdProgram = "/usr/sbin/slapd"
	slapdConf    = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
TLSCertificateFile DIR/given.pem
TLSCertificateKeyFile DIR/given.key
database mdb
suffix "dc=example,dc=com"
rootdn "cn=root,dc=example,dc=com"
rootpw root-password
directory DIR/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=search,dc=example,dc=com" read by * none
`
)

// A directory is a running one.
type directory struct {
	url, secure string
	ca          string
}

// newDirectory starts one that has people and groups.
func newDirectory(t *testing.T) *directory {
	t.Helper()
	if _, err := os.Stat(slapdProgram); err != nil {
		t.Skip("there is no slapd here: it is in the package slapd")
	}
	dir := t.TempDir()
	certificate, key, err := cert.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"given.pem": certificate, "given.key": key, "slapd.conf": []byte(strings.ReplaceAll(slapdConf, "DIR", dir))} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &directory{url: "ldap://" + free(t), secure: "ldaps://" + free(t), ca: filepath.Join(dir, "given.pem")}
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(slapdProgram, "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", d.url+" "+d.secure)
	run.Stderr = said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Process.Kill(); _ = run.Wait(); _ = said.Close() })
	var c *ldap.Conn
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err = ldap.DialURL(d.url); err == nil {
			break
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(said.Name())
			t.Fatalf("slapd does not answer: %v\n%s", err, text)
		}
	}
	defer c.Close()
	if err := c.Bind("cn=root,dc=example,dc=com", "root-password"); err != nil {
		t.Fatal(err)
	}
	const base = "dc=example,dc=com"
	person := func(uid, password string) (string, map[string]string) {
		return "uid=" + uid + ",ou=people," + base, map[string]string{"objectClass": "inetOrgPerson", "cn": "A. " + uid, "sn": uid, "userPassword": password}
	}
	add := func(dn string, attributes map[string]string, members ...string) {
		t.Helper()
		r := ldap.NewAddRequest(dn, nil)
		for name, value := range attributes {
			r.Attribute(name, []string{value})
		}
		if len(members) > 0 {
			r.Attribute("member", members)
		}
		if err := c.Add(r); err != nil {
			t.Fatalf("add %s: %v", dn, err)
		}
	}
	add(base, map[string]string{"objectClass": "domain", "dc": "example"})
	add("cn=search,"+base, map[string]string{"objectClass": "person", "cn": "search", "sn": "search", "userPassword": "search-password"})
	for _, ou := range []string{"people", "groups"} {
		add("ou="+ou+","+base, map[string]string{"objectClass": "organizationalUnit", "ou": ou})
	}
	var all []string
	for _, p := range [][2]string{{"Ada", "lovelace-1815"}, {"bob", "bob's password"}, {"kept", "kept-password"}, {"system:admin", "admin-password"}} {
		dn, attributes := person(p[0], p[1])
		add(dn, attributes)
		all = append(all, dn)
	}
	group := func(name string, members ...string) {
		add("cn="+name+",ou=groups,"+base, map[string]string{"objectClass": "groupOfNames", "cn": name}, members...)
	}
	group("everybody", all...)
	group("team-a", all[0])
	group("system:masters", all...)
	group("weir:owners", all...)
	return d
}

// free is an address of the loopback where nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// People of a directory come in by the name that it has for them, in its groups,
// and as nobody of weir's own.
func TestSignInByADirectory(t *testing.T) {
	there := newDirectory(t)
	settings := &gateway.LDAP{BindDN: "cn=search,dc=example,dc=com", BindPassword: "search-password"}
	settings.Users.Base = "ou=people,dc=example,dc=com"
	settings.Groups.Base = "ou=groups,dc=example,dc=com"
	const all = "everybody,system:authenticated"
	for name, reach := range map[string]gateway.LDAP{
		"Plain":    {URL: there.url},
		"StartTLS": {URL: there.url, StartTLS: true, CAFile: there.ca},
		"TLS":      {URL: there.secure, CAFile: there.ca},
	} {
		with := *settings
		with.URL, with.StartTLS, with.CAFile = reach.URL, reach.StartTLS, reach.CAFile
		if err := with.Check(); err != nil {
			t.Fatal(err)
		}
		d := newDoorWith(t, func() *gateway.SignIn {
			return &gateway.SignIn{LDAP: &with, Limits: gateway.Limits{Passwords: 1000}}
		})
		there := d.users.AddUser(t.Context(), "kept", nil, "weir's own one")
		if there != nil && !strings.Contains(there.Error(), "there is one") {
			t.Fatal(there)
		}
		for _, c := range []struct{ why, name, password, user, groups string }{
			{"a user of the directory", "bob", "bob's password", "bob", all},
			{"a user in two groups, and those that nobody may claim", "Ada", "lovelace-1815", "Ada", "everybody,team-a,system:authenticated"},
			{"a name in other letters", "aDa", "lovelace-1815", "Ada", "everybody,team-a,system:authenticated"},
			{"one of weir's own", "kept", "weir's own one", "kept", "system:authenticated"},
			{"a wrong password", "bob", "lovelace-1815", "", ""},
			{"no password, which directories take for nobody", "bob", "", "", ""},
			{"a name that the directory does not know", "eve", "bob's password", "", ""},
			{"any name", "*", "bob's password", "", ""},
			{"a filter in place of a name", "bob)(uid=*", "bob's password", "", ""},
			{"a part of a name", "bo*", "bob's password", "", ""},
			{"a name and a zero", "bob\x00", "bob's password", "", ""},
			{"the name of one of weir's own", "kept", "kept-password", "", ""},
			{"the same in other letters", "KEPT", "kept-password", "", ""},
			{"who searches", "search", "search-password", "", ""},
		} {
			t.Run(name+"/"+c.why, func(t *testing.T) {
				body, err := json.Marshal(map[string]string{"name": c.name, "password": c.password})
				if err != nil {
					t.Fatal(err)
				}
				a := d.ask(t, person{}, "POST", "/session", string(body))
				if c.user == "" {
					if a.code != http.StatusUnauthorized {
						t.Errorf("answer %d %s, want 401", a.code, a.body)
					}
					return
				}
				session, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
				if err != nil || a.code != http.StatusCreated {
					t.Fatalf("answer %d %s", a.code, a.body)
				}
				if user, groups := d.known(t, person{cookie: session.Value}); user != c.user || strings.Join(groups, ",") != c.groups {
					t.Errorf("%s of %v, want %s of %s", user, groups, c.user, c.groups)
				}
			})
		}
		// A name that is the cluster's own is refused, and that it is so is told.
		if a := d.ask(t, person{}, "POST", "/session", `{"name":"system:admin","password":"admin-password"}`); a.code == http.StatusCreated {
			t.Errorf("system:admin comes in: %s", a.body)
		}
		if strings.Contains(d.audit.String(), "lovelace") {
			t.Errorf("the audit has passwords:\n%s", d.audit)
		}
	}

	t.Run("NotThere", func(t *testing.T) {
		for why, wrong := range map[string]gateway.LDAP{
			"nobody listens":          {URL: "ldap://" + free(t)},
			"nobody vouches for it":   {URL: there.secure},
			"who searches is refused": {URL: there.url, BindPassword: "wrong"},
		} {
			with := *settings
			with.URL = wrong.URL
			if wrong.BindPassword != "" {
				with.BindPassword = wrong.BindPassword
			}
			d := newDoorWith(t, func() *gateway.SignIn { return &gateway.SignIn{LDAP: &with} })
			if a := d.ask(t, person{}, "POST", "/session", `{"name":"bob","password":"bob's password"}`); a.code != http.StatusServiceUnavailable || strings.Contains(a.body, "wrong") {
				t.Errorf("%s: %d %s, want 503", why, a.code, a.body)
			}
		}
	})
}

func TestSettingsOfSignInThatAreWrong(t *testing.T) {
	const base = `"users":{"base":"ou=people"}`
	for name, c := range map[string]struct{ text, want string }{
		"NoURL":      {`{"ldap":{` + base + `}}`, `ldap.url: "" is no address: say the directory's, as ldaps://`},
		"InTheClear": {`{"ldap":{"url":"ldap://ldap.example.com",` + base + `}}`, `ldap.url: "ldap://ldap.example.com" sends passwords that others can read: say ldaps://, or startTLS: true`},
		"NoBase":     {`{"ldap":{"url":"ldaps://ldap.example.com"}}`, "ldap.users.base: it is missing"},
		"NoFilter":   {`{"ldap":{"url":"ldaps://ldap.example.com","users":{"base":"ou=people","filter":"person"}}}`, `ldap.users.filter: "person" is no filter`},
		"NoCA":       {`{"ldap":{"url":"ldaps://ldap.example.com","caFile":"/none",` + base + `}}`, "ldap.caFile: open /none: no such file"},
		"AnyOfAll":   {`{"github":{"clientID":"a","clientSecret":"b"}}`, "github.organizations: it is missing: name those whose members come in"},
		"NoSecret":   {`{"github":{"clientID":"a","organizations":["x"]}}`, "github.clientID: it or clientSecret is missing"},
		"NoHost":     {`{"github":{"clientID":"a","clientSecret":"b","organizations":["x"],"host":"https://x"}}`, `github.host: "https://x" is no host`},
		"Good":       {`{"ldap":{"url":"ldaps://ldap.example.com",` + base + `},"github":{"clientID":"a","clientSecret":"b","organizations":["x"]}}`, ""},
	} {
		var s gateway.SignIn
		if err := json.Unmarshal([]byte(c.text), &s); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Check()); c.want == "" && got != "<nil>" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
