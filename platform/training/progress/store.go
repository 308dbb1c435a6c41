package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A Store keeps the courses of jobs, a file for each:
//
//	DIR/<namespace>/<kind>.<name>.<uid>.jsonl
//
// One process may write it; any number may read it meanwhile.
type Store struct {
	dir string // "" keeps nothing but what is in memory

	mu   sync.Mutex
	open map[Job]*kept
}

// kept is a course that is being added to.
type kept struct {
	*Course
	users int
	file  *os.File
	added int // points that the file got since it was last compacted
	look  int // after how many it is looked whether to compact it
	mu    sync.Mutex
}

// Open returns the store in a folder, which need not exist yet. Without a folder
// all is in memory.
func Open(dir string) *Store { return &Store{dir: dir, open: map[Job]*kept{}} }

// ErrUnknown is returned for a job of which nothing is kept.
var ErrUnknown = errors.New("nothing is known of its course")

// Find returns the course of a job by its name: of the youngest of that name, if
// there were several.
func (s *Store) Find(namespace, kind, name string) (*Course, error) {
	s.mu.Lock()
	for job, k := range s.open {
		if job.Namespace == namespace && job.Kind == kind && job.Name == name {
			s.mu.Unlock()
			return k.Course, nil
		}
	}
	s.mu.Unlock()
	files, err := s.files(namespace)
	if err != nil {
		return nil, err
	}
	var youngest *file
	for i, f := range files {
		if f.job.Kind == kind && f.job.Name == name && (youngest == nil || f.written.After(youngest.written)) {
			youngest = &files[i]
		}
	}
	if youngest == nil {
		return nil, fmt.Errorf("%s/%s in namespace %s: %w", kind, name, namespace, ErrUnknown)
	}
	return s.load(youngest.job)
}

// A file is one of the store.
type file struct {
	job     Job
	path    string
	written time.Time
}

// files lists those of a namespace; "*" means all.
func (s *Store) files(namespace string) ([]file, error) {
	if s.dir == "" {
		return nil, nil
	}
	paths, err := filepath.Glob(filepath.Join(s.dir, namespace, "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("list courses of namespace %q: %w", namespace, err)
	}
	var all []file
	for _, path := range paths {
		parts := strings.Split(strings.TrimSuffix(filepath.Base(path), ".jsonl"), ".")
		info, err := os.Stat(path)
		if n := len(parts); n >= 3 && err == nil {
			job := Job{Kind: parts[0], Namespace: filepath.Base(filepath.Dir(path)), Name: strings.Join(parts[1:n-1], "."), UID: parts[n-1]}
			all = append(all, file{job, path, info.ModTime()})
		}
	}
	return all, nil
}

func (s *Store) path(job Job) string {
	return filepath.Join(s.dir, job.Namespace, strings.Join([]string{job.Kind, job.Name, job.UID, "jsonl"}, "."))
}

// load reads a course. A line that is not whole is what a writer was killed at.
func (s *Store) load(job Job) (*Course, error) {
	c := newCourse(job)
	if s.dir == "" {
		return c, nil
	}
	data, err := os.ReadFile(s.path(job))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read course of %s/%s: %w", job.Kind, job.Name, err)
	}
	for line := range bytes.Lines(data) {
		var b batch
		if line[len(line)-1] == '\n' && json.Unmarshal(line, &b) == nil {
			c.add(&b)
		}
	}
	return c, nil
}

// take returns the course of a job to add to. Give it back with release.
func (s *Store) take(job Job) (*kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.open[job]; k != nil {
		k.users++
		return k, nil
	}
	c, err := s.load(job)
	if err != nil {
		return nil, err
	}
	k := &kept{Course: c, users: 1}
	s.open[job] = k
	return k, nil
}

// release says that nothing will be added by one who took the course.
func (s *Store) release(k *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.users--; k.users > 0 || s.dir == "" {
		return // What is in memory alone stays there.
	}
	delete(s.open, k.Job)
	if k.file != nil {
		k.file.Close()
	}
}

// compactAfter is how many points are written before a file is made anew, if
// that halves it.
const compactAfter = 4096

// append adds a batch to a course and its file.
func (s *Store) append(k *kept, b *batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(b)
	if s.dir == "" {
		return nil
	}
	if k.added > max(k.look, compactAfter) {
		if k.look = k.size(); k.added > k.look { // To count them takes time.
			return s.compact(k)
		}
	}
	if k.file == nil {
		if err := s.reopen(k); err != nil {
			return err
		}
	}
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("write course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
	}
	for _, series := range b.Series {
		k.added += len(series.Points)
	}
	if _, err := k.file.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
	}
	return nil
}

// reopen opens a job's file to add to it. What a killed writer has left of a
// line becomes one of its own.
func (s *Store) reopen(k *kept) error {
	path := s.path(k.Job)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("keep course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
	}
	k.file = f
	last := make([]byte, 1)
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			_, err = f.WriteString("\n")
			return err
		}
	}
	return nil
}

// compact writes a file anew, with what is kept of its points.
func (s *Store) compact(k *kept) error {
	var data bytes.Buffer
	w := json.NewEncoder(&data)
	for _, b := range k.batches() {
		if err := w.Encode(b); err != nil {
			return fmt.Errorf("compact course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
		}
	}
	path := s.path(k.Job)
	if err := os.WriteFile(path+"~", data.Bytes(), 0o600); err != nil {
		return fmt.Errorf("compact course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		return fmt.Errorf("compact course of %s/%s: %w", k.Job.Kind, k.Job.Name, err)
	}
	if k.file != nil {
		k.file.Close()
	}
	k.file, k.added, k.look = nil, 0, 0
	return s.reopen(k)
}

// Prune removes the courses that nothing was added to for an age, of jobs that
// are gone.
func (s *Store) Prune(age time.Duration, now time.Time, gone func(Job) bool) error {
	files, err := s.files("*")
	if err != nil {
		return err
	}
	for _, f := range files {
		if now.Sub(f.written) > age && gone(f.job) {
			err = errors.Join(err, os.Remove(f.path))
		}
	}
	return err
}
