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
	if s.terminal {
		return executeInTerminal(ctx, i, argv, s)
	}

	pipes, err := openPipes(s)
	if err != nil {
		return 0, err
	}
	defer pipes.close()
	process, err := i.process.Exec(ctx, container.ExecSpec{Argv: argv}, pipes.theirs)
	if err != nil {
		return 0, err
	}
	pipes.started()
	if pipes.stdin != nil {
		go func() { // Ends with the client's input, or when the pipes are closed.
			_, _ = io.Copy(pipes.stdin, s.in)
			_ = pipes.stdin.Close()
		}()
	}
	return awaitExec(ctx, process, pipes.feeds), ctx.Err()
}

func executeInTerminal(ctx context.Context, i *instance, argv []string, s execStreams) (int, error) {
	process, err := i.process.Exec(ctx, container.ExecSpec{Argv: argv, Env: []string{"TERM=xterm"}, Terminal: true}, container.Stdio{})
	if err != nil {
		return 0, err
	}
	terminal := process.Terminal()
	if s.in != nil {
		go func() { _, _ = io.Copy(terminal, s.in) }() // Ends with the client's input, or the terminal.
	}
	go followSize(s.resize, process.Done(), func(width, height uint16) { resize(terminal, width, height) })
	out := s.out
	if out == nil {
		out = io.Discard
	}
	return awaitExec(ctx, process, []*feed{{drain: drain{from: terminal, terminal: true}, to: out}}), ctx.Err()
}

// followSize tells of each size of a window until done.
func followSize(sizes <-chan remotecommand.TerminalSize, done <-chan struct{}, tell func(width, height uint16)) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			tell(size.Width, size.Height)
		case <-done:
			return
		}
	}
}

// A feed is a stream of a command on its way to who asked for it.
type feed struct {
	drain
	to io.Writer
}

// execPipes are the standard streams of a command without a terminal.
type execPipes struct {
	theirs container.Stdio
	stdin  *os.File // nil when there is no input
	feeds  []*feed
}

// openPipes makes a pipe for each stream that is wanted.
func openPipes(s execStreams) (_ *execPipes, err error) {
	p := &execPipes{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if s.in != nil {
		if p.theirs.Stdin, p.stdin, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
	}
	if p.theirs.Stdout, err = p.feed(s.out); err != nil {
		return nil, err
	}
	if p.theirs.Stderr, err = p.feed(s.err); err != nil {
		return nil, err
	}
	return p, nil
}

// feed makes a pipe to a writer and returns the command's end; nil for nobody.
func (p *execPipes) feed(to io.Writer) (*os.File, error) {
	if to == nil {
		return nil, nil
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p.feeds = append(p.feeds, &feed{drain: drain{from: ours}, to: to})
	return theirs, nil
}

// started says that the command has its ends.
func (p *execPipes) started() {
	closeTheirs(p.theirs)
	p.theirs = container.Stdio{}
}

func (p *execPipes) close() {
	closeTheirs(p.theirs)
	if p.stdin != nil {
		_ = p.stdin.Close()
	}
	for _, f := range p.feeds {
		_ = f.from.Close()
	}
}

// awaitExec returns the exit code of a process when all that it wrote was handed on.
func awaitExec(ctx context.Context, process *container.Process, feeds []*feed) int {
	stop := context.AfterFunc(ctx, func() {
		// With what it started, unless that went its own way: a command is a session of
		// its own.
		_ = syscall.Kill(-process.PID(), syscall.SIGKILL)
		_ = process.Kill()
	})
	defer stop()

	var moving sync.WaitGroup
	for _, f := range feeds {
		moving.Go(func() {
			f.run(func(p []byte) error {
				_, err := f.to.Write(p)
				return err
			})
		})
	}
	end := process.Wait()
	stop()
	for _, f := range feeds {
		f.finish()
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
