package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/rootfs"
)

func TestExitStatus(t *testing.T) {
	r := runtimeOf(t)
	for name, c := range map[string]struct {
		why    string
		script string
		want   ExitStatus
	}{
		"Success": {why: "An end without complaint.", script: "exit 0"},
		"Code":    {why: "The command's code is passed on.", script: "exit 7", want: ExitStatus{Code: 7}},
		"Signal":  {why: "A signal is told, and in the code as a shell does.", script: "sleep 100 & kill -SEGV $!; wait $!; exit $?", want: ExitStatus{Code: 139}},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, r, shell(t, c.script)).exit
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(ExitStatus{}, "At")); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, diff)
			}
		})
	}
}

// The first process of a container ends by signals that it does not handle only
// when they come from outside; SIGTERM to a shell that traps it is handled.
func TestSignal(t *testing.T) {
	r := runtimeOf(t)
	c, out := start(t, r, shell(t, `trap 'echo asked to end; exit 3' TERM; echo ready; while :; do sleep 0.01; done`))
	defer c.Remove()
	waitFor(t, "the trap is set", func() bool { return ignoresOrCatches(c.PID(), syscall.SIGTERM) })
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := out(); got != "ready\nasked to end" {
		t.Errorf("output %q", got)
	}
	if got := c.Wait(); got.Code != 3 || got.Signal != 0 {
		t.Errorf("exit %+v, want code 3", got)
	}
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("a signal after the end: %v", err)
	}
}

func TestKill(t *testing.T) {
	r := runtimeOf(t)
	c, out := start(t, r, shell(t, `(setsid sleep 1000 &) ; sleep 1000 & wait`))
	defer c.Remove()
	waitFor(t, "three processes run", func() bool { return len(c.members()) == 3 })
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	out() // ends when nobody holds it any more
	if got := c.Wait(); got.Code != 137 || got.Signal != syscall.SIGKILL {
		t.Errorf("exit %+v, want killed", got)
	}
}

// What keeps a command from starting is an error that says what to do.
func TestStartErrors(t *testing.T) {
	r := runtimeOf(t)
	scripts := t.TempDir()
	for name, content := range map[string]string{"no-interpreter": "#!/no/such/thing\n", "no-program": "\x00\x01", "plain": "x"} {
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(scripts, "plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		why  string
		spec Spec
		want string
	}{
		"NotFound":      {why: "The command and where it was looked for are named.", spec: Spec{Argv: []string{"no-such-command"}, Env: []string{"PATH=/bin:/usr/games"}}, want: `command "no-such-command" is in none of the container's folders of programs (PATH=/bin:/usr/games)`},
		"PathNotFound":  {why: "A path is not looked for.", spec: Spec{Argv: []string{"/no/such"}}, want: `command "/no/such" does not exist in the container`},
		"NotExecutable": {why: "A file without the right to run it.", spec: Spec{Argv: []string{"/s/plain"}}, want: `command "/s/plain" cannot be executed: permission denied`},
		"Folder":        {why: "A folder is no command.", spec: Spec{Argv: []string{"/usr"}}, want: `command "/usr" cannot be executed: permission denied`},
		"NoInterpreter": {why: "The script is there, its interpreter is not.", spec: Spec{Argv: []string{"/s/no-interpreter"}}, want: "interpreter"},
		"NoProgram":     {why: "A file that is nothing the machine can run.", spec: Spec{Argv: []string{"/s/no-program"}}, want: `command "/s/no-program" cannot be executed: exec format error`},
		"NoDir":         {why: "A working directory that is a file.", spec: Spec{Argv: []string{"true"}, Dir: "/s/plain"}, want: `working directory "/s/plain": not a directory`},
		"NoSource":      {why: "A mount of something that is not there.", spec: Spec{Argv: []string{"true"}, Mounts: []Mount{{Source: "/no/such", Target: "/x"}}}, want: "open /no/such for /x: no such file or directory"},
		"NoCommand":     {why: "There must be something to run.", spec: Spec{}, want: "it has no command"},
		"BadCapability": {why: "A capability that does not exist.", spec: Spec{Argv: []string{"true"}, Capabilities: []string{"CAP_FLY"}}, want: `capability "CAP_FLY"`},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.ID = "c"
			c.spec.Mounts = append(c.spec.Mounts, Mount{Source: scripts, Target: "/s"})
			_, err := r.Start(t.Context(), c.spec, Stdio{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s Error %v, want %s", c.why, err, c.want)
			}
			if left, err := filepath.Glob(filepath.Join(r.shelf.dir, "container-*")); err != nil || len(left) > 0 {
				t.Errorf("files are left: %v, %v", left, err)
			}
		})
	}
	var missing *NotFoundError
	_, err := r.Start(t.Context(), Spec{ID: "c", Argv: []string{"no-such-command"}}, Stdio{})
	if !errors.As(err, &missing) || missing.Command != "no-such-command" || missing.Path == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %#v, want a NotFoundError", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	r := runtimeOf(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := r.Start(ctx, shell(t, "sleep 1000"), Stdio{}); !errors.Is(err, cause) {
		t.Errorf("error %v, want %v", err, cause)
	}
}

func TestWhatTheCommandSees(t *testing.T) {
	r := runtimeOf(t)
	env := t.TempDir()
	if err := os.MkdirAll(filepath.Join(env, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(env, "bin", "python"), []byte("#!/bin/sh\necho of the image\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	image := &rootfs.Image{
		Folders:    []rootfs.Folder{{Source: env, Target: "/env/x"}, {Source: env, Target: "/writable", CopyOnWrite: true}},
		Path:       []string{"/env/x/bin"},
		Variables:  map[string]string{"FROM_IMAGE": "1", "SHARED": "image"},
		WorkingDir: "/work/dir",
	}
	files := t.TempDir()
	write(t, files+"/program", "of the image")
	write(t, files+"/etc/of-image", "configuration")
	write(t, files+"/usr/share/of-image", "shared")
	own := &rootfs.Image{Folders: []rootfs.Folder{{Source: files, Target: "/"}}}
	hidden := &rootfs.Image{Folders: []rootfs.Folder{{Source: env, Target: "/root/.hidden/python"}}, Path: []string{"/root/.hidden/python/bin"}}
	for name, c := range map[string]struct {
		why  string
		spec Spec
		want string
	}{
		"Files":       {why: "An image's own files are laid over the machine's.", spec: with(shell(t, "cat /program /etc/of-image /usr/share/of-image; test -e /etc/nsswitch.conf && test -e /usr/bin/env && touch /program && echo and"), func(s *Spec) { s.Image = own }), want: "of the imageconfigurationsharedand"},
		"HiddenHome":  {why: "An interpreter in a hidden home is seen, and nothing beside it.", spec: with(shell(t, "python; ls -A /root /root/.hidden"), func(s *Spec) { s.Image = hidden }), want: "of the image\n/root:\n.hidden\n\n/root/.hidden:\npython"},
		"Hello":       {why: "Output comes through.", spec: shell(t, "echo hello"), want: "hello"},
		"Path":        {why: "The usual PATH and HOME.", spec: shell(t, "echo $PATH $HOME"), want: usualPath + " /root"},
		"Image":       {why: "The image's programs are first on the PATH.", spec: with(shell(t, "python; echo $PATH"), func(s *Spec) { s.Image = image }), want: "of the image\n/env/x/bin:" + usualPath},
		"OwnPath":     {why: "A PATH that the pod sets is taken as it is.", spec: with(shell(t, "echo $PATH"), func(s *Spec) { s.Image, s.Env = image, []string{"PATH=/bin"} }), want: "/bin"},
		"Variables":   {why: "The pod's variables replace the image's.", spec: with(shell(t, "echo $FROM_IMAGE $SHARED"), func(s *Spec) { s.Image, s.Env = image, []string{"SHARED=pod"} }), want: "1 pod"},
		"ImageDir":    {why: "The image's working directory is made.", spec: with(shell(t, "pwd"), func(s *Spec) { s.Image = image }), want: "/work/dir"},
		"Dir":         {why: "The pod's comes first.", spec: with(shell(t, "pwd"), func(s *Spec) { s.Image, s.Dir = image, "/other/dir" }), want: "/other/dir"},
		"ImageFolder": {why: "An image's folder is read-only.", spec: with(shell(t, "touch /env/x/y 2>/dev/null || echo read-only"), func(s *Spec) { s.Image = image }), want: "read-only"},
		"CopyOnWrite": {why: "Or copy on write.", spec: with(shell(t, "touch /writable/y && ls /writable"), func(s *Spec) { s.Image = image }), want: "bin\ny"},
		"ResolvConf":  {why: "The pod's name servers.", spec: with(shell(t, "cat /etc/resolv.conf /etc/hostname"), func(s *Spec) { s.ResolvConf, s.Hostname = []byte("nameserver 10.43.0.10\n"), "pod-1" }), want: "nameserver 10.43.0.10\npod-1"},
		"Who":         {why: "Programs that ask who they are get an answer.", spec: shell(t, "id -un; id -gn"), want: "root\nroot"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t, r, c.spec); got.out != c.want {
				t.Errorf("%s Output\n%s\nwant\n%s", c.why, got.out, c.want)
			}
		})
	}
	if _, err := os.Lstat(filepath.Join(env, "y")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a write to an image's folder reached the machine: %v", err)
	}
}

func TestUser(t *testing.T) {
	r := runtimeOf(t)
	s := shell(t, "id -u; id -g; id -G; id -un; id -gn; echo $HOME; touch ~/x /tmp/x && ls ~")
	s.UID, s.GID, s.Groups = 1234, 2345, []uint32{3456}
	if r.ids.inUser {
		_, err := r.Start(t.Context(), s, Stdio{})
		if err == nil || !strings.Contains(err.Error(), "user namespace") || !strings.Contains(err.Error(), "run weir as root") {
			t.Errorf("a user that does not exist here: error %v", err)
		}
		return
	}
	s.Image = &rootfs.Image{Folders: []rootfs.Folder{{Source: t.TempDir(), Target: "/root/.hidden/python"}}}
	s.Argv[2] += "; cd /root/.hidden/python"
	asks(t, r, s, "1234\n2345\n2345 3456\nuser\nuser\n/home/user\nx")
}

// A process killed for want of memory is told apart from one killed otherwise.
func TestOOMKilled(t *testing.T) {
	r := runtimeOf(t)
	tree, err := cgroup.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	group, err := tree.New("oom", cgroup.Limits{MemoryBytes: 24 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if group == nil || len(tree.Support().Controllers) == 0 {
		t.Skip(tree.Support().Reason)
	}
	defer group.Destroy()
	s := shell(t, "exec tail /dev/zero")
	s.Cgroup = group
	if got := run(t, r, s).exit; !got.OOMKilled || got.Code != 137 {
		t.Errorf("exit %+v, want killed for want of memory", got)
	}
}

// A program with many variables starts as well.
func TestLargeEnvironment(t *testing.T) {
	r := runtimeOf(t)
	s := shell(t, "echo ${#BIG}")
	s.Env = []string{"BIG=" + strings.Repeat("x", 100_000)}
	for range 8 {
		s.Env = append(s.Env, strings.Repeat("Y", len(s.Env))+"="+strings.Repeat("y", 100_000))
	}
	asks(t, r, s, "100000")
}

// Many containers start and end at once.
func TestManyAtOnce(t *testing.T) {
	r := runtimeOf(t)
	for i := range 20 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := shell(t, "echo $0")
			s.ID = "c" + string(rune('a'+i))
			s.Argv = append(s.Argv, s.ID)
			asks(t, r, s, s.ID)
		})
	}
}

func with(s Spec, change func(*Spec)) Spec {
	change(&s)
	return s
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 20 seconds", what)
		}
	}
}

func ignoresOrCatches(pid int, s syscall.Signal) bool {
	status, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "status"))
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(status), "\n") {
		if mask, ok := strings.CutPrefix(line, "SigCgt:\t"); ok {
			return parseHex(mask)&(1<<(s-1)) != 0
		}
	}
	return false
}
