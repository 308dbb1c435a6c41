package e2e_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-ml/weir/kit/environment"
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
	return s.projectIn(s.TempDir(), files)
}

func (s *story) projectIn(dir string, files map[string]string) *project {
	s.Helper()
	p := &project{s, dir}
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
	if first.out != "['0', 'a b'] 0.4.6 hëlper\n" {
		t.Errorf("it printed %q", first.out)
	}
	for _, want := range []string{"to the errors\n", "1 package from requirements.txt", ".env stays here", "4 files", "to s3://weir-code/", "has finished well", "see it again with: weir logs job/train-"} {
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
	if list := p.weir.must(t, "environment", "list"); !regexp.MustCompile(`colorama==0\.4\.6 +\d[\d.]* [kM]B\n`).MatchString(list) {
		t.Errorf("the environment is not on the list, with its size:\n%s", list)
	}
}

// Where somebody leads a namespace's pods to another S3, their secret stays, and a run
// that would not find its code there is refused, with what to do.
func TestRunWhereS3IsAnothers(t *testing.T) {
	p := begin(t).project(map[string]string{"train.py": "print('trained')\n"})
	p.kubectl("create", "secret", "generic", "weir-s3", "--from-literal=AWS_ENDPOINT_URL=http://s3.example")
	p.apply(strings.Replace(pod("asking", "command: [python, -c, 'import os; print(os.environ[\"AWS_ENDPOINT_URL\"])']"), "metadata: {name: asking}", "metadata: {name: asking, labels: {weir-ml.github.io/s3: 'true'}}", 1))
	p.eventually(2*time.Minute, "a pod is led where the secret says", func() (bool, string) {
		a := p.ask(t, "", "kubectl", "logs", "asking", "-n", p.namespace)
		return a.out == "http://s3.example\n", a.out + a.err
	})
	remedy := "weir kubectl delete secret weir-s3 -n " + p.namespace
	if a := p.run("--name", "lost", "train.py"); a.code != 1 || !strings.Contains(a.err, "leads them to another S3 than weir's") || !strings.Contains(a.err, remedy) {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
	if out := p.kubectl("get", "jobs", "-o", "name"); out != "" {
		t.Errorf("a job was created: %s", out)
	}
	p.kubectl("delete", "secret", "weir-s3")
	if a := p.ran("train.py"); a.out != "trained\n" {
		t.Errorf("it printed %q", a.out)
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

// What weir run would create, another cluster runs as well, whose pods reach the
// store: code comes from there, and outputs go there.
func TestRunElsewhere(t *testing.T) {
	p := begin(t).project(map[string]string{
		"train.py":         "import colorama, os\nos.makedirs('out')\nopen('out/model.bin', 'w').write(colorama.__version__)\nprint('trained elsewhere')\n",
		"requirements.txt": "colorama==0.4.6\n",
	})
	manifest := p.ran("--dry-run", "--name", "elsewhere", "--output", "out", "train.py").out
	w := newWeir(t)
	w.starts(t, "--without", "s3")
	other := w.story(t)
	at := p.is(t).S3
	door, err := url.Parse(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	host, _ := serves(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(door)
		r.Out.Host = r.In.Host // which is signed
	}})
	other.kubectl("create", "secret", "generic", "weir-s3", "--from-literal=AWS_ENDPOINT_URL=http://"+host,
		"--from-literal=AWS_ACCESS_KEY_ID="+at.AccessKey, "--from-literal=AWS_SECRET_ACCESS_KEY="+at.SecretKey)
	other.apply(manifest)
	other.eventually(2*time.Minute, "the job succeeds", func() (bool, string) {
		state := other.kubectl("get", "job/elsewhere", "-o", "jsonpath={.status.conditions[*].type}")
		return strings.Contains(state, "Complete"), state
	})
	if out := other.must("logs", "job/elsewhere"); !strings.Contains(out, "trained elsewhere") {
		t.Errorf("it printed:\n%s", out)
	}
	back := p.TempDir()
	p.must("outputs", "elsewhere", back)
	if text, err := os.ReadFile(filepath.Join(back, "model.bin")); err != nil || string(text) != "0.4.6" {
		t.Errorf("it came back as %q, %v", text, err)
	}
	if out := p.kubectl("get", "jobs", "-o", "name"); out != "" {
		t.Errorf("there is a job where none was created: %s", out)
	}
}

// What a run needs is brought along, from S3 and from this machine, and what it
// leaves behind comes back, also when it fails.
func TestRunWithDataAndOutputs(t *testing.T) {
	p := begin(t).project(map[string]string{
		"train.py": `
import os, sys
print(open("/from/s3/a.csv").read(), open("/local/b.csv").read(), os.environ["LEVEL"])
os.makedirs("out/deep", exist_ok=True)
open("out/deep/model ü.bin", "w").write("weights")
sys.exit(4)
`,
	})
	bucket := p.namespace + "-data" // the namespace's own
	b := p.bucket(t, bucket)
	b.put("digits/a.csv", "one")
	local := p.TempDir()
	if err := os.WriteFile(filepath.Join(local, "b.csv"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := p.run("--name", "leaves", "--data", "s3://"+bucket+"/digits:/from/s3", "--data", local+":/local", "--env", "LEVEL=5", "--output", "out", "train.py")
	if a.code != 4 || !strings.Contains(a.out, "one two 5\n") {
		t.Fatalf("exit code %d, want 4:\n%s%s", a.code, a.out, a.err)
	}
	if !strings.Contains(a.err, "1 file, 7 B, in s3://weir-outputs/"+p.namespace+"/leaves/") {
		t.Errorf("nothing says what it has left:\n%s", a.err)
	}
	back := p.TempDir()
	p.must("outputs", "job/leaves", back)
	if text, err := os.ReadFile(filepath.Join(back, "deep/model ü.bin")); err != nil || string(text) != "weights" {
		t.Errorf("it came back as %q, %v", text, err)
	}
}

// A notebook runs with parameters, prints what its cells print, and is kept with
// its results.
func TestRunOfANotebook(t *testing.T) {
	p := begin(t).project(map[string]string{"report.ipynb": `{
"cells": [
 {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "execution_count": null, "outputs": [], "source": ["epochs = 1"]},
 {"cell_type": "code", "id": "b", "metadata": {}, "execution_count": null, "outputs": [], "source": ["for e in range(epochs):\n", "    print('epoch', e)"]}
],
"metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}},
"nbformat": 4, "nbformat_minor": 5
}`})
	a := p.ran("--name", "report", "--notebook", "report.ipynb", "-p", "epochs=3")
	if !strings.Contains(a.out, "epoch 0\nepoch 1\nepoch 2\n") {
		t.Errorf("it printed:\n%s", a.out)
	}
	back := p.TempDir()
	p.must("outputs", "report", back)
	if text, err := os.ReadFile(filepath.Join(back, "report.ipynb")); err != nil || !strings.Contains(string(text), "epoch 2") {
		t.Errorf("the notebook came back without its results, %v:\n%s", err, text)
	}
}

// An MPI program runs in a launcher and workers, which all have its code.
func TestRunOfMPI(t *testing.T) {
	p := begin(t).project(map[string]string{"sum.py": `
from mpi4py import MPI
import part
c = MPI.COMM_WORLD
sum = c.allreduce(part.of(c.rank))
print(f"rank {c.rank} of {c.size} sum {sum}\n", end="") # at once: mpirun mixes what ranks write
`, "part.py": "def of(rank): return rank + 1\n"})
	a := p.ran("--workers", "2", "sum.py")
	for _, want := range []string{"rank 0 of 2 sum 3", "rank 1 of 2 sum 3"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("nobody printed %q:\n%s%s", want, a.out, a.err)
		}
	}
	if !strings.Contains(a.err, "sum.py imports mpi4py, so it runs as MPIJob") {
		t.Errorf("nothing says what it runs as:\n%s", a.err)
	}
}

// Every file that declares packages is heard, in a run for real.
func TestRunOfDeclaredPackages(t *testing.T) {
	script := "import colorama, os\nprint('colorama', colorama.__version__)\n"
	cases := map[string]struct{ file, text, from string }{
		"Script":      {"train.py", "# /// script\n# dependencies = ['colorama==0.4.6']\n# ///\n" + script, "train.py"},
		"Project":     {"pyproject.toml", "[project]\nname = 'x'\ndependencies = ['colorama==0.4.6']\n", "pyproject.toml"},
		"Conda":       {"environment.yml", "dependencies:\n- pip:\n  - colorama==0.4.6\n", "environment.yml"},
		"Requirement": {"requirements.txt", "colorama==0.4.6\n", "requirements.txt"},
		"Lock": {"uv.lock", "version = 1\n[[package]]\nname = 'x'\nversion = '0'\nsource = { virtual = '.' }\ndependencies = [{ name = 'colorama' }]\n" +
			"[[package]]\nname = 'colorama'\nversion = '0.4.6'\nsource = { registry = 'https://index.example/simple' }\n", "uv.lock"},
	}
	s := begin(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := (&story{t, s.weir, s.namespace}).project(map[string]string{"train.py": script, c.file: c.text})
			a := p.ran("train.py")
			if a.out != "colorama 0.4.6\n" || !strings.Contains(a.err, "1 package from "+c.from) {
				t.Errorf("it printed %q:\n%s", a.out, a.err)
			}
		})
	}
}

// Who interrupts a run that no terminal asks about stops it; who only goes away
// leaves it running; who does not wait need not.
func TestRunInterrupted(t *testing.T) {
	cases := map[string]struct {
		signal syscall.Signal
		code   int
		stays  bool
	}{
		"stopped": {syscall.SIGINT, 130, false},
		"left":    {syscall.SIGHUP, 0, true},
	}
	p := begin(t).project(map[string]string{"train.py": "import time\nprint('begun')\ntime.sleep(600)\n"})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			run := p.command(context.Background(), "--name", name, "train.py")
			out, err := run.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			run.Stderr = &said
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "begun\n" {
				t.Fatalf("it printed %q, %v\n%s", line, err, said.String())
			}
			if err := run.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = run.Wait() // How it ends is in its exit code.
			if code := run.ProcessState.ExitCode(); code != c.code {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, said.String())
			}
			there := strings.Contains(p.kubectl("get", "jobs", "-o", "name"), "/"+name)
			if there != c.stays {
				t.Errorf("the job is there: %t, want %t", there, c.stays)
			}
		})
	}
	a := p.ran("--name", "detached", "--detach", "train.py")
	if a.out != "job/detached\n" {
		t.Errorf("it printed %q", a.out)
	}
	if again := p.run("--name", "detached", "train.py"); again.code != 1 || !strings.Contains(again.err, "there is a Job detached already: choose another --name") {
		t.Errorf("a second of its name: %d %s", again.code, again.err)
	}
}

// A run is tried again, and given up when it takes too long.
func TestRunTriedAgain(t *testing.T) {
	p := begin(t).project(map[string]string{
		"again.py": "import boto3, sys\nb = boto3.client('s3')\nn = b.list_objects_v2(Bucket='run-again').get('KeyCount', 0)\nb.put_object(Bucket='run-again', Key=str(n))\nprint('try', n)\nsys.exit(0 if n == 1 else 9)\n",
		"long.py":  "import time\nprint('begun')\ntime.sleep(600)\n",
	})
	p.bucket(t, "run-again")
	if a := p.ran("--retry", "3", "--package", "boto3", "again.py"); !strings.Contains(a.out, "try 1") {
		t.Errorf("it printed:\n%s%s", a.out, a.err)
	}
	if a := p.run("--timeout", "3s", "long.py"); a.code == 0 || !strings.Contains(a.err, "deadline") && !strings.Contains(a.err, "3s") {
		t.Errorf("exit code %d:\n%s%s", a.code, a.out, a.err)
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

// Where nothing declares packages they are those that the script imports, and
// TensorFlow's are the ones of its image.
func TestRunOfTensorFlow(t *testing.T) {
	p := begin(t).project(map[string]string{"train.py": `
import json, os
import numpy
import tensorflow as tf
cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]
print("tensorflow", float(tf.reduce_sum(tf.constant(numpy.ones(4)))), "in a cluster of", len(cluster["worker"]), "and", len(cluster["ps"]))
if json.loads(os.environ["TF_CONFIG"])["task"]["type"] == "ps":
    import time
    time.sleep(3600)
`})
	p.build(p.environments(), tensorflowImage(t, p))
	a := p.ran("--workers", "2", "--ps", "1", "train.py")
	for _, want := range []string{"worker-0 | tensorflow 4.0 in a cluster of 2 and 1", "worker-1 | tensorflow 4.0 in a cluster of 2 and 1"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("nobody printed %q:\n%s", want, a.out)
		}
	}
	for _, want := range []string{"train.py imports tensorflow, so it runs as TFJob", "packages from what train.py imports: tensorflow-cpu"} {
		if !strings.Contains(a.err, want) {
			t.Errorf("nothing says %q:\n%s", want, a.err)
		}
	}
}

// The programs of the examples, which declare nothing, train over two processes by
// the framework that they import.
func TestRunOfFrameworks(t *testing.T) {
	t.Parallel()
	for folder, as := range map[string]string{"xgboost": "XGBoostJob", "jax": "JAXJob", "paddle-collective": "PaddleJob", "pytorch-ddp": "PyTorchJob"} {
		t.Run(as, func(t *testing.T) {
			if as == "PyTorchJob" {
				needsFull(t)
			}
			program, err := os.ReadFile(filepath.Join(example(t, folder), "train.py"))
			if err != nil {
				t.Fatal(err)
			}
			p := begin(t).project(map[string]string{"train.py": string(program)})
			a := p.ran("--workers", "2", "train.py")
			p.hasLearnt(a.err + a.out) // XGBoost speaks of its trees among the errors
			if !strings.Contains(a.err, "so it runs as "+as) {
				t.Errorf("nothing says that it runs as %s:\n%s", as, a.err)
			}
		})
	}
}

// tensorflowImage is the recipe of TensorFlow's image.
func tensorflowImage(t *testing.T, p *project) environment.Recipe {
	t.Helper()
	r, ok := p.environments().Find("tensorflow/tensorflow")
	if !ok {
		t.Fatal("TensorFlow's image means nothing")
	}
	return r
}

// offline are variables with which no index is reached.
var offline = []string{"UV_OFFLINE=1", "UV_DEFAULT_INDEX=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9"}

// Thousands of small files are carried as one, and an environment that is built
// needs no index.
func TestRunOfManyFiles(t *testing.T) {
	files := map[string]string{
		"train.py":         "import colorama, os\nprint(sum(len(f) for _, _, f in os.walk('data')), open('data/ü 7/77.txt').read())\n",
		"requirements.txt": "colorama==0.4.6\n",
	}
	for i := range 10_000 {
		files[fmt.Sprintf("data/ü %d/%d.txt", i%10, i)] = strconv.Itoa(i)
	}
	p := begin(t).project(files)
	p.ran("train.py") // builds it
	again := p.command(t.Context(), "train.py")
	again.Env = append(os.Environ(), offline...)
	a := program.Ask(t, again, "")
	if a.Code != 0 || a.Out != "10000 77\n" {
		t.Errorf("exit code %d: %q\n%s", a.Code, a.Out, a.Err)
	}
}

// A folder of 5 GB is warned of before anything is carried, and what is large is named.
func TestRunOfALargeFolder(t *testing.T) {
	p := begin(t).project(map[string]string{"train.py": "", "data/small.txt": "small"})
	large := filepath.Join(p.dir, "data", "large.bin")
	p.write("data/large.bin", "")
	if err := os.Truncate(large, 5<<30); err != nil { // takes no room
		t.Fatal(err)
	}
	c := p.command(t.Context(), "--dry-run", "train.py")
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	lines.Scan()
	if want := "weir: the folder has 5.4 GB, most of it in data/ (5.4 GB), train.py (0 B): name in .weirignore what the program does not need"; lines.Text() != want {
		t.Errorf("it says %q, want %q", lines.Text(), want)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	p.write(".weirignore", "large.bin\n")
	if a := p.ran("--dry-run", "train.py"); strings.Contains(a.err, "the folder has") || !strings.Contains(a.err, "3 files") {
		t.Errorf("without the large file it says:\n%s", a.err)
	}
}

// Whoever is killed while carrying leaves nothing half: what there is is what its
// name says, and the next carries the rest.
func TestRunKilledWhileItCarries(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t)
	p := w.story(t).project(map[string]string{"train.py": "import os\nprint(os.path.getsize('large.bin'))\n"})
	p.write("large.bin", strings.Repeat("0123456789abcdef", 4<<20))
	for i := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*150*time.Millisecond)
		_ = p.command(ctx, "--dry-run", "train.py").Run() // killed, or done
		cancel()
	}
	if a := p.ran("train.py"); a.out != "67108864\n" {
		t.Errorf("it printed %q", a.out)
	}
	code := w.bucketThere(t, "weir-code")
	list, err := code.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &code.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		if sum := sha256.Sum256([]byte(code.get(*o.Key))); hex.EncodeToString(sum[:]) != strings.TrimSuffix(*o.Key, ".tar") {
			t.Errorf("%s is not what its name says", *o.Key)
		}
	}
	if len(list.Contents) != 2 {
		t.Errorf("there are %d objects, want the tar and the large file", len(list.Contents))
	}
}

// A package that there is none of is named, before any job is created; and
// without a weir there is no run.
func TestRunOfWhatIsNotThere(t *testing.T) {
	p := begin(t).project(map[string]string{"train.py": "", "requirements.txt": "no-such-package-as-this-one==1.0\n"})
	if a := p.run("--name", "nothing", "train.py"); a.code != 1 || !strings.Contains(a.err, "no-such-package-as-this-one") {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
	if out := p.kubectl("get", "jobs", "-o", "name"); strings.Contains(out, "nothing") {
		t.Errorf("a job was created: %s", out)
	}
	nobody := weir{binary: p.binary, dir: t.TempDir()}
	c := nobody.command(t.Context(), "run", "train.py")
	c.Dir = p.dir
	if a := program.Ask(t, c, ""); a.Code != 1 || !strings.Contains(a.Err, "start it with: weir up") {
		t.Errorf("exit code %d: %s", a.Code, a.Err)
	}
}

// weirClient is what weir's own client for Python stands on.
var weirClient = environment.Recipe{Image: "weir.local/weir-client", Requirements: []string{"kubernetes>=29", "boto3>=1.28", "nbclient", "ipykernel"}}

// weir's own client runs functions and files, from this machine by the kubeconfig.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Abs("../../python/weir/src")
	if err != nil {
		t.Fatal(err)
	}
	for _, story := range []string{"function", "several", "file", "notebook", "failure", "refused"} {
		t.Run(story, func(t *testing.T) {
			s := begin(t)
			s.python(weirClient, "sdk/weir_client.py", story, s.namespace, sources)
		})
	}
}
