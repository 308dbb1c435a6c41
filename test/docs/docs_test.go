// Package docs_test does what the documents say: it types the commands of their
// console blocks into a shell, in order, and compares what comes back with what
// is printed there. An ellipsis stands for any text; alone on a line, for any
// lines.
package docs_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ml/weir/cluster/clustertest"
)

func TestReadme(t *testing.T) { follow(t, "README.md") }

func TestRunning(t *testing.T) { follow(t, "docs/run.md") }

func TestImages(t *testing.T) { follow(t, "docs/images.md") }

// Nobody finds the way with a link that leads nowhere.
func TestLinks(t *testing.T) {
	documents := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md", "../../examples/*/*/README.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, more...)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)|src="([^"]+)"`)
	for _, d := range documents {
		text, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(d), target)); err != nil {
				t.Errorf("%s: %v", d, err)
			}
		}
	}
}

// The table of the data's flow names rooms and files: all are there.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| \d+ \|[^|]*\|([^|]*)\|([^|]*)\|$`)
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) == 0 {
		t.Fatal("there is no such table")
	}
	var last []string // where "same" is
	for _, r := range rows {
		var rooms []string
		if strings.Contains(r[1], "same") {
			rooms = last
		}
		for _, m := range quoted.FindAllStringSubmatch(r[1], -1) {
			rooms = append(rooms, m[1])
			if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
				t.Error(err)
			}
		}
		last = rooms
		for _, file := range quoted.FindAllStringSubmatch(r[2], -1) {
			there := slices.ContainsFunc(rooms, func(room string) bool {
				direct, _ := filepath.Glob(filepath.Join("..", "..", room, file[1]))
				below, _ := filepath.Glob(filepath.Join("..", "..", room, "*", file[1]))
				return len(direct)+len(below) > 0
			})
			if !there {
				t.Errorf("%s is in none of %v", file[1], rooms)
			}
		}
	}
}

// A step is a command, and what a document says it prints.
type step struct{ command, prints string }

// follow does what a document says, in a weir of its own.
func follow(t *testing.T, document string) {
	binary, err := clustertest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	reuseEnvironments(t, dir)
	sh := open(t, filepath.Join("..", ".."), "WEIR_DIR="+dir, "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "KUBECONFIG=")
	t.Cleanup(func() {
		down := exec.Command(binary, "--dir", dir, "down")
		if out, err := down.CombinedOutput(); err != nil && !strings.Contains(string(out), "no weir runs") {
			t.Errorf("weir down: %v: %s", err, out)
		}
	})
	for _, s := range steps(string(text)) {
		got, code := sh.run(t, s.command)
		for end := time.Now().Add(time.Minute); looks(s.command) && !agrees(got, s.prints) && time.Now().Before(end); {
			got, code = sh.run(t, s.command) // what it looks at takes a moment
		}
		if code != 0 && s.prints == "" {
			t.Fatalf("$ %s\nexit code %d:\n%s", s.command, code, got)
		}
		if !agrees(got, s.prints) {
			t.Fatalf("$ %s\nprints:\n%s\nand %s says:\n%s", s.command, got, document, s.prints)
		}
	}
}

// looks says whether a command changes nothing, and so may be asked again.
func looks(command string) bool {
	return strings.HasPrefix(command, "weir explain ") || strings.HasPrefix(command, "weir kubectl get ")
}

// steps are the commands in a document's console blocks.
func steps(text string) []step {
	var all []step
	inside := false
	for line := range strings.Lines(text) {
		switch command, is := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimSpace(line) == "```console"
		case inside && is:
			all = append(all, step{command: strings.TrimSpace(command)})
		case inside && len(all) > 0:
			all[len(all)-1].prints += line
		}
	}
	return all
}

// agrees says whether an output is what a document says. Columns are as wide as
// what is in them, so one space is as good as many.
func agrees(got, says string) bool {
	pattern := regexp.QuoteMeta(squeeze(says))
	pattern = anyLines.ReplaceAllString(pattern, "(?s:.*)")
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(squeeze(got))
}

// anyLines is an ellipsis alone on a line, with that line's end: the lines it
// stands for may be none.
var anyLines = regexp.MustCompile(`(?m)^…$\n?`)

func squeeze(s string) string {
	return regexp.MustCompile(`[ \t]+`).ReplaceAllString(strings.TrimSpace(s), " ")
}

func TestAgrees(t *testing.T) {
	cases := map[string]struct {
		got, says string
		want      bool
	}{
		"Same":             {"pod/hello created\n", "pod/hello created\n", true},
		"Other":            {"pod/hello configured\n", "pod/hello created\n", false},
		"More":             {"one\ntwo\n", "one\n", false},
		"AnyLines":         {"one\ntwo\nthree\n", "…\nthree\n", true},
		"AnyLinesOrNone":   {"three\n", "…\nthree\n", true},
		"AnyLinesAtTheEnd": {"one\ntwo\nthree\n", "one\n…\n", true},
		"AnyText":          {"after 2.5 s", "after … s", true},
		"WiderColumns":     {"weir    Ready   9s", "weir   Ready   …", true},
		"Dots":             {"a.b", "a.c", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := agrees(c.got, c.says); got != c.want {
				t.Errorf("agrees(%q, %q) = %t", c.got, c.says, got)
			}
		})
	}
}

// A shell is one that stays open, as a reader's does.
type shell struct {
	in  io.Writer
	out *bufio.Reader
}

func open(t *testing.T, dir string, variables ...string) *shell {
	t.Helper()
	bash := exec.Command("bash", "--norc")
	bash.Dir, bash.Env = dir, append(os.Environ(), variables...)
	in, err := bash.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := bash.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	bash.Stderr = bash.Stdout
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bash.Process.Kill()
		_ = bash.Wait() // killed, which is no news
	})
	return &shell{in, bufio.NewReader(out)}
}

// run types a command and returns what came back.
func (s *shell) run(t *testing.T, command string) (out string, code int) {
	t.Helper()
	const end = "-- end of this command, with "
	if _, err := fmt.Fprintf(s.in, "%s </dev/null\necho; echo \"%s$?\"\n", command, end); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("$ %s\nthe shell has ended: %v\n%s", command, err, out)
		}
		if rest, is := strings.CutPrefix(line, end); is {
			if _, err := fmt.Sscan(rest, &code); err != nil {
				t.Fatal(err)
			}
			return strings.TrimSuffix(out, "\n"), code
		}
		out += line
	}
}

// reuseEnvironments keeps environments from one run of the tests to the next:
// TensorFlow's takes minutes to build.
func reuseEnvironments(t *testing.T, dir string) {
	t.Helper()
	cache := os.Getenv("WEIR_E2E_CACHE")
	if cache == "" {
		cache = filepath.Join("..", "..", ".cache", "e2e")
	}
	cache, err := filepath.Abs(filepath.Join(cache, "environments"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(cache, filepath.Join(dir, "environments")); err != nil {
		t.Fatal(err)
	}
}
