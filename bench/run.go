package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const scriptRuns = 10

// ofRun measures weir run of a small script whose environment is warm, beside
// the script itself.
func (b *bench) ofRun(ctx context.Context) (err error) {
	w, err := b.fresh(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	dir, err := os.MkdirTemp(b.scratch, "script-")
	if err != nil {
		return err
	}
	write := func(n int) error {
		return os.WriteFile(filepath.Join(dir, "train.py"), fmt.Appendf(nil, "print('begun', %d)\n", n), 0o644)
	}
	if err := write(0); err != nil {
		return err
	}
	run := []string{b.binary, "--dir", w.dir, "run", "train.py"}
	if _, _, err := firstLine(ctx, dir, run...); err != nil { // builds the environment
		return err
	}
	plain, same, changed := series{}, series{}, series{}
	for n := range scriptRuns {
		if err := plain.add(ctx, dir, "python3", "train.py"); err != nil {
			return err
		}
		if err := same.add(ctx, dir, run...); err != nil {
			return err
		}
		if err := write(n + 1); err != nil {
			return err
		}
		if err := changed.add(ctx, dir, run...); err != nil {
			return err
		}
	}
	b.report.row("`weir run` of a script, to its first line", "%s, at best %s (median of %d); `python3` of the same %s; to the end of the command %s",
		short(same.first.median()), short(same.first.quantile(0)), scriptRuns, short(plain.first.median()), short(same.end.median()))
	b.report.row("`weir run` after a change of the script, to its first line", "%s, at best %s: %.2f times that without a change",
		short(changed.first.median()), short(changed.first.quantile(0)), changed.first.median().Seconds()/same.first.median().Seconds())
	return nil
}

// A series is how long a command took, again and again.
type series struct{ first, end samples }

func (s *series) add(ctx context.Context, dir string, command ...string) error {
	first, end, err := firstLine(ctx, dir, command...)
	if err != nil {
		return err
	}
	s.first, s.end = append(s.first, first), append(s.end, end)
	return nil
}

// firstLine is how long a command takes until it prints a line, and until it has
// ended.
func firstLine(ctx context.Context, dir string, command ...string) (first, end time.Duration, err error) {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir = dir
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if first == 0 {
			first = time.Since(began)
		}
	}
	if err := c.Wait(); err != nil {
		return 0, 0, fmt.Errorf("%v: %w", command, err)
	}
	if first == 0 {
		return 0, 0, fmt.Errorf("%v: it printed nothing", command)
	}
	return first, time.Since(began), nil
}
