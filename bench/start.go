package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ofBinary measures the program as a file.
func (b *bench) ofBinary(ctx context.Context) error {
	info, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "go", "version", "-m", b.binary).Output()
	if err != nil {
		return fmt.Errorf("read what the program was built from: %w", err)
	}
	modules := strings.Count(string(out), "\n\tdep\t")
	setting := func(name string) string {
		_, rest, _ := strings.Cut(string(out), "\tbuild\t"+name+"=")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	b.report.row("the program, stripped", "%d MB; %d modules, CGO_ENABLED=%s, %s", info.Size()/1e6, modules, setting("CGO_ENABLED"), strings.Fields(string(out))[1])
	return nil
}

const starts = 5

// ofStart measures how long weir takes until it is ready, and what it uses then
// without anything to do.
func (b *bench) ofStart(ctx context.Context) (err error) {
	var empty, used samples
	for i := range starts {
		w, err := b.fresh(ctx)
		if err != nil {
			return err
		}
		empty = append(empty, w.took)
		if err := w.down(ctx); err != nil {
			return err
		}
		again, err := b.up(ctx, w.dir)
		if err != nil {
			return err
		}
		used = append(used, again.took)
		if i == starts-1 {
			err = b.ofIdle(ctx, again)
		}
		if err := errors.Join(err, again.down(ctx)); err != nil {
			return err
		}
	}
	version, err := b.times(ctx, starts, b.binary, "kubectl", "version", "--client")
	if err != nil {
		return err
	}
	for _, s := range []struct {
		what string
		of   samples
	}{{"an empty", empty}, {"a used", used}} {
		b.report.row("`weir up --detach` on "+s.what+" folder, until it is ready", "%s, at best %s (median of %d); %.0f times `kubectl version --client`",
			short(s.of.median()), short(s.of.quantile(0)), starts, s.of.median().Seconds()/version.median().Seconds())
	}
	return nil
}

const (
	settles = 15 * time.Second
	watched = 20 * time.Second
)

// ofIdle measures a weir that has nothing to do.
func (b *bench) ofIdle(ctx context.Context, w *weir) error {
	if err := wait(ctx, settles); err != nil {
		return err
	}
	before, err := useOf(w.pid)
	if err != nil {
		return err
	}
	if err := wait(ctx, watched); err != nil {
		return err
	}
	after, err := useOf(w.pid)
	if err != nil {
		return err
	}
	b.report.row("idle: memory of its processes together", "%d MB resident, %d MB with shared pages counted once", after.resident>>20, after.proportional>>20)
	b.report.row(fmt.Sprintf("idle: CPU over %s", watched), "%.1f %% of a core", 100*(after.cpu-before.cpu).Seconds()/watched.Seconds())
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// times runs a command again and again and says how long it took each time.
func (b *bench) times(ctx context.Context, n int, command ...string) (samples, error) {
	var all samples
	for range n {
		began := time.Now()
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, out)
		}
		all = append(all, time.Since(began))
	}
	return all, nil
}
