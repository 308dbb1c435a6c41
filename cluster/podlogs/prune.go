package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	pruneFirst = time.Minute // so that it is not in the way of a start
	pruneEvery = 10 * time.Minute
)

// Start prunes now and then until the context ends. It tells failed what went
// wrong, and goes on.
func (s *Store) Start(ctx context.Context, failed func(error)) {
	next := time.NewTimer(pruneFirst)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if err := s.Prune(time.Now()); err != nil {
			failed(err)
		}
		next.Reset(pruneEvery)
	}
}

// Prune removes what is older than the retention allows, and then the oldest
// until what is left is small enough. A file that the kubelet has too costs no
// space of ours and is left alone, so no log of a pod that exists is removed.
func (s *Store) Prune(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours, total, err := s.ours()
	if err != nil {
		return fmt.Errorf("prune kept logs: %w", err)
	}
	slices.SortFunc(ours, func(a, b kept) int { return a.written.Compare(b.written) })
	var errs []error
	for _, k := range ours {
		tooOld := s.retention.Age > 0 && now.Sub(k.written) > s.retention.Age
		tooMuch := s.retention.Bytes > 0 && total > s.retention.Bytes
		if !tooOld && !tooMuch {
			break
		}
		total -= k.size
		errs = append(errs, s.remove(k.path))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("prune kept logs: %w", err)
	}
	return nil
}

// kept is a file that nobody else has a name for.
type kept struct {
	path    string
	size    int64
	written time.Time
}

func (s *Store) ours() ([]kept, int64, error) {
	var ours []kept
	var total int64
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || filepath.Ext(path) != ".log" {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
			return nil
		}
		ours = append(ours, kept{path, info.Size(), info.ModTime()})
		total += info.Size()
		return nil
	})
	return ours, total, err
}

// remove removes a file, and the folders that are empty without it.
func (s *Store) remove(file string) error {
	if err := os.Remove(file); err != nil {
		return err
	}
	container := filepath.Dir(file)
	if os.Remove(container) != nil {
		return nil //nolint:nilerr // There are other files.
	}
	pod := filepath.Dir(container)
	left, err := os.ReadDir(pod)
	if err != nil {
		return err
	}
	if len(left) == 1 && left[0].Name() == podFile {
		return os.RemoveAll(pod)
	}
	return nil
}
