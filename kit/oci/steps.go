package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Steps of builds are images in a repository that nobody else writes to. A tag there is
// what a step was made of, and its file was written when it was used last.
const stepRepository = "docker.io/library/build-step"

// A Step is what a step of a build is made of, in hexadecimal digits.
type Step string

func (s Step) name() string { return stepRepository + ":" + string(s) }

// Step finds what a step has made before; nil is nothing.
func (s *Store) Step(step Step) (*Image, error) {
	n, err := s.parse(step.name())
	if err != nil {
		return nil, err
	}
	i, err := s.find(n)
	if errors.As(err, new(*NotFoundError)) || errors.As(err, new(*BrokenError)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return i, os.Chtimes(s.repository(n.Repository, tagsFolder, n.Tag), now, now)
}

// BuildStep keeps what a step makes.
func (s *Store) BuildStep(ctx context.Context, step Step, d Draft) (*Image, error) {
	return s.Build(ctx, step.name(), d)
}

// ForgetSteps takes the names away from what steps have made that nobody has used for
// some time. Collect removes it. It returns how many those were.
func (s *Store) ForgetSteps(unused time.Duration) (int, error) {
	var forgotten int
	err := eachFile(s.repository(stepRepository, tagsFolder), func(path string, info fs.FileInfo) error {
		if time.Since(info.ModTime()) < unused {
			return nil
		}
		forgotten++
		return s.Remove(Step(info.Name()).name())
	})
	if err != nil {
		return forgotten, fmt.Errorf("forget steps of builds: %w", err)
	}
	return forgotten, nil
}

// Use keeps unpacked layers where they are until release is called, for a process that
// has roots of them.
func (s *Store) Use() (release func(), err error) {
	if err := os.MkdirAll(s.path("layers"), 0o755); err != nil {
		return nil, fmt.Errorf("use images: %w", err)
	}
	f, err := os.OpenFile(s.path("layers", layersInUse), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("use images: %w", err)
	}
	if err := flock(f, unix.LOCK_SH); err != nil {
		f.Close()
		return nil, fmt.Errorf("use images: %w", err)
	}
	return func() { f.Close() }, nil
}

// layersInUse is the file that is locked by who uses unpacked layers.
const layersInUse = "in-use"
