package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ml/weir/test/program"
)

// A project is a folder of somebody's program.
type project struct {
	*story
	dir string
}

// project makes a folder with files.
func (s *story) project(files map[string]string) *project {
	s.Helper()
	p := &project{s, s.TempDir()}
	for name, text := range files {
		p.write(name, text)
	}
	return p
}

func (p *project) write(name, text string) {
	p.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

// command is weir run in the folder.
func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	c := p.weir.command(ctx, append([]string{"run", "-n", p.namespace}, args...)...)
	c.Dir = p.dir
	return c
}

// run runs weir run in the folder, which may end as it likes.
func (p *project) run(args ...string) answer {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	a := program.Ask(p.T, p.command(ctx, args...), "")
	return answer{a.Out, a.Err, a.Code}
}

// ran runs weir run, which must succeed.
func (p *project) ran(args ...string) answer {
	p.Helper()
	a := p.run(args...)
	if a.code != 0 {
		p.Fatalf("weir run %s: exit code %d\n%s%s", strings.Join(args, " "), a.code, a.out, a.err)
	}
	return a
}

// A script runs with the packages that its folder lists, prints what it prints
// and ends as it ends; a folder that has not changed is not carried again.
func TestRun(t *testing.T) {
	p := begin(t).project(map[string]string{
		"train.py": `
import sys, colorama, helper
print(sys.argv[1:], colorama.__version__, helper.name)
print("to the errors", file=sys.stderr)
sys.exit(int(sys.argv[1]))
`,
		"helper.py":        "name = 'hëlper'\n",
		"requirements.txt": "colorama==0.4.6\n",
		".env":             "TOKEN=secret\n",
		".gitignore":       "data/\n",
		"data/large.bin":   "not carried",
	})
	first := p.ran("train.py", "0", "a b")
	if !strings.Contains(first.out, "['0', 'a b'] 0.4.6 hëlper\n") || !strings.Contains(first.out, "to the errors\n") {
		t.Errorf("it printed %q", first.out)
	}
	for _, want := range []string{"1 package from requirements.txt", ".env stays here", "4 files", "to s3://weir-code/", "has finished well", "see it again with: weir logs job/train-"} {
		if !strings.Contains(first.err, want) {
			t.Errorf("nothing says %q:\n%s", want, first.err)
		}
	}
	second := p.run("train.py", "7")
	if second.code != 7 || !strings.Contains(second.out, "['7']") {
		t.Errorf("exit code %d, want 7:\n%s%s", second.code, second.out, second.err)
	}
	if strings.Contains(second.err, "to s3://weir-code/") {
		t.Errorf("the same folder was carried again:\n%s", second.err)
	}
	p.write("helper.py", "name = 'changed'\n")
	if third := p.ran("train.py", "0"); !strings.Contains(third.out, "changed") || !strings.Contains(third.err, "to s3://weir-code/") {
		t.Errorf("a change was not carried:\n%s%s", third.out, third.err)
	}
	if list := p.weir.must(t, "environment", "list"); !strings.Contains(list, "colorama==0.4.6") {
		t.Errorf("the environment is not on the list:\n%s", list)
	}
}

// What weir run would create, kubectl creates.
func TestRunByKubectl(t *testing.T) {
	p := begin(t).project(map[string]string{
		"train.py":         "import colorama, os, json\nprint('worker', json.loads(os.environ['TF_CONFIG'])['task']['index'], colorama.__version__)\n",
		"requirements.txt": "colorama==0.4.6\n",
	})
	manifest := p.ran("--dry-run", "--name", "both", "--framework", "tensorflow", "--workers", "2", "train.py").out
	p.apply(manifest)
	p.eventually(2*time.Minute, "the job succeeds", func() (bool, string) {
		state := p.kubectl("get", "tfjob/both", "-o", "jsonpath={.status.conditions[-1:].type}")
		return state == "Succeeded", state
	})
	for _, want := range []string{"worker-0 | worker 0 0.4.6", "worker-1 | worker 1 0.4.6"} {
		if out := p.must("logs", "tfjob/both"); !strings.Contains(out, want) {
			t.Errorf("nobody printed %q:\n%s", want, out)
		}
	}
}

// What somebody asks for that makes no sense is answered in a sentence, and
// nothing is created.
func TestRunOfNoSense(t *testing.T) {
	p := begin(t).project(map[string]string{"train.py": "import json\n", "other/other.py": ""})
	cases := map[string]struct {
		args []string
		err  string
	}{
		"NoScript":   {[]string{"trian.py"}, "there is no trian.py here"},
		"Folder":     {[]string{"other"}, "other is a folder: name a script in it"},
		"Outside":    {[]string{"/etc/hostname"}, "is not below"},
		"Framework":  {[]string{"--framework", "caffe", "train.py"}, `framework "caffe": there is jax, `},
		"NoneToTell": {[]string{"--workers", "2", "train.py"}, "imports nothing that trains over several processes: name one with --framework"},
		"Memory":     {[]string{"--memory", "lots", "train.py"}, "--memory lots: write it as 4Gi"},
		"Data":       {[]string{"--data", "s3://x/y", "train.py"}, "--data s3://x/y: write it as s3://BUCKET/PATH:/DIR"},
		"Variable":   {[]string{"--env", "NO_SUCH_VARIABLE_HERE", "train.py"}, "this shell has no such variable"},
		"Packages":   {[]string{"-r", "none.txt", "train.py"}, "none.txt"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if a := p.run(c.args...); a.code != 1 || !strings.Contains(a.err, c.err) {
				t.Errorf("exit code %d, want 1: %s\nwant: %s", a.code, a.err, c.err)
			}
		})
	}
	if out := p.kubectl("get", "jobs"); strings.Contains(out, "train") {
		t.Errorf("something was created:\n%s", out)
	}
}
