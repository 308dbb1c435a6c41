package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/kit/environment"
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
		"UnknownKey": {"enviroments: []\n", `unknown field "enviroments"`}, //nolint:misspell // That is what is wrong.
		"NoImage":    {"environments:\n- packages: [six]\n", "environments[0] has no image"},
		"NoYAML":     {"environments: [", "weir.yaml"},
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
