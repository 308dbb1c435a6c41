package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// builds builds an image of the folder.
func (p *project) builds(name string, args ...string) {
	p.Helper()
	p.weir.must(p, append([]string{"image", "build", p.dir, "--tag", name}, args...)...)
}

// A folder becomes an image that runs as a pod, on its own packages, and that others
// read from weir's registry; the same folder is the same image, also without a network,
// and secrets stay out.
func TestBuiltImage(t *testing.T) {
	s := begin(t)
	files := map[string]string{
		"requirements.txt": "six\n", "Procfile": "web: python3 serve.py\n", ".env": "KEY=1\n", "ein paar/ünï.txt": "gruß",
		"serve.py": "import os, six, time\nprint(six.__file__, open('ein paar/ünï.txt').read(), sorted(os.listdir()), os.path.exists('/proc/1/root/home'), flush=True)\ntime.sleep(1000)\n",
	}
	for i := range 10_000 {
		files[fmt.Sprintf("many/%d.txt", i)] = fmt.Sprint(i)
	}
	p := s.project(files)
	name := "weir.local/" + s.namespace + "/app:v1"
	p.builds(name)
	again := s.weir.command(t.Context(), "image", "build", p.dir, "--tag", "other/app:v1")
	again.Env = append(os.Environ(), offline...)
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("without a network: %v\n%s", err, out)
	}
	id := func(name string) string {
		for line := range strings.Lines(s.weir.must(t, "image", "list")) {
			if f := strings.Fields(line); f[0] == name {
				return f[1]
			}
		}
		return ""
	}
	if a, b := id(name), id("other/app:v1"); a == "" || a != b {
		t.Errorf("the same folder is the images %q and %q", a, b)
	}
	s.apply(strings.Replace(pod("it", "imagePullPolicy: Never"), "python:3.11", name, 1))
	s.eventually(2*time.Minute, "it runs on its own packages", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "logs", "it", "-n", s.namespace)
		return a.out == "/opt/environment/lib/python3.11/site-packages/six.py gruß ['Procfile', 'ein paar', 'many', 'requirements.txt', 'serve.py'] False\n", a.out + a.err
	})
	if out := s.exec("it", "ls /app/many | wc -l"); strings.TrimSpace(out) != "10000" {
		t.Errorf("files in the pod: %s", out)
	}
	if out := s.weir.must(t, "image", "packages", name); !strings.Contains(out, `"pkg:pypi/six@`) {
		t.Errorf("its packages: %s", out)
	}
	if skopeo, err := exec.LookPath("skopeo"); err == nil {
		front := strings.TrimPrefix(s.weir.is(t).Front.URL, "http://")
		token := strings.TrimSpace(s.weir.must(t, "token", "create", "skopeo"))
		out, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--tls-verify=false", "--creds=any:"+token, "docker://"+front+"/"+s.namespace+"/app:v1").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PYTHONPATH=/app") {
			t.Errorf("skopeo inspect: %v %s", err, out)
		}
	}
}

// together runs commands at the same time, each of which must succeed.
func together(t *testing.T, all ...*exec.Cmd) {
	t.Helper()
	for _, c := range all {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// A build that is interrupted leaves no name, and another goes on where it was; two
// builders of one image do not disturb one another.
func TestBuildersOfOneImage(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	s := &story{T: t, weir: w, namespace: "default"}
	p := s.project(map[string]string{"a.py": "print(1)\n", "big.bin": strings.Repeat("0123456789abcdef", 4<<20)})
	args := []string{"image", "build", p.dir, "--tag", "ada/x:v1", "--base", "scratch", "--command", "/app/a"}
	killed, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_ = w.command(killed, args...).Run() // with no way to clean up
	together(t, w.command(t.Context(), args...), w.command(t.Context(), args...))
	if out := w.must(t, "image", "list"); strings.Count(out, "ada/x:v1") != 1 {
		t.Errorf("images:\n%s", out)
	}
}

// For other machines an image is built on a base that is for them.
func TestBuildForOtherMachines(t *testing.T) {
	t.Parallel()
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	w := newWeir(t)
	s := &story{T: t, weir: w, namespace: "default"}
	p := s.project(map[string]string{"a.py": "print(1)\n"})
	p.builds("base:other", "--base", "scratch", "--command", "/app/a", "--platform", "linux/"+other)
	p.builds("over:other", "--base", "base:other", "--platform", "linux/"+other)
	if out := w.must(t, "image", "inspect", "over:other"); !strings.Contains(out, `"architecture": "`+other+`"`) {
		t.Errorf("the image: %s", out)
	}
	a := w.ask(t, "", "image", "build", p.dir, "--tag", "mixed", "--base", "base:other")
	if a.code == 0 || !strings.Contains(a.err, "it is for linux/"+other) {
		t.Errorf("on a base for other machines, exit code %d: %s", a.code, a.err)
	}
}

// What cannot be built says so, and what to do.
func TestBuildThatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	s := &story{T: t, weir: w, namespace: "default"}
	p := s.project(map[string]string{"Procfile": "a: b\nc: d\n"})
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"Entry":       {nil, "say which command to run with --command"},
		"Platform":    {[]string{"--platform", "windows/amd64"}, "linux/amd64 or linux/arm64"},
		"Elsewhere":   {[]string{"--platform", "linux/arm64", "--command", "x"}, "name an image with --base"},
		"Variable":    {[]string{"--env", "A"}, "KEY=VALUE"},
		"Folder":      {[]string{"--workdir", "app"}, "from the root"},
		"Base":        {[]string{"--base", "alpine", "--command", "x"}, "programs of this machine"},
		"Environment": {[]string{"--base", "./no.tar", "--command", "x"}, "no.tar"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.ask(t, "", append([]string{"image", "build", p.dir, "--tag", "x"}, c.args...)...)
			if a.code == 0 || !strings.Contains(a.err, c.want) {
				t.Errorf("exit code %d: %s, want %q", a.code, a.err, c.want)
			}
		})
	}
}

// A folder with a Dockerfile is built as it says, on an environment too, and what it
// asks for in vain is named by its line.
func TestDockerfile(t *testing.T) {
	s := begin(t)
	p := s.project(map[string]string{
		"Dockerfile": "ARG GREETING=hi\nFROM python:3.11\nARG GREETING\nENV GREETING=${GREETING}\nWORKDIR /srv/app\nCOPY --chown=7:7 src ./\nUSER 7\nENTRYPOINT [\"python3\"]\nCMD [\"main.py\"]\n",
		".gitignore": "src/\n", "src/main.py": "import os, time\nprint(os.environ['GREETING'], os.getuid(), os.getcwd(), os.stat('main.py').st_uid, flush=True)\ntime.sleep(1000)\n",
	})
	name := s.namespace + "/greeter:v1"
	p.builds(name, "--build-arg", "GREETING=hello")
	s.apply(strings.Replace(pod("it", "imagePullPolicy: Never"), "python:3.11", name, 1))
	s.eventually(2*time.Minute, "it greets", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "logs", "it", "-n", s.namespace)
		return a.out == "hello 7 /srv/app 7\n", a.out + a.err
	})
	p.write("Dockerfile", "FROM python:3.11\n\nRUN --mount=type=ssh true\n")
	if a := s.ask(t, "", "image", "build", p.dir, "--tag", name); a.code == 0 || !strings.Contains(a.err, "Dockerfile:3: RUN: ") {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
}

// A Dockerfile as tutorials have it: packages are installed from the index, the program
// runs as a pod as the user that was made for it, and what has run is not run again.
func TestDockerfileThatRuns(t *testing.T) {
	s := begin(t)
	p := s.project(map[string]string{
		"Dockerfile": `FROM python:3.11
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
RUN useradd --create-home --uid 1000 app && mkdir out && chown app out
COPY . .
USER app
ENTRYPOINT ["python3", "train.py"]
CMD ["--epochs", "2"]
`,
		"requirements.txt": "six==1.16.0\n",
		"train.py":         "import os, six, sys, time\nopen('out/model', 'w').write('1')\nprint(six.__version__, sys.argv[1:], os.getuid(), os.environ['HOME'], flush=True)\ntime.sleep(1000)\n",
	})
	name := s.namespace + "/trainer:v1"
	build := func() string {
		t.Helper()
		a := s.ask(t, "", "image", "build", p.dir, "--tag", name)
		if a.code != 0 || !strings.Contains(a.out, "built "+name) {
			t.Fatalf("exit code %d: %s%s", a.code, a.out, a.err)
		}
		return a.err
	}
	if said := build(); !strings.Contains(said, "Successfully installed six-1.16.0") {
		t.Errorf("pip said nothing of it:\n%s", said)
	}
	s.apply(strings.Replace(pod("it", "imagePullPolicy: Never"), "python:3.11", name, 1))
	s.eventually(2*time.Minute, "it trains", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "logs", "it", "-n", s.namespace)
		return a.out == "1.16.0 ['--epochs', '2'] 1000 /home/app\n", a.out + a.err
	})
	p.write("train.py", "print(1)\n")
	if said := build(); strings.Contains(said, "six") && strings.Contains(said, "Successfully installed") {
		t.Errorf("what has run is run again:\n%s", said)
	}
}

// A line of the catalogue lays packages over an image: pods have the image's root, its
// Python, its user and what it runs, and the packages. Over an environment it adds to
// that one's packages.
func TestPackagesOverAnImage(t *testing.T) {
	s := begin(t)
	p := s.project(map[string]string{
		"Dockerfile": "FROM python:3.11\nRUN useradd --uid 1000 ada && echo base > /made-by\nUSER ada\nCMD [\"python3\", \"-c\", \"" +
			"import idna, os, six, time; from importlib.metadata import distribution; " +
			"print(open('/made-by').read().strip(), six.__version__, os.getuid(), distribution('six').read_text('INSTALLER').strip(), flush=True); time.sleep(1000)\"]\n",
	})
	base, image := "weir.local/"+s.namespace+"/base:v1", s.namespace+"/with:v1"
	p.builds(base)
	s.weir.must(t, "environment", "add", s.namespace+"/six:*", "--from", base, "--package", "six==1.16.0")
	s.weir.must(t, "environment", "add", image, "--from", s.namespace+"/six:v7", "--package", "idna")
	says := func(pod, want string) {
		t.Helper()
		s.eventually(3*time.Minute, pod+" says "+want, func() (bool, string) {
			a := s.ask(t, "", "kubectl", "logs", pod, "-n", s.namespace)
			return strings.Contains(a.out, want), a.out + a.err + s.kubectl("get", "events")
		})
	}
	apply := func(name, image string) {
		s.apply(strings.NewReplacer("python:3.11", image, "name: it", "name: "+name).Replace(pod("it", "imagePullPolicy: IfNotPresent")))
	}
	apply("it", image)
	says("it", "base 1.16.0 1000 uv\n")
	if events := s.kubectl("get", "events"); !strings.Contains(events, "installing six==1.16.0 over "+base) {
		t.Errorf("nobody was told what was done:\n%s", events)
	}
	if list := s.weir.must(t, "environment", "list"); !strings.Contains(list, "idna over "+s.namespace+"/six:v7") {
		t.Errorf("the catalogue does not say what it means:\n%s", list)
	}

	p.write("Dockerfile", strings.Replace(read(t, filepath.Join(p.dir, "Dockerfile")), "echo base", "echo newer", 1))
	p.builds(base)
	apply("newer", image)
	says("newer", "newer 1.16.0 1000 uv\n")

	s.weir.must(t, "environment", "add", s.namespace+"/plain", "--from", "python:3.11", "--package", "six==1.17.0")
	apply("plain", s.namespace+"/plain\n    args: [python3, -c, 'import six; print(six.__version__)']")
	says("plain", "1.17.0\n")

	s.weir.must(t, "environment", "add", s.namespace+"/round", "--from", s.namespace+"/round", "--package", "six")
	apply("round", s.namespace+"/round")
	s.eventually(2*time.Minute, "it says that a base leads back to itself", func() (bool, string) {
		events := s.kubectl("get", "events")
		return strings.Contains(events, "lead back to it"), events
	})
}
