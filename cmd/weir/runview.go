package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/weir-ml/weir/platform/training/progress"
)

// A runView shows what a run prints and, below it on a terminal, how far it is.
// Elsewhere it only says what keeps the run from starting.
type runView struct {
	out, said io.Writer
	watch     *watch

	mu     sync.Mutex
	begun  bool // it has printed something
	screen *screen
	noted  string // what was said last of what holds it up
}

// Write prints lines above what is drawn.
func (v *runView) Write(lines []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begun = true
	v.screen.erase()
	n, err := v.out.Write(lines)
	v.draw(false)
	return n, err
}

// errors takes the lines that are errors, where nothing is drawn.
func (v *runView) errors() io.Writer {
	if v.screen.terminal {
		return nil
	}
	return errorsOf{v}
}

type errorsOf struct{ view *runView }

func (e errorsOf) Write(lines []byte) (int, error) {
	e.view.mu.Lock()
	defer e.view.mu.Unlock()
	e.view.begun = true
	return e.view.said.Write(lines)
}

// silentFor is how long a run may print nothing before it is said why.
const silentFor = 2 * time.Second

// follow looks how far the run is until somebody says stop. What it cannot find
// out, it does not show.
func (v *runView) follow(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-time.After(v.pace()):
		}
		// The watch fills the screen, which is drawn while nobody else does.
		if _, _, err := v.watch.look(ctx); err != nil {
			continue
		}
		v.mu.Lock()
		v.take()
		v.draw(false)
		v.mu.Unlock()
	}
}

// pace is the time between looks: where nothing is drawn, only what holds the
// run up is of interest.
func (v *runView) pace() time.Duration {
	if v.screen.terminal {
		return findEvery
	}
	return silentFor
}

// take takes over what the watch has found.
func (v *runView) take() {
	found := v.watch.screen
	v.screen.replicas, v.screen.note = found.replicas, ""
	for name, state := range found.states {
		v.screen.states[name] = state
	}
	if !v.begun {
		v.screen.note = found.note
	}
}

// draw shows what there is, if that is worth it.
func (v *runView) draw(end bool) {
	switch s := v.screen; {
	case !s.terminal:
		if s.note != "" && s.note != v.noted {
			fmt.Fprintln(v.said, "weir:", s.note)
			v.noted = s.note
		}
	case s.note != "" || hasNews(s.replicas):
		s.draw(time.Now(), end)
	}
}

// pause shows nothing while something else is on the terminal.
func (v *runView) pause(during func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	during()
	v.screen.drawn = 0 // It stays where it is, above.
}

// hasNews is whether anything is known of how far the replicas are.
func hasNews(replicas []progress.Replica) bool {
	for _, r := range replicas {
		if len(r.Series) > 0 || !r.Progress.At.IsZero() {
			return true
		}
	}
	return false
}

// end draws for the last time; what is printed then comes below.
func (v *runView) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.screen.note = ""
	v.screen.erase()
	v.draw(true)
	v.screen.drawn = 0
}
