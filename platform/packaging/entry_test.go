package packaging

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEntry(t *testing.T) {
	cases := map[string]struct {
		files   map[string]string
		want    []string
		from    string
		problem string
	}{
		"Nothing":     {files: map[string]string{"train.py": ""}},
		"Procfile":    {files: map[string]string{"Procfile": "# x\nworker: rq\nweb: python3  serve.py\n"}, want: []string{"python3", "serve.py"}, from: "Procfile"},
		"OnlyProcess": {files: map[string]string{"Procfile": "train: python3 train.py --port $PORT"}, want: []string{"/bin/sh", "-c", "python3 train.py --port $PORT"}, from: "Procfile"},
		"Processes":   {files: map[string]string{"Procfile": "a: b\nc: d"}, problem: "Procfile: it has the processes a, c: say which command to run with --command"},
		"Script": {
			files: map[string]string{"pyproject.toml": "[project]\nname='mnist'\n[project.scripts]\nmnist='mnist.cli:app.run'\nother='a:b'"},
			want:  []string{"python3", "-c", "import sys; from mnist.cli import app; sys.exit(app.run())"}, from: "pyproject.toml",
		},
		"Scripts":     {files: map[string]string{"pyproject.toml": "[project]\nname='x'\n[project.scripts]\na='a:b'\nc='c:d'"}, problem: "it has the scripts a, c"},
		"NoScript":    {files: map[string]string{"pyproject.toml": "[tool.ruff]\n"}},
		"BadScript":   {files: map[string]string{"pyproject.toml": "[project.scripts]\na='import os; os.x()'"}, problem: `script "a"`},
		"ProcfileWon": {files: map[string]string{"Procfile": "web: x", "pyproject.toml": "[project.scripts]\na='a:b'"}, want: []string{"x"}, from: "Procfile"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, from, err := Entry(folderOf(t, c.files))
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("error %v, want %q", err, c.problem)
				}
				return
			}
			if err != nil || from != c.from {
				t.Errorf("from %q, %v, want %q", from, err, c.from)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("command (-want +got)\n%s", diff)
			}
		})
	}
}

func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// For an image .dockerignore counts, from the top, and what it names stays for runs.
func TestDockerignore(t *testing.T) {
	dir := folderOf(t, map[string]string{
		".dockerignore": "*.log\n/docs\nsub/*.csv\n**/*.tmp\n!keep.log\n!docs/in/keep.md\n", ".gitignore": "git\n",
		"a.log": "", "keep.log": "", "sub/a.log": "", "docs/x": "", "docs/in/x": "", "docs/in/keep.md": "", "sub/docs/x": "", "sub/a.csv": "", "sub/b/a.csv": "", "sub/b/c.tmp": "", "git": "",
	})
	read := func(o Options) (names []string) {
		f, err := Read(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range f.Files {
			names = append(names, file.Name)
		}
		return names
	}
	want := []string{".dockerignore", ".gitignore", "docs/in/keep.md", "keep.log", "sub/a.log", "sub/b/a.csv", "sub/docs/x"}
	if diff := cmp.Diff(want, read(Options{Image: true})); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	if got := read(Options{}); len(got) != 12 {
		t.Errorf("a run has %v", got)
	}
	want = append(want, "git", "sub", "sub/b", "sub/docs")
	slices.Sort(want)
	if diff := cmp.Diff(want, read(Options{Dockerfile: true})); diff != "" {
		t.Errorf("files and folders of a Dockerfile (-want +got)\n%s", diff)
	}
}
