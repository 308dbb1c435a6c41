package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/cluster/node"
	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/platform/gateway"
)

// What people wrote into weir.yaml stays, comments too, when a command adds to it.
func TestAddEnvironment(t *testing.T) {
	dir := t.TempDir()
	const before = "# ours\nlogs:\n  keep: 24h\nenvironments:\n- image: old:* # from spring\n  packages: [six]\n"
	if err := os.WriteFile(settingsFile(dir), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			if err := addEnvironment(dir, environment.Recipe{Image: fmt.Sprintf("new-%d:*", i), Requirements: []string{"numpy"}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	s, err := readSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Environments) != 5 || s.Environments[4].Image != "old:*" {
		t.Errorf("environments %+v, want four new ones before the old", s.Environments)
	}
	if s.Logs.retention().Age.Hours() != 24 {
		t.Errorf("logs are kept for %s, want 24h", s.Logs.retention().Age)
	}
	text, err := os.ReadFile(settingsFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, comment := range []string{"# ours", "# from spring"} {
		if !strings.Contains(string(text), comment) {
			t.Errorf("comment %q is gone from\n%s", comment, text)
		}
	}
}

// An image is what weir.yaml says when it is looked for; a file that cannot be
// read changes nothing.
func TestEnvironmentsThatChange(t *testing.T) {
	dir := t.TempDir()
	store, err := environment.Open(environmentsDir(dir), environment.Options{Newer: newerEnvironments(dir)})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		text string
		want bool
	}{
		{"", false},
		{"environments: [{image: mine, packages: [six]}]\n", true},
		{"environments: [", true},
		{"environments: []\n", false},
	} {
		if err := os.WriteFile(settingsFile(dir), []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, found := store.Find("mine"); found != step.want {
			t.Errorf("after %q is written the image is found: %v", step.text, found)
		}
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"UnknownKey": {"enviroments: []\n", `weir.yaml:1: enviroments: there is no such field; there are environments, frontDoor, images, logs`}, //nolint:misspell // That is what is wrong.
		"NoImage":    {"environments:\n- packages: [six]\n", "weir.yaml:2: environments[0]: it has no image"},
		"NoYAML":     {"environments: [", "weir.yaml: line 1: "},
		"Twice":      {"logs: {}\n\nlogs: {}\n", "weir.yaml:3: logs: it stands in line 1 already"},
		"NoFields":   {"logs:\n- keep\n", "weir.yaml:1: logs: it has no fields: say each in a line below it"},
		"NoCommon":   {"storage:\n  common: all\n", `weir.yaml:2: storage.common: "all" is not known: write pods or nobody`},
		"NoTime":     {"signIn:\n  session: one week\n", `weir.yaml:2: signIn.session: "one week" is not a length of time: say 15s, 12h or 168h`},
		"LongTime":   {"signIn:\n  # for ever\n  session: 90000h\n", "weir.yaml:3: signIn.session: 90000h0m0s is out of bounds: say a time from 1m to 8760h0m0s"},
		"NoNumber":   {"signIn:\n  limits:\n    passwords: many\n", `weir.yaml:3: signIn.limits.passwords: "many" is not a whole number`},
		"NoList":     {"frontDoor:\n  acme:\n    hosts: weir.example.com\n", "weir.yaml:3: frontDoor.acme.hosts: it is no list: say [a, b]"},
		"NoHost":     {"frontDoor:\n  acme:\n    hosts:\n    - weir.example.com\n    - 10.0.0.1\n", `weir.yaml:5: frontDoor.acme.hosts[1]: "10.0.0.1" is no name of a host that an authority vouches for`},
		"NoHosts":    {"frontDoor:\n  acme: {email: a@b.c}\n", "weir.yaml:2: frontDoor.acme.hosts: it is missing: name the hosts that people open"},
		"NoAddress":  {"frontDoor:\n  listen: all\n", `weir.yaml:2: frontDoor.listen: "all" is no IP address, with a port or without; 0.0.0.0 means`},
		"NoPort":     {"frontDoor:\n  listen: 0.0.0.0:https\n", `weir.yaml:2: frontDoor.listen: "0.0.0.0:https": "https" is no port`},
		"NoFile":     {"frontDoor:\n  certificate:\n    file: /none.pem\n    key: /dev/null\n", "weir.yaml:3: frontDoor.certificate.file: stat /none.pem: no such file or directory: name the file, in PEM"},
		"NoPEM":      {"frontDoor:\n  certificate: {file: /dev/null, key: /dev/null}\n", "weir.yaml:2: frontDoor.certificate: read certificate /dev/null with key /dev/null: "},
		"NoIssuer":   {"signIn:\n  oidc:\n    clientID: weir\n    issuer: idp.example.com\n", `weir.yaml:4: signIn.oidc.issuer: "idp.example.com" is no address: say the provider's, with https://`},
		"NoClient":   {"signIn:\n  oidc:\n    issuer: https://idp.example.com\n", "weir.yaml:2: signIn.oidc.clientID: it is missing"},
		"NoText":     {"run:\n  namespace: [a]\n", `weir.yaml:2: run.namespace: "[a]" is not a text`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(settingsFile(dir), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readSettings(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A folder has one weir at a time, and the second is told which.
func TestOneWeirAFolder(t *testing.T) {
	dir := t.TempDir()
	if pid, err := holder(dir); pid != 0 || err != nil {
		t.Fatalf("an empty folder is held by %d, %v", pid, err)
	}
	held, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := holder(dir); pid != os.Getpid() || err != nil {
		t.Errorf("held by %d, %v; want %d", pid, err, os.Getpid())
	}
	if _, err := lockFolder(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second lock: %v, want one that names process %d", err, os.Getpid())
	}
	held.release()
	again, err := lockFolder(dir)
	if err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	again.release()
}

// A run takes from a site's settings what nobody has said.
func TestRunSettings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(settingsFile(dir), []byte("run:\n  namespace: ada\n  cpu: 500m\n  memory: 1Gi\n  variables: {B: site, A: site}\n  hardware:\n    large: {cpu: \"8\", memory: 32Gi, gpu: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	site, err := readSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		why  string
		has  runOptions
		want runOptions
		err  string
	}{
		"Nothing":  {why: "The site decides.", want: runOptions{namespace: "ada", cpu: "500m", memory: "1Gi", variables: []string{"A=site", "B=site"}}},
		"Flags":    {why: "A flag wins.", has: runOptions{namespace: "bob", cpu: "2", variables: []string{"A=mine"}}, want: runOptions{namespace: "bob", cpu: "2", memory: "1Gi", variables: []string{"A=site", "B=site", "A=mine"}}},
		"Menu":     {why: "A name on the menu is all three.", has: runOptions{hardware: "large", gpus: 2}, want: runOptions{hardware: "large", namespace: "ada", cpu: "8", memory: "32Gi", gpus: 2, variables: []string{"A=site", "B=site"}}},
		"NotThere": {has: runOptions{hardware: "huge"}, err: "--hardware huge: weir.yaml has large"},
	}
	for name, c := range cases {
		err := c.has.complete(site.Run)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: %v, want %s", name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, c.has, cmp.AllowUnexported(runOptions{})); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, c.why, diff)
		}
	}
	o := runOptions{hardware: "large"}
	if err := o.complete(runSettings{}); err == nil || err.Error() != "--hardware large: weir.yaml has no menu, which is run.hardware" {
		t.Errorf("without a menu: %v", err)
	}
	if err := o.complete(runSettings{Hardware: map[string]hardware{"large": {}}}); err != nil || o.namespace != "default" {
		t.Errorf("without anything the namespace is %q, %v", o.namespace, err)
	}
}

// Variables win over weir.yaml, and one that means nothing is told.
func TestSettingsFromVariables(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(settingsFile(dir), []byte("signIn:\n  session: 12h\n  oidc: {issuer: \"https://idp.example.com\", clientID: weir}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		variable, value string
		is              func(*settings) any
		want            any
		err             string
	}{
		"InPlaceOf": {variable: "WEIR_SIGN_IN_SESSION", value: "1h", is: func(s *settings) any { return s.SignIn.Session.Duration }, want: time.Hour},
		"Beside":    {variable: "WEIR_SIGN_IN_OIDC_CLIENT_SECRET", value: "hush: #1", is: func(s *settings) any { return *s.SignIn.OIDC }, want: gateway.Provider{Issuer: "https://idp.example.com", ClientID: "weir", ClientSecret: "hush: #1"}},
		"New":       {variable: "WEIR_FRONT_DOOR_ACME_HOSTS", value: "a.example.com, b.example.com", is: func(s *settings) any { return s.FrontDoor.ACME.Hosts }, want: []string{"a.example.com", "b.example.com"}},
		"Number":    {variable: "WEIR_SIGN_IN_LIMITS_PASSWORDS", value: "3", is: func(s *settings) any { return s.SignIn.Limits.Passwords }, want: 3},
		"Other":     {variable: "WEIR_URL", value: "x", is: func(s *settings) any { return s.FrontDoor.ACME }, want: (*acmeSettings)(nil)},
		"Unknown":   {variable: "WEIR_SIGN_IN_SESION", value: "1h", err: "variable WEIR_SIGN_IN_SESION: it sets nothing; there are WEIR_FRONT_DOOR_ACME_CA_FILE, "},
		"NoTime":    {variable: "WEIR_SIGN_IN_SESSION", value: "long", err: `variable WEIR_SIGN_IN_SESSION: "long" is not a length of time: say 15s, 12h or 168h`},
		"Wrong":     {variable: "WEIR_SIGN_IN_SESSION", value: "1s", err: "variable WEIR_SIGN_IN_SESSION: 1s is out of bounds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			s, err := readSettings(dir)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.is(s)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// When images make room is said in the kubelet's words, or by nobody.
func TestImageSettings(t *testing.T) {
	for name, c := range map[string]struct {
		why, text string
		want      node.ImageCollection
		wrong     string
	}{
		"Default": {why: "As any kubelet.", want: node.ImageCollection{High: 85, Low: 80}},
		"High":    {why: "The other limit keeps its distance.", text: "gcHighThresholdPercent: 50", want: node.ImageCollection{High: 50, Low: 45}},
		"Never":   {why: "A disk is never more than full.", text: "gcHighThresholdPercent: 100", want: node.ImageCollection{High: 100, Low: 80}},
		"Both":    {why: "Both are said.", text: "gcHighThresholdPercent: 95, gcLowThresholdPercent: 90", want: node.ImageCollection{High: 95, Low: 90}},
		"Much":    {why: "More than all.", text: "gcHighThresholdPercent: 101", wrong: "images.gcHighThresholdPercent: 101 is no part of a disk"},
		"Order":   {why: "The kubelet would not start.", text: "gcLowThresholdPercent: 90", wrong: "images.gcLowThresholdPercent: 90 is not from 1 to below gcHighThresholdPercent, which is 85"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(settingsFile(dir), []byte("images: {"+c.text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := readSettings(dir)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %s Error %v, want %q", name, c.why, err, c.wrong)
			}
			continue
		}
		if err != nil || s.Images.collection() != c.want {
			t.Errorf("%s: %s %+v, %v; want %+v", name, c.why, s, err, c.want)
		}
	}
}
