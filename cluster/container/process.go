package container

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/weir-ml/weir/cluster/cgroup"
)

// An ExitStatus says how a process ended.
type ExitStatus struct {
	Code      int            // as a shell says it: 128 and the signal's number after a signal
	Signal    syscall.Signal // 0 when it ended by itself
	OOMKilled bool           // it failed, and its group had run out of memory
	At        time.Time
}

// A Process is a running or finished command: a container's, or one started beside it.
type Process struct {
	process  *os.Process
	terminal *os.File
	group    *cgroup.Group
	started  time.Time

	done chan struct{}
	exit ExitStatus // once done is closed
}

// PID is the process's number as this program sees it.
func (p *Process) PID() int { return p.process.Pid }

// StartedAt is when the command began.
func (p *Process) StartedAt() time.Time { return p.started }

// Terminal is the other end of the process's terminal, or nil if it has none.
// Who asked for a terminal closes it.
func (p *Process) Terminal() *os.File { return p.terminal }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the process's end; any number of callers may.
func (p *Process) Wait() ExitStatus {
	<-p.done
	return p.exit
}

// Signal sends s to the process alone. One that has ended is no error.
func (p *Process) Signal(s syscall.Signal) error {
	err := p.process.Signal(s)
	if err == nil || errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return fmt.Errorf("signal process %d: %w", p.PID(), err)
}

// Kill kills the process and, if it is a container's command, all that runs in the container.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

func (p *Process) finish(state *os.ProcessState, err error) {
	p.exit.At = time.Now()
	switch status, ok := sysOf(state).(syscall.WaitStatus); {
	case err != nil || !ok:
		p.exit.Code = 255 // somebody else has buried it
	case status.Signaled():
		p.exit.Signal = status.Signal()
		p.exit.Code = 128 + int(status.Signal())
	default:
		p.exit.Code = status.ExitStatus()
	}
	p.exit.OOMKilled = p.exit.Code != 0 && p.group.OOMKilled()
	close(p.done)
}

func sysOf(state *os.ProcessState) any {
	if state == nil {
		return nil
	}
	return state.Sys()
}
