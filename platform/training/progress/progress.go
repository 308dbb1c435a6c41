// Package progress follows what training jobs say of themselves, and keeps it:
// how far each replica is, and the course of its loss, accuracy and whatever
// else it measures. Nothing is asked of the program.
//
//	pod's log ──────────▶ kit/measure ─┬▶ Course (in memory, while the job runs)
//	events in S3, volumes ─▶            ├▶ a file for each job, appended once a second
//	                                    ├▶ status.progress of the job, every 2 s at most
//	                                    └▶ GET /progress/… , weir watch
//
// A file is a row of lines, each a batch in JSON; see batch. A batch says what a
// source gave and up to where it was read, so that whoever follows it next goes
// on there: a process that is killed loses nothing that is still in the log.
package progress

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weir-ml/weir/kit/measure"
)

// A Job is what a course is of. Kind is in lower case, as tfjob.
type Job struct {
	Kind, Namespace, Name, UID string
}

// A Course is what is known of one job.
type Course struct {
	Job Job

	mu       sync.Mutex
	replicas map[string]*replica
	sources  map[string]mark
}

// A replica is a part of a job that speaks for itself: a pod, or a folder of
// events.
type replica struct {
	progress measure.Progress
	series   map[string]*measure.Series
	names    []string // in the order in which they were first seen
}

// A mark is up to where a source was read: a log to a time, a file to an offset.
type mark struct {
	replica string
	until   time.Time
	offset  int64
	ended   bool
}

func newCourse(job Job) *Course {
	return &Course{Job: job, replicas: map[string]*replica{}, sources: map[string]mark{}}
}

// A Replica is how one replica stands.
type Replica struct {
	Name     string
	Progress measure.Progress
	Series   []Series
}

// A Series is the course of one value.
type Series struct {
	Name   string
	Points []measure.Point
}

// Last is the last point.
func (s *Series) Last() measure.Point { return s.Points[len(s.Points)-1] }

// Replicas are how the replicas stand now, by name.
func (c *Course) Replicas() []Replica {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Replica
	for _, name := range slices.Sorted(maps.Keys(c.replicas)) {
		r := c.replicas[name]
		now := Replica{Name: name, Progress: r.progress}
		for _, s := range r.names {
			now.Series = append(now.Series, Series{s, r.series[s].Points()})
		}
		all = append(all, now)
	}
	return all
}

// add takes over a batch.
func (c *Course) add(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.replicas[b.Replica]
	if r == nil {
		r = &replica{series: map[string]*measure.Series{}}
		c.replicas[b.Replica] = r
	}
	if b.Progress != nil {
		r.progress = b.Progress.progress()
	}
	for _, s := range b.Series {
		if r.series[s.Name] == nil {
			r.series[s.Name] = &measure.Series{}
			r.names = append(r.names, s.Name)
		}
		for _, p := range s.Points {
			r.series[s.Name].Add(p.point())
		}
	}
	if b.Source != "" {
		c.sources[b.Source] = mark{b.Replica, b.Until, b.Offset, b.Ended}
	}
}

// mark is up to where a source was read.
func (c *Course) mark(source string) mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sources[source]
}

// progressOf is how far a replica was.
func (c *Course) progressOf(name string) measure.Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.replicas[name]; r != nil {
		return r.progress
	}
	return measure.Progress{}
}

// batches are as few as say all that is known.
func (c *Course) batches() []*batch {
	var all []*batch
	for _, r := range c.Replicas() {
		b := &batch{Replica: r.Name, Progress: newWireProgress(r.Progress)}
		for _, s := range r.Series {
			b.Series = append(b.Series, newWireSeries(s.Name, s.Points))
		}
		all = append(all, b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, source := range slices.Sorted(maps.Keys(c.sources)) {
		m := c.sources[source]
		all = append(all, &batch{Replica: m.replica, Source: source, Until: m.until, Offset: m.offset, Ended: m.ended})
	}
	return all
}

// size is how many points there are.
func (c *Course) size() int {
	n := 0
	for _, r := range c.Replicas() {
		for _, s := range r.Series {
			n += len(s.Points)
		}
	}
	return n
}
