package e2e_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// boxed begins Dockerfiles whose commands are busybox's.
const boxed = "FROM scratch AS box\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n"

// box is a project whose folder has a busybox that stands alone.
func (s *story) box(dir, dockerfile string) *project {
	s.Helper()
	for _, path := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		program, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		p := s.projectIn(dir, map[string]string{"busybox": string(program), "Dockerfile": boxed + dockerfile})
		if err := os.Chmod(filepath.Join(dir, "busybox"), 0o755); err != nil {
			s.Fatal(err)
		}
		return p
	}
	s.Skip("busybox (Debian's busybox-static) is not on this machine")
	return nil
}

// Stages are built as far as they are needed, and files come from them, from addresses
// and from archives; nothing that was only mounted stays.
func TestDockerfileStages(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	s := &story{T: t, weir: w, namespace: "default"}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "from afar") }))
	defer server.Close()
	p := s.box(t.TempDir(), fmt.Sprintf(`FROM box AS made
ADD --checksum=sha256:%x %s/data /in/
RUN --mount=type=secret,id=key mkdir -p /out/empty && cat /in/data /run/secrets/key > /out/both
FROM box AS never
RUN exit 1
FROM box AS last
COPY --from=made /out /out
RUN cat /out/both; ls -d /out/empty; ls /run 2>&1; ls /big | wc -l
FROM last AS after
RUN exit 1
`, sha256.Sum256([]byte("from afar")), server.URL))
	p.write("key", " with a key\n")
	p.write("Dockerfile", strings.Replace(read(t, filepath.Join(p.dir, "Dockerfile")), "COPY --from=made", "COPY big /big\nCOPY --from=made", 1))
	for i := range 10_000 {
		p.write(fmt.Sprintf("big/ä %d", i), "")
	}
	args := []string{"image", "build", p.dir, "--tag", "it", "--target", "last", "--secret", "id=key,src=" + filepath.Join(p.dir, "key")}
	a := w.ask(t, "", args...)
	if want := "from afar with a key\n/out/empty\nls: /run: No such file or directory\n10000\n"; a.code != 0 || !strings.Contains(a.err, want) {
		t.Errorf("exit code %d: %s, want %s", a.code, a.err, want)
	}
	a = w.ask(t, "", append(args[:len(args)-4], "--target", "after")...)
	if a.code == 0 || !strings.Contains(a.err, "RUN: it ended with exit code 1") {
		t.Errorf("exit code %d: %s", a.code, a.err)
	}
	p.write("Dockerfile", strings.Replace(read(t, filepath.Join(p.dir, "Dockerfile")), "sha256:", "sha256:0000", 1))
	if a := w.ask(t, "", args...); a.code == 0 || !strings.Contains(a.err, "ADD: --checksum") {
		t.Errorf("a checksum that is none: exit code %d: %s", a.code, a.err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Somebody without rights builds with commands, runs what came of it as a pod, and
// pushes it.
func TestDockerfileWithoutRights(t *testing.T) {
	t.Parallel()
	w := withoutRights(t)
	w.starts(t)
	if kind := w.is(t).Namespaces; kind != "user" && kind != "full" {
		t.Skipf("this machine gives users no namespaces of their own, but %q", kind)
	}
	s := w.story(t)
	p := s.box(filepath.Join(w.dir, "project"), "WORKDIR /srv\nRUN echo made by $(id -u) > made; rm /bin/vi; wget -q -O page http://127.0.0.1:1 2>&1 | head -n 1\nCMD [\"sh\", \"-c\", \"cat made; ls /bin/vi 2>&1; sleep 1000\"]\n")
	name := "weir.local/" + s.namespace + "/made:v1"
	p.builds(name)
	s.apply(strings.Replace(pod("it", "imagePullPolicy: Never"), "python:3.11", name, 1))
	s.eventually(2*time.Minute, "it says who made it", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "logs", "it", "-n", s.namespace)
		return a.out == "made by 0\nls: /bin/vi: No such file or directory\n", a.out + a.err
	})
	if skopeo, err := exec.LookPath("skopeo"); err == nil {
		front := strings.TrimPrefix(w.is(t).Front.URL, "http://")
		token := strings.TrimSpace(w.must(t, "token", "create", "skopeo"))
		out, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--tls-verify=false", "--creds=any:"+token, "docker://"+front+"/"+s.namespace+"/made:v1").CombinedOutput()
		if err != nil || !strings.Contains(string(out), `"Layers"`) {
			t.Errorf("skopeo inspect: %v %s", err, out)
		}
	}
}

// A build that is killed ends with what it runs, and leaves nothing that the next one
// does not remove.
func TestBuildThatIsKilled(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	s := &story{T: t, weir: w, namespace: "default"}
	const sleep = "sleep\x0098717"
	p := s.box(t.TempDir(), "RUN touch /half; echo begun; sleep 98717\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := w.command(ctx, "image", "build", p.dir, "--tag", "ada/x:v1")
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); lines.Scan() && lines.Text() != "begun"; {
	}
	cancel() // by SIGKILL
	_ = c.Wait()
	s.eventually(time.Minute, "its command is gone", func() (bool, string) {
		lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if text, _ := os.ReadFile(l); strings.Contains(string(text), sleep) {
				return false, l
			}
		}
		return true, ""
	})
	if out := w.must(t, "image", "list"); strings.Contains(out, "ada/x") {
		t.Errorf("it has made an image:\n%s", out)
	}
	p.write("Dockerfile", boxed+"RUN test ! -e /half\n")
	together(t, w.command(t.Context(), "image", "build", p.dir, "--tag", "a"), w.command(t.Context(), "image", "build", p.dir, "--tag", "b"))
	left, err := filepath.Glob(filepath.Join(w.dir, "images/builds/build-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
