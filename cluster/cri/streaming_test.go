package cri

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	clientexec "k8s.io/client-go/util/exec"
	remote "k8s.io/cri-client/pkg"
	utilexec "k8s.io/utils/exec"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/network/netns"
)

// exec runs a command as kubectl does, and returns its exit code.
func (r *rig) exec(request *runtimeapi.ExecRequest, o remotecommand.StreamOptions) (int, error) {
	r.t.Helper()
	request.Stdin, request.Stdout, request.Stderr, request.Tty = o.Stdin != nil, o.Stdout != nil, o.Stderr != nil, o.Tty
	response, err := r.Exec(r.t.Context(), request)
	must(r.t, err)
	return r.stream(response.GetUrl(), o)
}

func (r *rig) stream(at string, o remotecommand.StreamOptions) (int, error) {
	r.t.Helper()
	address, err := url.Parse(at)
	must(r.t, err)
	executor, err := remotecommand.NewSPDYExecutor(&rest.Config{}, "POST", address)
	must(r.t, err)
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	err = executor.StreamWithContext(ctx, o)
	var code clientexec.CodeExitError
	if errors.As(err, &code) {
		return code.Code, nil
	}
	return 0, err
}

func TestExec(t *testing.T) {
	r := newRig(t)
	id := r.start(r.pod(), shell("sleep 1000", func(c *runtimeapi.ContainerConfig) {
		c.Envs = []*runtimeapi.KeyValue{{Key: "COLOUR", Value: []byte("blue")}}
		c.WorkingDir = "/tmp"
	}))
	cases := map[string]struct {
		why         string
		script      string
		stdin       string
		terminal    bool
		out, errout string
		code        int
	}{
		"Output":     {why: "The streams stay apart.", script: "echo out; echo err >&2", out: "out\n", errout: "err\n"},
		"Code":       {why: "The exit code comes back.", script: "exit 7", code: 7},
		"Stdin":      {why: "Input reaches the command, and so does its end.", script: "cat; echo end", stdin: "in\n", out: "in\nend\n"},
		"Container":  {why: "The command has the container's environment and folder.", script: "echo $COLOUR $HOSTNAME; pwd", out: "blue web-0\n/tmp\n"},
		"Unended":    {why: "A last line without an end comes too.", script: "printf a", out: "a"},
		"Background": {why: "What it leaves running is not waited for.", script: "sleep 1000 & echo out", out: "out\n"},
		"Terminal":   {why: "A terminal has one stream, and its lines end as on a terminal.", script: "test -t 1 && echo tty $TERM", terminal: true, out: "tty xterm\r\n"},
		"Much":       {why: "All of it comes.", script: "seq 1 20000 | tail -c 12; seq 1 20000 >/dev/null", out: "19999\n20000\n"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out, errout bytes.Buffer
			o := remotecommand.StreamOptions{Stdout: &out, Tty: tc.terminal}
			if tc.stdin != "" {
				o.Stdin = strings.NewReader(tc.stdin)
			}
			if !tc.terminal {
				o.Stderr = &errout
			}
			code, err := r.exec(&runtimeapi.ExecRequest{ContainerId: id, Cmd: []string{"/bin/sh", "-c", tc.script}}, o)
			if err != nil || code != tc.code || out.String() != tc.out || errout.String() != tc.errout {
				t.Errorf("%s\ncode %d, out %q, err %q, error %v", tc.why, code, out.String(), errout.String(), err)
			}
		})
	}
}

// A terminal takes input and knows the size of its window.
func TestExecResizes(t *testing.T) {
	r := newRig(t)
	id := r.start(r.pod(), shell("sleep 1000"))
	input, keys := io.Pipe()
	defer keys.Close()
	out := &screen{}
	size := &oneSize{size: remotecommand.TerminalSize{Width: 123, Height: 45}}
	go func() {
		seen(func() bool {
			fmt.Fprintln(keys, "stty size")
			return strings.Contains(out.String(), "45 123")
		})
		fmt.Fprintln(keys, "exit 5")
	}()
	code, err := r.exec(&runtimeapi.ExecRequest{ContainerId: id, Cmd: []string{"/bin/sh"}}, remotecommand.StreamOptions{Stdin: input, Stdout: out, Tty: true, TerminalSizeQueue: size})
	if code != 5 || err != nil || !strings.Contains(out.String(), "45 123") {
		t.Errorf("code %d, error %v, screen %q", code, err, out.String())
	}
}

// A oneSize is the queue of sizes of a window that never changes.
type oneSize struct {
	mu   sync.Mutex
	size remotecommand.TerminalSize
	seen bool
}

func (s *oneSize) Next() *remotecommand.TerminalSize {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen {
		return nil
	}
	s.seen = true
	return &s.size
}

// A screen is a buffer that may be read while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestExecSync(t *testing.T) {
	r := newRig(t)
	id := r.start(r.pod(), shell("sleep 1000"))
	out, errout, err := r.ExecSync(t.Context(), id, []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, 10*time.Second)
	var code utilexec.CodeExitError
	if string(out) != "out\n" || string(errout) != "err\n" || !errors.As(err, &code) || code.Code != 3 {
		t.Errorf("out %q, err %q, error %v", out, errout, err)
	}
	if _, _, err := r.ExecSync(t.Context(), id, []string{"no-such-command"}, 0); err == nil || errors.As(err, &code) {
		t.Errorf("a command that does not exist: error %v", err)
	}

	out, _, err = r.ExecSync(t.Context(), id, []string{"sh", "-c", "echo begun; sleep 4321; true"}, 300*time.Millisecond)
	if !errors.Is(err, remote.ErrCommandTimedOut) || string(out) != "begun\n" {
		t.Errorf("out %q, error %v, want a time-out", out, err)
	}
	if out, _, _ := r.ExecSync(t.Context(), id, []string{"sh", "-c", "grep -l '432[1]' /proc/[0-9]*/cmdline || true"}, 0); strings.Contains(string(out), "cmdline") {
		t.Errorf("the command outlived its time-out: %s", out)
	}

	must(t, r.StopContainer(t.Context(), id, 0))
	if _, _, err := r.ExecSync(t.Context(), id, []string{"true"}, 0); err == nil {
		t.Error("a command ran in a container that has exited")
	}
}

// Whoever is attached sees what the process writes from then on, and types into it.
func TestAttach(t *testing.T) {
	for name, terminal := range map[string]bool{"Pipes": false, "Terminal": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.start(r.pod(), shell("read line; echo got $line; read line; echo and $line >&2", func(c *runtimeapi.ContainerConfig) {
				c.Stdin, c.Tty = true, terminal
			}))
			response, err := r.Attach(t.Context(), &runtimeapi.AttachRequest{ContainerId: id, Stdin: true, Stdout: true, Stderr: !terminal, Tty: terminal})
			must(t, err)
			input, keys := io.Pipe()
			out, errout := &screen{}, &screen{}
			go func() {
				fmt.Fprintln(keys, "one")
				seen(func() bool { return strings.Contains(out.String(), "got one") })
				fmt.Fprintln(keys, "two")
			}()
			o := remotecommand.StreamOptions{Stdin: input, Stdout: out, Tty: terminal}
			if !terminal {
				o.Stderr = errout
			}
			_, err = r.stream(response.GetUrl(), o)
			must(t, err)
			keys.Close()
			if all := out.String() + errout.String(); !strings.Contains(all, "got one") || !strings.Contains(all, "and two") {
				t.Errorf("seen %q", all)
			}
			if log := r.written(r.wait(id)); !strings.Contains(log, "got one") || !strings.Contains(log, "and two") {
				t.Errorf("log %q", log)
			}
		})
	}
}

// The input of a container ends with whoever is attached first, if the pod says so.
func TestStdinOnce(t *testing.T) {
	r := newRig(t)
	id := r.start(r.pod(), shell("cat; echo end", func(c *runtimeapi.ContainerConfig) { c.Stdin, c.StdinOnce = true, true }))
	response, err := r.Attach(t.Context(), &runtimeapi.AttachRequest{ContainerId: id, Stdin: true, Stdout: true})
	must(t, err)
	var out bytes.Buffer
	_, err = r.stream(response.GetUrl(), remotecommand.StreamOptions{Stdin: strings.NewReader("in\n"), Stdout: &out})
	must(t, err)
	if got, want := r.written(r.wait(id)), "in\nend\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

// Somebody who is attached and does not read is cut off, and the container goes on.
func TestSlowWatcher(t *testing.T) {
	w := &watcher{chunks: make(chan []byte), gone: make(chan struct{})}
	given := make(chan bool)
	go func() { given <- w.give([]byte("x")) }()
	w.leave()
	if <-given {
		t.Error("a watcher that has left took a chunk")
	}
}

// A port of a pod that listens on its own localhost alone can be forwarded.
func TestPortForward(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Network = &loopbacks{} })
	id := r.pod()
	server := r.start(id, shell("mkdir /tmp/www; echo hello > /tmp/www/index.html; cd /tmp/www; exec python3 -u -m http.server --bind 127.0.0.1 8080"))
	r.eventually("it listens", func() bool { return strings.Contains(r.written(r.status(server)), "Serving HTTP") })

	response, err := r.Runtime.PortForward(t.Context(), &runtimeapi.PortForwardRequest{PodSandboxId: id, Port: []int32{8080}})
	must(t, err)
	address, err := url.Parse(response.GetUrl())
	must(t, err)
	transport, upgrader, err := spdy.RoundTripperFor(&rest.Config{})
	must(t, err)
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", address), []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	defer func() {
		close(stop)
		<-ended
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	ports, err := forwarder.GetPorts()
	must(t, err)

	r.eventually("the page is served", func() bool {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		page, _ := io.ReadAll(answer.Body)
		return string(page) == "hello\n"
	})
}

// Loopbacks is a network in which pods reach no one but themselves.
type loopbacks struct {
	mu    sync.Mutex
	files map[string]*os.File
}

func (l *loopbacks) Attach(_ context.Context, id string, _ []network.PortMapping) (*network.Attachment, error) {
	var file *os.File
	made := make(chan error)
	netns.OwnThread(func() {
		made <- func() (err error) {
			if file, err = netns.New(); err != nil {
				return err
			}
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			return netlink.LinkSetUp(lo)
		}()
	})
	if err := <-made; err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.files == nil {
		l.files = map[string]*os.File{}
	}
	l.files[id] = file
	return &network.Attachment{Namespace: file}, nil
}

func (l *loopbacks) Detach(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.files[id]; f != nil {
		delete(l.files, id)
		return f.Close()
	}
	return nil
}
