package container

import (
	"io"
	"os"
	"strings"
	"testing"
)

// execute runs another command in the container to its end.
func execute(t *testing.T, c *Container, s ExecSpec) result {
	t.Helper()
	stdio, out := capture(t)
	p, err := c.Exec(t.Context(), s, stdio)
	stdio.Stdout.Close()
	if err != nil {
		t.Fatal(err)
	}
	return result{out: out(), exit: p.Wait()}
}

func TestExec(t *testing.T) {
	r := runtimeOf(t)
	ns, err := r.NewNamespaces(t.Context(), NamespaceOptions{Hostname: "pod-1"})
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	s := shell(t, "echo here > /tmp/file; sleep 1000")
	s.Namespaces, s.Env, s.Dir, s.NoNewPrivileges = ns, []string{"A=1"}, "/var/tmp", true
	c, _ := start(t, r, s)
	defer c.Remove()
	waitFor(t, "the file is written", func() bool {
		f, err := c.Open("/tmp/file")
		if err != nil {
			return false
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		return err == nil && string(b) == "here\n"
	})
	for name, e := range map[string]struct {
		why    string
		spec   ExecSpec
		script string
		want   string
	}{
		"Root":         {why: "It sees the container's files.", script: "cat /tmp/file", want: "here"},
		"Processes":    {why: "It sees the container's processes, and is one of them.", script: "tr '\\0' ' ' < /proc/1/cmdline | cut -d' ' -f1; [ $$ -gt 1 ] && echo another", want: "/bin/sh\nanother"},
		"Hostname":     {why: "It has the pod's name.", script: "uname -n", want: "pod-1"},
		"Environment":  {why: "It has the container's variables, and its own.", spec: ExecSpec{Env: []string{"B=2"}}, script: "echo $A $B", want: "1 2"},
		"Dir":          {why: "It begins where the container began.", script: "pwd", want: "/var/tmp"},
		"OwnDir":       {why: "Or elsewhere.", spec: ExecSpec{Dir: "/etc"}, script: "pwd", want: "/etc"},
		"Capabilities": {why: "It may do what the container may, and no more.", script: "grep -e CapEff -e CapBnd -e NoNewPrivs /proc/self/status | tr -d '\\t'", want: "CapEff:00000000a80425fb\nCapBnd:00000000a80425fb\nNoNewPrivs:1"},
		"Groups":       {why: "It is in the container's control group.", script: "cut -d: -f3 /proc/self/cgroup | sort -u", want: "/"},
		"Descriptors":  {why: "No open file of weir comes along.", script: "for f in /proc/$$/fd/*; do case $f in */[012]) ;; *) readlink $f ;; esac; done", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			e.spec.Argv = []string{"sh", "-c", e.script}
			if got := execute(t, c, e.spec); got.out != e.want {
				t.Errorf("%s Output %q, want %q", e.why, got.out, e.want)
			}
		})
	}
	if got := execute(t, c, ExecSpec{Argv: []string{"sh", "-c", "exit 9"}}).exit; got.Code != 9 {
		t.Errorf("exit %+v, want code 9", got)
	}
	if _, err := c.Exec(t.Context(), ExecSpec{Argv: []string{"no-such-command"}}, Stdio{}); err == nil || !strings.Contains(err.Error(), "no-such-command") {
		t.Errorf("no such command: %v", err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if _, err := c.Exec(t.Context(), ExecSpec{Argv: []string{"true"}}, Stdio{}); err == nil {
		t.Error("a command was started in a container that has ended")
	}
}

// What runs beside the container's command ends with it.
func TestExecEndsWithContainer(t *testing.T) {
	r := runtimeOf(t)
	c, _ := start(t, r, shell(t, "sleep 1000"))
	defer c.Remove()
	p, err := c.Exec(t.Context(), ExecSpec{Argv: []string{"sleep", "1000"}}, Stdio{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := p.Wait(); got.Code != 137 {
		t.Errorf("exit %+v, want killed", got)
	}
}

func TestTerminal(t *testing.T) {
	r := runtimeOf(t)
	const script = `tty; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo terminal; read x; echo got $x; ps -o tty= -p $$ | tr -d ' '`
	s := shell(t, script)
	s.Terminal = true
	c, err := r.Start(t.Context(), s, Stdio{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Remove()
	const want = "/dev/pts/0\r\nxterm\r\nterminal\r\nword\r\ngot word\r\npts/0\r\n"
	if got := converse(t, c.Process, "word\n"); got != want {
		t.Errorf("terminal of the command: %q, want %q", got, want)
	}

	other, _ := start(t, r, Spec{ID: "other", Argv: []string{"sleep", "1000"}})
	defer other.Remove()
	p, err := other.Exec(t.Context(), ExecSpec{Argv: []string{"sh", "-c", script}, Terminal: true}, Stdio{})
	if err != nil {
		t.Fatal(err)
	}
	if got := converse(t, p, "word\n"); got != want {
		t.Errorf("terminal of another command: %q, want %q", got, want)
	}
}

// converse waits for the word terminal, types, and reads until the process is gone.
func converse(t *testing.T, p *Process, typed string) string {
	t.Helper()
	terminal := p.Terminal()
	defer terminal.Close()
	var said []byte
	for !strings.Contains(string(said), "terminal\r\n") {
		b := make([]byte, 100)
		n, err := terminal.Read(b)
		if err != nil {
			t.Fatalf("after %q: %v", said, err)
		}
		said = append(said, b[:n]...)
	}
	if _, err := terminal.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(terminal) // ends with EIO when the other side is closed
	if err != nil && !strings.Contains(err.Error(), "input/output error") {
		t.Error(err)
	}
	if got := p.Wait(); got.Code != 0 {
		t.Errorf("exit %+v", got)
	}
	return string(said) + string(all)
}

func TestStdin(t *testing.T) {
	r := runtimeOf(t)
	in, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdio, out := capture(t)
	stdio.Stdin = in
	c, err := r.Start(t.Context(), Spec{ID: "c", Argv: []string{"cat"}}, stdio)
	in.Close()
	stdio.Stdout.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Remove()
	theirs.WriteString("typed")
	theirs.Close()
	if got := out(); got != "typed" {
		t.Errorf("output %q", got)
	}
}
