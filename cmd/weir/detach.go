package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// detach starts weir up in a session of its own and returns once it is ready.
func detach(ctx context.Context, dir string, o upOptions, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	if pid, err := holder(dir); err != nil || pid != 0 {
		if err != nil {
			return err
		}
		return heldBy(dir, pid)
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o700); err != nil {
		return fmt.Errorf("make weir's folder: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "logs", "up.log"))
	if err != nil {
		return fmt.Errorf("start weir: %w", err)
	}
	defer log.Close()

	address := o.listen
	if o.port != 0 {
		address = net.JoinHostPort(o.listen, strconv.Itoa(o.port))
	}
	args := []string{"up", "--dir", dir, "--listen", address}
	for _, s := range o.share {
		args = append(args, "--share", s)
	}
	if len(o.without) > 0 {
		args = append(args, "--without", strings.Join(o.without, ","))
	}
	weir := exec.Command("/proc/self/exe", args...) //nolint:noctx // It goes on when this command has ended.
	weir.Args[0] = os.Args[0]
	weir.Stdout, weir.Stderr = log, log
	weir.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := weir.Start(); err != nil {
		return fmt.Errorf("start weir: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- weir.Wait() }()
	return follow(ctx, dir, weir.Process.Pid, log.Name(), ended, out)
}

// follow shows what a weir in the background says until it is ready.
func follow(ctx context.Context, dir string, pid int, log string, ended <-chan error, out io.Writer) error {
	said, err := os.Open(log)
	if err != nil {
		return err
	}
	defer said.Close()
	for {
		s, err := lastState(dir)
		ready := err == nil && s != nil && s.PID == pid && !s.Ready.IsZero()
		select {
		case <-ended: //nolint:errcheck // It has said why.
			_, _ = io.Copy(out, said)
			return exitError(1)
		default:
		}
		_, _ = io.Copy(out, said)
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
