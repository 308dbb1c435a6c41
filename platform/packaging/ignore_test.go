package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a folder's files are is what git says: it is asked, in a repository.
func TestIgnoreAsGitDoes(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("there is no git to compare with")
	}
	files := []string{
		"train.py", "data/a.csv", "data/b.csv", "data/keep.csv", "logs/x.log", "x.log", "sub/x.log", "sub/build/o", "build/o", "sub/deep/er/build/o",
		"a b/c d.txt", "übung.py", "#hash", "!bang", "cache/a", "sub/cache/a", "foo/bar/baz", "x/foo/bar/baz", "abc1", "abc2", "abcx", "trail ", "sub/only/here.txt", "only/here.txt",
		"deep/a/b/c/z.bin", "deep/z.bin", "back\\slash", "docs/readme.md", "docs/api/readme.md",
	}
	cases := map[string]map[string]string{
		"Names":        {".gitignore": "*.log\nbuild/\n"},
		"Rooted":       {".gitignore": "/build/\n/x.log\nfoo/bar\n"},
		"Negated":      {".gitignore": "data/*\n!data/keep.csv\n"},
		"NotOfAFolder": {".gitignore": "data/\n!data/keep.csv\n"},
		"Stars":        {".gitignore": "**/cache\ndeep/**/z.bin\ndocs/**\n"},
		"Classes":      {".gitignore": "abc[12]\n"},
		"NotInClass":   {".gitignore": "abc[!12]\n"},
		"Quoted":       {".gitignore": "\\#hash\n\\!bang\n"},
		"Spaces":       {".gitignore": "a b/\n"},
		"QuotedSpace":  {".gitignore": "trail\\ \n"},
		"Comments":     {".gitignore": "# *.py\n\n*.csv   \n"},
		"Below":        {".gitignore": "*.log\n", "sub/.gitignore": "!x.log\n/only\n"},
		"NoSense":      {".gitignore": "abc[\n"},
		"Windows":      {".gitignore": "*.log\r\nbuild/\r\n"},
		"Everything":   {".gitignore": "*\n!*.py\n"},
		"Unicode":      {".gitignore": "übung.*\n"},
	}
	for name, ignores := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range files {
				write(t, filepath.Join(dir, f), f)
			}
			for f, text := range ignores {
				write(t, filepath.Join(dir, f), text)
			}
			run := func(args ...string) string {
				c := exec.Command(git, args...)
				c.Dir = dir
				out, err := c.Output()
				if err != nil {
					t.Fatalf("git %v: %v", args, err)
				}
				return string(out)
			}
			run("init", "-q")
			want := strings.Split(strings.TrimRight(run("-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"), "\x00"), "\x00")
			slices.Sort(want)

			folder, err := Read(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range folder.Files {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files (-git +weir):\n%s", diff)
			}
		})
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
