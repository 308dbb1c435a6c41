package weir_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/weir-ml/weir"

// rooms says, for each top-level folder, which other folders its code may use
// and which parts of the world it must not. A folder that is missing here fails
// the test: adding a room is a decision.
var rooms = map[string]struct {
	uses  []string
	shuns []string
	why   string
}{
	"api":      {shuns: []string{"k8s.io/client-go", "net/http"}, why: "types are for everyone: they bring no client along"},
	"kit":      {shuns: []string{"k8s.io/", "sigs.k8s.io/"}, why: "a part that has never heard of Kubernetes can be used and tested anywhere"},
	"platform": {uses: []string{"api", "kit"}, why: "the same controllers run on any cluster, so they must not know ours"},
	"cluster":  {uses: []string{"kit"}, why: "the cluster we carry runs pods; what the pods are for is not its business"},
	"bench":    {uses: []string{"kit"}, why: "it measures the program from outside, as its users meet it, and parts that stand alone"},
	"hack":     {why: "tools that write code run before it can be built"},
	"install":  {why: "the program and kubectl apply use the same bytes, so they stand by themselves"},
	"test":     {why: "it uses the program from outside, as its users do"},
	"ui":       {why: "the page talks to the API over HTTP like any other client"},
	"cmd":      {uses: []string{"api", "kit", "platform", "cluster", "install", "ui"}, why: "only the program puts the rooms together"},
}

// shared are the folders of the platform that every area may use.
var shared = []string{"platform/room", "platform/apply", "platform/gateway", "platform/admission", "platform/routes", "platform/wire"}

func TestRooms(t *testing.T) {
	for _, p := range packages(t) {
		rule, ok := rooms[room(p.path)]
		if !ok {
			t.Errorf("%s: folder %q is not in the map of rooms", p.path, room(p.path))
			continue
		}
		for _, imp := range p.imports {
			ours := room(imp)
			beside := ours != "" && ours != room(p.path) && !slices.Contains(rule.uses, ours)
			shunned := slices.ContainsFunc(rule.shuns, func(s string) bool { return strings.HasPrefix(imp, s) })
			if beside || shunned {
				t.Errorf("%s imports %s: %s", p.path, imp, rule.why)
			}
		}
	}
}

// Kubernetes takes minutes to build and seconds to link: tests of everything but
// the cluster do without.
func TestOnlyTheClusterIsLinkedWithKubernetes(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.imports {
			if strings.HasPrefix(imp, "k8s.io/kubernetes") && room(p.path) != "cluster" {
				t.Errorf("%s imports %s: only cluster may", p.path, imp)
			}
		}
	}
}

func TestPartsOfKitAreStrangers(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.imports {
			if room(p.path) == "kit" && room(imp) == "kit" && part(p.path) != part(imp) {
				t.Errorf("%s imports %s: each part of kit stands alone", p.path, imp)
			}
		}
	}
}

func TestAreasAreStrangers(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.imports {
			if room(p.path) == "platform" && room(imp) == "platform" && part(p.path) != part(imp) && !slices.Contains(shared, part(imp)) {
				t.Errorf("%s imports %s: areas meet in the API server", p.path, imp)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if !p.documented {
			t.Errorf("%s has no package comment", p.path)
		}
	}
}

// An import never needs an alias when no two packages share a name. Versions of
// an API are the exception; they are imported under the name of their area.
func TestPackageNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, p := range packages(t) {
		if p.name == "main" || room(p.path) == "api" {
			continue
		}
		if other, ok := seen[p.name]; ok {
			t.Errorf("package name %q: %s and %s", p.name, other, p.path)
		}
		seen[p.name] = p.path
	}
}

type pkg struct {
	path, name string
	imports    []string
	documented bool
}

// packages reads the sources of every package below the root, tests left out.
// It reads the files itself, not through go list, so that the test cache knows
// what the test depends on.
func packages(t *testing.T) []*pkg {
	t.Helper()
	found := map[string]*pkg{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil && file != "." {
			return filepath.SkipDir // a module of its own, which the program does not link
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if dir == "." || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		p := found[dir]
		if p == nil {
			p = &pkg{path: path.Join(module, dir), name: f.Name.Name}
			found[dir] = p
		}
		p.documented = p.documented || f.Doc != nil
		for _, imp := range f.Imports {
			p.imports = append(p.imports, strings.Trim(imp.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*pkg
	for _, dir := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[dir])
	}
	return all
}

// room is the top-level folder a package of ours lies in, or "".
func room(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// part is a room and the folder in it, as kit/hpo.
func part(importPath string) string {
	rest, _ := strings.CutPrefix(importPath, module+"/")
	first, rest, _ := strings.Cut(rest, "/")
	second, _, _ := strings.Cut(rest, "/")
	return path.Join(first, second)
}
