package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/training/progress"
)

// courses is the folder of what jobs have said of themselves.
func courses(dir string) string { return filepath.Join(dir, "progress") }

// keptLogs follows the logs of the weir in this process where they are kept: it
// takes less than a stream through the API server and the kubelet for each, and
// they stay when their pods are gone.
type keptLogs struct {
	store *podlogs.Store
	dir   string // of the weir
}

func newKeptLogs(dir string) keptLogs {
	return keptLogs{podlogs.View(cluster.KeptLogs(dir)), dir}
}

// Waits between looks at a log that nothing was added to.
const (
	soonest = 200 * time.Millisecond
	latest  = time.Second
)

// Follow hands over the lines of a container until it has ended.
func (k keptLogs) Follow(ctx context.Context, c progress.Container, after time.Time, over <-chan struct{}, take func(time.Time, string)) error {
	var r *podlogs.Reader
	defer func() {
		if r != nil {
			r.Close()
		}
	}()
	drawn := drawing{}
	for wait := soonest; ; wait = min(2*wait, latest) {
		ended := progress.IsOver(over) // Before the last look, not after it.
		if r == nil {
			log, err := k.find(c)
			if err != nil {
				return err
			}
			if log != nil {
				r = log.Read()
			}
		}
		n, err := drain(r, after, drawn, take)
		if err != nil {
			return err
		}
		if r != nil && !ended {
			for _, l := range r.Unended(cluster.PodLog(k.dir, c.Namespace, c.Pod, string(c.UID), c.Name, c.Attempt)) {
				if l, ok := drawn.more(l); ok && l.Time.After(after) {
					take(l.Time, l.Text)
				}
			}
		}
		if n > 0 {
			wait = soonest
		}
		if ended {
			if r != nil {
				for _, l := range r.Rest() {
					l = drawn.rest(l)
					take(l.Time, l.Text)
				}
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
		case <-time.After(wait):
		}
	}
}

// drain hands over what there is now, and says how many lines that is.
func drain(r *podlogs.Reader, after time.Time, drawn drawing, take func(time.Time, string)) (int, error) {
	for n := 0; ; n++ {
		if r == nil {
			return n, nil
		}
		line, ok, err := r.Next()
		if !ok || err != nil {
			return n, err
		}
		if line = drawn.rest(line); line.Time.After(after) {
			take(line.Time, line.Text)
		}
	}
}

// A drawing is what was handed over of lines that draw over themselves before
// their end had come, by stream.
type drawing map[string]podlogs.Line

// more is what has been added to a line, up to where it began to draw over itself
// last: after that it may be in the midst of it.
func (d drawing) more(l podlogs.Line) (podlogs.Line, bool) {
	before, end := len(d[l.Stream].Text), strings.LastIndexByte(l.Text, '\r')
	if end <= before {
		return podlogs.Line{}, false
	}
	l.Text = l.Text[:end]
	d[l.Stream] = l
	l.Text = l.Text[before:]
	return l, true
}

// rest is what was not handed over yet of a line that has ended.
func (d drawing) rest(l podlogs.Line) podlogs.Line {
	if before, ok := d[l.Stream]; ok {
		delete(d, l.Stream)
		l.Text = strings.TrimPrefix(l.Text, before.Text)
		if l.Time.Before(before.Time) { // A long line has the time of its beginning.
			l.Time = before.Time
		}
	}
	return l
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
