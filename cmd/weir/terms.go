package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// The controllers wait for the API server most of their time, and each answer
// wakes them for a fraction of a millisecond. On the terms that the Go runtime has
// of itself, a quarter of their CPU would go into waking: threads of other
// processors, which find nothing to do, and one that looks around 50 µs later.

// slack is how much later than asked this process may be woken. Nothing that
// controllers wait for is as punctual.
const slack = 5 * time.Millisecond

// withSlack starts this program again, in its own place, if its threads are woken
// more punctually: those that the Go runtime has by now would stay so.
func withSlack() error {
	has, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("ask how late timers may be: %w", err)
	}
	if time.Duration(has) >= slack {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	runtime.LockOSThread() // It is this thread's slack that the program begins with.
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
		return fmt.Errorf("let timers be late: %w", err)
	}
	if err := unix.Exec(program, os.Args, os.Environ()); err != nil {
		return fmt.Errorf("start %s again: %w", program, err)
	}
	return nil
}

// processors are how many a process has its goroutines run on at a time.
type processors struct {
	most, now int
	spent     time.Duration // of CPU until then
	at        time.Time
}

// glance is how often it is seen whether there is work for more.
const glance = 250 * time.Millisecond

// fewProcessors lets this process use one processor at a time, and as many more
// as it has work for, up to what it was given, until ctx ends. GOMAXPROCS, where
// somebody has set it, is left as it is.
func fewProcessors(ctx context.Context) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	p := processors{most: runtime.GOMAXPROCS(0), now: 1}
	runtime.GOMAXPROCS(p.now)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			before := p.now
			if p.adapt(at, cpuTime()); p.now != before {
				runtime.GOMAXPROCS(p.now)
			}
		}
	}
}

// adapt decides by what was spent since it was last asked: one more when those
// there are have hardly rested, one less when the others could do it with ease.
func (p *processors) adapt(at time.Time, spent time.Duration) {
	const hardly, ease = 0.8, 0.5
	if !p.at.IsZero() {
		busy := (spent - p.spent).Seconds() / at.Sub(p.at).Seconds()
		switch {
		case busy > hardly*float64(p.now):
			p.now = min(p.now+1, p.most)
		case busy < ease*float64(p.now-1):
			p.now--
		}
	}
	p.at, p.spent = at, spent
}

// cpuTime is what this process has spent.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0 // It cannot fail for a process that asks about itself.
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
