package cri

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/container"
)

// maxExecOutput is how much ExecSync keeps of what a command writes; the rest is dropped.
const maxExecOutput = 16 << 20

// ExecSync runs a command in the container and returns what it wrote. A command that ends
// with another code than 0 is a utilexec.CodeExitError. One that takes longer than timeout,
// if that is not 0, is killed and is a remote.ErrCommandTimedOut.
func (r *Runtime) ExecSync(ctx context.Context, id string, argv []string, timeout time.Duration) (stdout, stderr []byte, err error) {
	i, err := r.runningInstance(id)
	if err != nil {
		return nil, nil, err
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}

	out, errout := &limited{left: maxExecOutput}, &limited{left: maxExecOutput}
	code, err := execute(ctx, i, argv, execStreams{out: out, err: errout})
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("%w: %q took longer than %s and was killed", remote.ErrCommandTimedOut, strings.Join(argv, " "), timeout)
	case err == nil && code != 0:
		err = utilexec.CodeExitError{Code: code, Err: fmt.Errorf("command %q exited with %d: %s", strings.Join(argv, " "), code, errout.String())}
	}
	return out.Bytes(), errout.Bytes(), err
}

// execStreams are the streams of somebody who runs a command; nil ones are not wanted.
type execStreams struct {
	in       io.Reader
	out, err io.Writer
	terminal bool
	resize   <-chan remotecommand.TerminalSize
}

// execute runs a command beside the instance's and returns its exit code. When ctx ends it
// kills the command.
func execute(ctx context.Context, i *instance, argv []string, s execStreams) (int, error) {
	if len(argv) == 0 {
		return 0, status.Error(codes.InvalidArgument, "exec: no command")
	}
	spec := container.ExecSpec{Argv: argv, Terminal: s.terminal}
	if s.terminal {
		spec.Env = []string{"TERM=xterm"}
		return execInTerminal(ctx, i, spec, s)
	}

	var theirs container.Stdio
	var drains []*drain
	var takes []io.Writer
	var stdin *os.File
	defer func() { closeTheirs(theirs) }()
	var err error
	if s.in != nil {
		if theirs.Stdin, stdin, err = os.Pipe(); err != nil {
			return 0, fmt.Errorf("make a pipe: %w", err)
		}
		defer stdin.Close()
	}
	for _, stream := range []struct {
		to     io.Writer
		theirs **os.File
	}{{s.out, &theirs.Stdout}, {s.err, &theirs.Stderr}} {
		if stream.to == nil {
			continue
		}
		ours, end, err := os.Pipe()
		if err != nil {
			return 0, fmt.Errorf("make a pipe: %w", err)
		}
		defer ours.Close()
		*stream.theirs = end
		drains = append(drains, &drain{from: ours})
		takes = append(takes, stream.to)
	}

	process, err := i.process.Exec(ctx, spec, theirs)
	if err != nil {
		return 0, err
	}
	closeTheirs(theirs)
	theirs = container.Stdio{}
	if stdin != nil {
		go func() { // Ends with the client's input, or when stdin is closed below.
			_, _ = io.Copy(stdin, s.in)
			_ = stdin.Close()
		}()
	}
	return awaitExec(ctx, process, drains, takes), ctx.Err()
}

func execInTerminal(ctx context.Context, i *instance, spec container.ExecSpec, s execStreams) (int, error) {
	process, err := i.process.Exec(ctx, spec, container.Stdio{})
	if err != nil {
		return 0, err
	}
	terminal := process.Terminal()
	if s.in != nil {
		go func() { _, _ = io.Copy(terminal, s.in) }() // Ends with the client's input, or the terminal.
	}
	go func() {
		for {
			select {
			case size, ok := <-s.resize:
				if !ok {
					return
				}
				resize(terminal, size.Width, size.Height)
			case <-process.Done():
				return
			}
		}
	}()
	out := s.out
	if out == nil {
		out = io.Discard
	}
	return awaitExec(ctx, process, []*drain{{from: terminal, terminal: true}}, []io.Writer{out}), ctx.Err()
}

// awaitExec returns the exit code of a process when all that it wrote was handed on.
func awaitExec(ctx context.Context, process *container.Process, drains []*drain, takes []io.Writer) int {
	stop := context.AfterFunc(ctx, func() {
		// With what it started, unless that went its own way: a command is a session of
		// its own.
		_ = syscall.Kill(-process.PID(), syscall.SIGKILL)
		_ = process.Kill()
	})
	defer stop()

	var moving sync.WaitGroup
	for n, d := range drains {
		moving.Go(func() {
			d.run(func(p []byte) error {
				_, err := takes[n].Write(p)
				return err
			})
		})
	}
	end := process.Wait()
	stop()
	for _, d := range drains {
		d.finish()
	}
	moving.Wait()
	return end.Code
}

// runningInstance finds an instance that runs.
func (r *Runtime) runningInstance(id string) (*instance, error) {
	i, err := r.instance(id)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i.state != runtimeapi.ContainerState_CONTAINER_RUNNING {
		return nil, status.Errorf(codes.FailedPrecondition, "container %s is not running: it is in state %s", i.id, i.state)
	}
	return i, nil
}

// A limited buffer keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	_, _ = l.Buffer.Write(keep)
	return len(p), nil
}
