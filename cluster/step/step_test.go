package step

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/dockerfile"
)

// The tests run in namespaces as builds do: as root, if they may, and as root of a user
// namespace only.
func TestMain(m *testing.M) {
	if _, _, inside := namespaces.Inside(); inside {
		if err := namespaces.Enter(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	kinds := []namespaces.Kind{namespaces.User}
	if os.Geteuid() == 0 {
		kinds = []namespaces.Kind{namespaces.Full, namespaces.User}
	}
	for _, kind := range kinds {
		cmd, err := namespaces.Start(context.Background(), kind, namespaces.Config{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		if err != nil {
			fmt.Printf("skipped: the machine refuses namespaces (%s): %v\n", kind, err)
			continue
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) {
			os.Exit(max(exit.ExitCode(), 1))
		} else if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A rig builds images.
type rig struct {
	*testing.T
	dir    string // of files to copy from
	images string // of the store
	store  *oci.Store
	runner *Runner
}

func newRig(t *testing.T) *rig {
	t.Helper()
	box := ""
	for _, path := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		if out, err := exec.CommandContext(t.Context(), "ldd", path).CombinedOutput(); err != nil && strings.Contains(string(out), "not a dynamic executable") {
			box = path
		}
	}
	if box == "" {
		t.Skip("a busybox that stands alone (Debian's busybox-static) is not here")
	}
	r := &rig{T: t, dir: t.TempDir(), images: t.TempDir()}
	var err error
	r.store, err = oci.Open(r.images)
	must(t, err)
	r.runner, err = New(t.Context(), Config{Dir: filepath.Join(t.TempDir(), "builds")})
	must(t, err)
	t.Cleanup(func() {
		must(t, r.runner.Close())
		r.leavesNothing()
	})
	program, err := os.ReadFile(box)
	must(t, err)
	r.write("busybox", string(program))
	return r
}

// leavesNothing fails the test if a Runner that was closed has left anything.
func (r *rig) leavesNothing() {
	r.Helper()
	left, err := os.ReadDir(filepath.Dir(r.runner.place.dir))
	must(r.T, err)
	for _, e := range left {
		if e.Name() != "lock" && e.Name() != cachesFolder {
			r.Errorf("it has left %s", e)
		}
	}
}

func (r *rig) write(name, text string) {
	r.Helper()
	must(r.T, os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o755))
}

// base begins every Dockerfile of the tests.
const base = `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /home/ada && echo root:x:0:0::/root:/bin/sh > /etc/passwd
`

// build builds what comes after the base, and returns what its commands have said.
func (r *rig) build(ctx context.Context, text string, change ...func(*dockerfile.Options)) (string, error) {
	r.Helper()
	f, err := dockerfile.Parse("Dockerfile", []byte(base+text))
	must(r.T, err)
	var said bytes.Buffer
	o := dockerfile.Options{
		Architecture: runtime.GOARCH, Runner: r.runner, Output: &said,
		Base:     func(_ context.Context, name, _ string) (*oci.Image, error) { return r.store.Find(name) },
		Progress: func(string) {},
	}
	entries, err := os.ReadDir(r.dir)
	must(r.T, err)
	for _, e := range entries {
		info, err := e.Info()
		must(r.T, err)
		o.Context = append(o.Context, oci.Entry{Name: e.Name(), Mode: info.Mode(), Source: filepath.Join(r.dir, e.Name()), Size: info.Size()})
	}
	for _, c := range change {
		c(&o)
	}
	_, _, err = f.Build(ctx, r.store, "built", o)
	return said.String(), err
}

// What a command has made is the same when it was packed and unpacked as when the
// command saw it, whatever it has done to what was there before.
func TestLayerIsWhatTheCommandSaw(t *testing.T) {
	r := newRig(t)
	const list = `RUN cd / && find . \( -path ./proc -o -path ./sys -o -path ./dev \) -prune -o -type d -mindepth 1 -exec stat -c '%n %f %u:%g %Y' {} + | sort; ` +
		`find / -xdev -type f -exec stat -c '%n %f %u:%g %Y %h %s' {} + | sort; find / -xdev -type l -exec readlink {} + | sort; find / -xdev -type p; find / -xdev -type f -exec md5sum {} + | sort` + "\n"
	before := `RUN mkdir -p /a/b /c/d/e /d /gone/x /opaque /file && touch /a/b/1 /a/b/2 /c/d/e/f /gone/x/y /opaque/old /to-folder && echo 1 > /d/1 && ln -s /a /l && mkdir -m 700 "/w i t h" && touch "/w i t h/grüße 🎈"` + "\n"
	script := `RUN set -e; rm /a/b/1; rm -r /gone /opaque; mkdir /opaque; touch /opaque/new; rm -r /file; echo now > /file; rm /to-folder; mkdir -m 1777 /to-folder; ` +
		`echo more >> /d/1; ln /d/1 /d/2; ln /d/1 /a/3; mv /c/d /c/moved; mkfifo -m 640 /a/fifo; chmod 4755 /a/b/2; chmod 2750 /a/b; ln -sf /nowhere /l2; rm /l; mkdir /l; ` +
		`mkdir -p /new/er/est; touch -d '2001-02-03 04:05:06' /new/er /a/b/2 "/w i t h/grüße 🎈"; mv "/w i t h/grüße 🎈" "/w i t h/ moved"; chown 7:8 /d/1 /new/er 2>/dev/null || true; ` +
		`mkdir /many; for i in $(seq 1000); do echo $i > /many/$i; done; rm /bin/vi; mkdir -p /tmp/x; rmdir /tmp/x; truncate -s 1M /sparse; mkdir -p /c/d/again` + "\n"
	live, err := r.build(t.Context(), before+strings.TrimSuffix(script, "\n")+"; "+strings.TrimPrefix(list, "RUN "))
	must(t, err)
	kept, err := r.build(t.Context(), before+script+list)
	must(t, err)
	must(t, os.RemoveAll(filepath.Join(r.images, "layers")))
	packed, err := r.build(t.Context(), before+script+strings.TrimSuffix(list, "\n")+"; true\n")
	must(t, err)
	withoutTimes := func(s string) string { // of what was made at another time
		var lines []string
		for line := range strings.Lines(s) {
			fields := strings.Fields(line)
			for i, f := range fields {
				if len(f) == 10 && strings.HasPrefix(f, "1") {
					fields[i] = "now"
				}
			}
			lines = append(lines, strings.Join(fields, " "))
		}
		return strings.Join(lines, "\n")
	}
	for how, got := range map[string]string{"kept": kept, "unpacked": packed} {
		if diff := cmp.Diff(withoutTimes(live), withoutTimes(got)); diff != "" {
			t.Errorf("files of a layer that was %s (-as the command saw them +in the layer)\n%s", how, diff)
		}
	}
	if !strings.Contains(packed, "/w i t h/ moved") || !strings.Contains(packed, "981173106") || strings.Contains(packed, "/opaque/old") {
		t.Errorf("files:\n%s", packed)
	}
	image, err := r.store.Find("built")
	must(t, err)
	u, err := r.store.Unpack(t.Context(), image, func(string) {})
	must(t, err)
	if len(u.Folders) != 6 {
		t.Errorf("%d layers", len(u.Folders))
	}
	for _, dir := range u.Folders {
		for _, name := range []string{"proc", "sys", "dev", "etc/hostname", "etc/resolv.conf"} {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				t.Errorf("a layer has /%s, which was only mounted", name)
			}
		}
	}
}

// A command runs as the instructions before it say.
func TestCommandIsAsTheDockerfileSays(t *testing.T) {
	r := newRig(t)
	cases := map[string]struct{ text, want string }{
		"Root":       {"RUN id -u; pwd; echo $HOME; hostname\n", "0\n/\n/root\nbuild\n"},
		"Workdir":    {"WORKDIR /srv/app\nRUN pwd; stat -c %u /srv/app\n", "/srv/app\n0\n"},
		"Variables":  {"ARG A=1\nARG B=2\nENV B=3 PATH=/bin:/x\nRUN echo $A $B $PATH; echo '$A'\n", "1 3 /bin:/x\n$A\n"},
		"Shell":      {"SHELL [\"/bin/busybox\", \"sh\", \"-ec\"]\nRUN false || echo $0; true\n", "sh\n"},
		"Words":      {"RUN [\"/bin/echo\", \"$HOME\", \"a  b\"]\n", "$HOME a  b\n"},
		"Here":       {"RUN <<EOF\necho 1\nX=2\necho $X\nEOF\n", "1\n2\n"},
		"HereScript": {"RUN <<EOF\n#!/bin/busybox ash\necho $0\nEOF\nRUN ls /dev/pipes 2>&1 | tail -n 1\n", "/dev/pipes/EOF\nls: /dev/pipes: No such file or directory\n"},
		"HereFiles":  {"RUN cat <<A - <<B\none\nA\ntwo\nB\n", "two\n"},
		"Errors":     {"RUN echo no >&2\n", "no\n"},
		"OwnFiles":   {"RUN grep -c nameserver /etc/resolv.conf; test ! -e /.dockerenv && cat /etc/hostname\n", "0\nbuild\n"},
		"FromStage":  {"RUN mkdir -p /out/empty && echo made > /out/f && chmod 750 /out/empty && ln -s f /out/l && touch -d @5 /out/f\nFROM base\nCOPY --from=0 /out /got\nCOPY --from=0 /out/l /one\nRUN cat /got/l /one; stat -c '%a' /got/empty; stat -c %Y /got/f; ls -A /got\n", "made\nmade\n750\n5\nempty\nf\nl\n"},
		"NotNeeded":  {"FROM base AS never\nRUN echo never; exit 1\nFROM base\nRUN echo ok\n", "ok\n"},
		"Triggered":  {"FROM base AS it\nONBUILD RUN echo triggered\nFROM it\nRUN echo after\n", "triggered\nafter\n"},
		"NoNetwork":  {"RUN --network=none ls /sys/class/net; ping -c 1 -q 127.0.0.1 > /dev/null && echo itself\n", "lo\nitself\n"},
		"Alone":      {"RUN echo $$; ls /home\n", "1\nada\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r.T = t
			got, err := r.build(t.Context(), c.text)
			if name == "OwnFiles" {
				err = nil // grep counts none
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("error %v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// What is mounted is there while a command runs, and in no layer.
func TestMounts(t *testing.T) {
	r := newRig(t)
	r.write("in", "1")
	cases := map[string]struct{ text, want string }{
		"Cache":     {"RUN --mount=type=cache,target=/c/deep echo 1 > /c/deep/x\nRUN ls /c 2>&1; true\nRUN --mount=type=cache,target=/other,id=/c/deep,sharing=locked cat /other/x\n", "ls: /c: No such file or directory\n1\n"},
		"CacheMode": {"RUN --mount=type=cache,target=/m,mode=700 stat -c %a /m\n", "700\n"},
		"Tmpfs":     {"RUN --mount=type=tmpfs,target=/t touch /t/x && ls /t\nRUN ls /t 2>&1; true\n", "x\nls: /t: No such file or directory\n"},
		"File":      {"RUN --mount=source=in,target=/in cat /in; echo 2 > /in; true\nRUN ls /in 2>&1; true\n", "1/bin/sh: can't create /in: Read-only file system\nls: /in: No such file or directory\n"},
		"Folder":    {"WORKDIR /w\nRUN --mount=target=.,rw ls in && rm in && touch made\nRUN --mount=target=/w ls /w | grep -c made; true\nRUN ls /w\n", "in\n0\n"},
		"Stage":     {"RUN mkdir /out && echo made > /out/f\nFROM base\nRUN --mount=from=0,source=/out,target=/got cat /got/f; touch /got/x 2>&1; true\nRUN --mount=from=0,source=/out/f,target=/f cat /f\n", "made\ntouch: /got/x: Read-only file system\nmade\n"},
		"Secret":    {"RUN --mount=type=secret,id=key cat /run/secrets/key; stat -c %a /run/secrets/key\nRUN ls /run 2>&1; true\n", "sesame\n400\nls: /run: No such file or directory\n"},
		"NoSecret":  {"RUN --mount=type=secret,id=other ls /run/secrets/other 2>&1; true\n", "ls: /run/secrets/other: No such file or directory\n"},
		"Proxy":     {"RUN echo $HTTP_PROXY $https_proxy\n", "http://p\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r.T = t
			got, err := r.build(t.Context(), c.text, func(o *dockerfile.Options) {
				o.Secrets = map[string][]byte{"key": []byte("sesame\n")}
				o.Args = map[string]string{"HTTP_PROXY": "http://p"}
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("error %v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// Users are looked up in the image.
func TestUsers(t *testing.T) {
	r := newRig(t)
	if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil || strings.Fields(string(ids))[2] == "1" {
		t.Skip("there is no other user in this user namespace")
	}
	got, err := r.build(t.Context(), "RUN echo ada:x:7:8::/home/ada:/bin/sh >> /etc/passwd; echo them:x:9:ada > /etc/group; chown ada /home/ada\nUSER ada\nRUN id -u; id -g; id -G; echo $HOME; touch ~/x\nUSER 10:them\nRUN id -u; id -g; touch /x || echo denied\n")
	if want := "7\n8\n8 9\n/home/ada\n10\n9\ntouch: /x: Permission denied\ndenied\n"; err != nil || got != want {
		t.Errorf("error %v: %s", err, got)
	}
	if got, err := r.build(t.Context(), "RUN echo ada:x:7:8::/home/ada:/bin/sh >> /etc/passwd; echo them:x:9: > /etc/group\nCOPY --chown=ada busybox /1\nCOPY --chown=ada:them busybox /2\nRUN stat -c %u:%g /1 /2\n"); err != nil || got != "7:7\n7:9\n" {
		t.Errorf("error %v: %s", err, got)
	}
	if _, err := r.build(t.Context(), "USER eve\nRUN true\n"); err == nil || !strings.Contains(err.Error(), `Dockerfile:6: RUN: user "eve"`) {
		t.Errorf("error %v", err)
	}
}

// A command that fails is named by its line, with what it said last, and leaves nothing.
func TestFailingCommands(t *testing.T) {
	r := newRig(t)
	cases := map[string]struct{ text, want string }{
		"Code":    {"RUN seq 9; echo no >&2; exit 7\n", "Dockerfile:5: RUN: it ended with exit code 7; it said last:\n  6\n  7\n  8\n  9\n  no"},
		"Signal":  {"\nRUN sh -c 'kill -9 $$'; exit $?\n", "Dockerfile:6: RUN: it ended with exit code 137"},
		"Missing": {"RUN [\"nobody-has-this\"]\n", "Dockerfile:5: RUN: "},
		"Halfway": {"RUN touch /made && exit 1\n", "Dockerfile:5: RUN: it ended with exit code 1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r.T = t
			if _, err := r.build(t.Context(), c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %q, want %q", err, c.want)
			}
			if _, err := r.store.Find("built"); err == nil {
				t.Error("it has made an image")
			}
		})
	}
}

// A command that is interrupted ends with all that it has started, and runs again.
func TestInterruptedCommand(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	go func() {
		<-begun
		cancel()
	}()
	_, err := r.build(ctx, "RUN sleep 1000 & echo begun; sleep 1000\n", func(o *dockerfile.Options) { o.Output = closing{begun} })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(r.runner.place.dir, "containers/roots/[0-9]*/upper/root/*"))
		must(t, err)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left: %v", left)
		}
	}
	if got, err := r.build(t.Context(), "RUN echo again\n"); err != nil || got != "again\n" {
		t.Errorf("error %v: %s", err, got)
	}
}

// closing is an output that tells when somebody has written to it.
type closing struct{ begun chan struct{} }

func (c closing) Write(p []byte) (int, error) {
	close(c.begun)
	return len(p), nil
}

// A command runs again only when what it sees has changed, or when that is asked for.
func TestWhatHasRunIsTaken(t *testing.T) {
	r := newRig(t)
	r.write("in", "1")
	const text = "COPY in /\nRUN echo ran; cat /in\n"
	for _, step := range []struct {
		why, in, text, want string
		fresh               bool
	}{
		{"The first time it runs.", "1", text, "ran\n1", false},
		{"Nothing has changed.", "1", text, "", false},
		{"The file has.", "2", text, "ran\n2", false},
		{"It is as it was.", "1", text, "", false},
		{"A label is nothing that it sees.", "1", "LABEL a=b\n" + text, "", false},
		{"A variable is.", "1", "ENV A=1\n" + text, "ran\n1", false},
		{"So is an argument, with its value.", "1", "ARG A=1\n" + text, "", false},
		{"It is asked for.", "1", text, "ran\n1", true},
	} {
		r.write("in", step.in)
		got, err := r.build(t.Context(), step.text, func(o *dockerfile.Options) { o.Fresh = step.fresh })
		if err != nil || got != step.want {
			t.Errorf("%s It said %q, %v; want %q", step.why, got, err, step.want)
		}
	}
	if n, err := r.store.ForgetSteps(time.Hour); n != 0 || err != nil {
		t.Errorf("%d steps are forgotten that were used just now, %v", n, err)
	}
	if n, err := r.store.ForgetSteps(0); n == 0 || err != nil {
		t.Errorf("%d steps are forgotten, %v", n, err)
	}
	if got, err := r.build(t.Context(), text); err != nil || got != "ran\n1" {
		t.Errorf("after all was forgotten it said %q, %v", got, err)
	}
}

// What a build left that was killed is removed by the next, and what others use is not.
func TestPlacesOfTheDead(t *testing.T) {
	dir := t.TempDir()
	first, err := takePlace(dir)
	must(t, err)
	dead, err := takePlace(dir)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dead.dir, "left"), nil, 0o600))
	dead.lock.Close()
	third, err := takePlace(dir)
	must(t, err)
	for p, want := range map[*place]bool{first: true, dead: false, third: true} {
		if _, err := os.Stat(p.dir); (err == nil) != want {
			t.Errorf("%s: %v, there: want %v", p.dir, err, want)
		}
	}
	must(t, errors.Join(first.leave(), third.leave()))
}
