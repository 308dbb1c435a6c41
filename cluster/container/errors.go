package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/weir-ml/weir/cluster/container/internal/entry"
)

// A NotFoundError says that the container has no such command.
type NotFoundError struct {
	Command string
	Path    string // the PATH that was searched; "" when Command is a path itself
}

func (e *NotFoundError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("command %q does not exist in the container", e.Command)
	}
	return fmt.Sprintf("command %q is in none of the container's folders of programs (PATH=%s)", e.Command, e.Path)
}

// Is makes it an os.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == os.ErrNotExist }

// A failure is entry's, as an error.
type failure struct{ *entry.Failure }

func (f failure) Error() string { return f.Step + ": " + f.Unwrap().Error() }
func (f failure) Unwrap() error { return syscall.Errno(f.Errno) }

// errVanished says that the copy ended without having said anything.
var errVanished = errors.New("the process ended before it became the command")

func check(a entry.Answer) error {
	switch {
	case a.Failure != nil:
		return failure{a.Failure}
	case !a.Ready:
		return errVanished
	}
	return nil
}

// explain turns what went wrong with the copy into what a user should know.
func explain(ctx context.Context, err error, state *os.ProcessState, c entry.Config) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var f failure
	if !errors.As(err, &f) {
		if errors.Is(err, errVanished) && state != nil {
			return fmt.Errorf("%w: %s", err, state)
		}
		return err
	}
	command := ""
	if len(c.Argv) > 0 {
		command = c.Argv[0]
	}
	switch f.What {
	case entry.NoCommand:
		return &NotFoundError{Command: command, Path: searched(command, c.Path)}
	case entry.NoInterpreter:
		return fmt.Errorf("command %q: the interpreter that its first line names, or the loader of programs, does not exist in the container: %w", command, f.Unwrap())
	case entry.NotExecutable:
		return fmt.Errorf("command %q cannot be executed: %w", command, f.Unwrap())
	case entry.NoDir:
		return fmt.Errorf("working directory %q: %w", c.Dir, f.Unwrap())
	case entry.NoUser:
		return fmt.Errorf("%w: user %d and group %d do not exist in weir's user namespace: run the pod as user 0, which is you, give yourself subordinate ids (/etc/subuid, /etc/subgid), or run weir as root", f, c.UID, c.GID)
	}
	return f
}

func searched(command, path string) string {
	for _, r := range command {
		if r == '/' {
			return ""
		}
	}
	return path
}
