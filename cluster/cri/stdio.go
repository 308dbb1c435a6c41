package cri

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/container"
)

// A stdio is the standard streams of an instance, seen from our side.
type stdio struct {
	theirs container.Stdio

	stdin    *os.File // nil when the pod wants none
	stdout   *output
	stderr   *output // nil with a terminal
	terminal *os.File

	moving sync.WaitGroup
}

// openStdio makes the pipes of an instance. With a terminal there are none: see run.
func openStdio(config *runtimeapi.ContainerConfig) (_ *stdio, err error) {
	s := &stdio{stdout: &output{}}
	if config.GetTty() {
		return s, nil
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.stderr = &output{}
	if config.GetStdin() {
		if s.theirs.Stdin, s.stdin, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
	}
	if s.stdout.from, s.theirs.Stdout, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if s.stderr.from, s.theirs.Stderr, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return s, nil
}

// run moves what the process writes to the log.
func (s *stdio) run(p *container.Process, stdin bool, log *logFile, now func() time.Time) {
	closeTheirs(s.theirs)
	s.theirs = container.Stdio{}
	if s.terminal = p.Terminal(); s.terminal != nil {
		s.stdout.drain = drain{from: s.terminal, terminal: true}
		if stdin {
			s.stdin = s.terminal
		}
	}

	s.stdout.entries = &entryWriter{log: log, stream: "stdout", now: now}
	s.moving.Go(s.stdout.run)
	if s.stderr != nil {
		s.stderr.entries = &entryWriter{log: log, stream: "stderr", now: now}
		s.moving.Go(s.stderr.run)
	}
}

// finish returns when all that the process, which has exited, wrote is in the log.
func (s *stdio) finish() {
	s.stdout.finish()
	if s.stderr != nil {
		s.stderr.finish()
	}
	s.moving.Wait()
	s.closeStdin()
}

// closeStdin lets the process read the end of its input.
func (s *stdio) closeStdin() {
	if s.stdin != nil && s.stdin != s.terminal {
		_ = s.stdin.Close()
	}
}

// resize tells the terminal how large its window is.
func (s *stdio) resize(width, height uint16) { resize(s.terminal, width, height) }

func resize(terminal *os.File, width, height uint16) {
	if terminal == nil {
		return
	}
	conn, err := terminal.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height})
	})
}

// close gives up streams that no process ever had.
func (s *stdio) close() {
	closeTheirs(s.theirs)
	s.closeStdin()
	for _, o := range []*output{s.stdout, s.stderr} {
		if o != nil && o.from != nil {
			_ = o.from.Close()
		}
	}
}

func closeTheirs(s container.Stdio) {
	for _, f := range []*os.File{s.Stdin, s.Stdout, s.Stderr} {
		if f != nil {
			_ = f.Close()
		}
	}
}
