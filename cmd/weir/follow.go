package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/training/progress"
)

// courses is the folder of what jobs have said of themselves.
func courses(dir string) string { return filepath.Join(dir, "progress") }

// keptLogs follows the logs of the weir in this process where they are kept: it
// takes less than a stream through the API server and the kubelet for each, and
// they stay when their pods are gone.
type keptLogs struct{ store *podlogs.Store }

// Waits between looks at a log that nothing was added to.
const (
	soonest = 200 * time.Millisecond
	latest  = time.Second
)

// Follow hands over the lines of a container until it has ended.
func (k keptLogs) Follow(ctx context.Context, c progress.Container, after time.Time, over func() bool, take func(time.Time, string)) error {
	var r *podlogs.Reader
	defer func() {
		if r != nil {
			r.Close()
		}
	}()
	for wait := soonest; ; wait = min(2*wait, latest) {
		ended := over() // Before the last look, not after it.
		if r == nil {
			log, err := k.find(c)
			if err != nil {
				return err
			}
			if log != nil {
				r = log.Read()
			}
		}
		n, err := drain(r, after, take)
		if err != nil {
			return err
		}
		if n > 0 {
			wait = soonest
		}
		if ended {
			if r != nil {
				for _, l := range r.Rest() {
					take(l.Time, l.Text)
				}
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// drain hands over what there is now, and says how many lines that is.
func drain(r *podlogs.Reader, after time.Time, take func(time.Time, string)) (int, error) {
	for n := 0; ; n++ {
		if r == nil {
			return n, nil
		}
		line, ok, err := r.Next()
		if !ok || err != nil {
			return n, err
		}
		if line.Time.After(after) {
			take(line.Time, line.Text)
		}
	}
}

// find is the log of a container; nil while there is none.
func (k keptLogs) find(c progress.Container) (*podlogs.Log, error) {
	logs, err := k.store.Logs(podlogs.Pod{Namespace: c.Namespace, Name: c.Pod, UID: string(c.UID)})
	if err != nil {
		return nil, err
	}
	for _, l := range logs {
		if l.Container == c.Name && l.Attempt == uint32(c.Attempt) {
			return &l, nil
		}
	}
	return nil, nil
}
