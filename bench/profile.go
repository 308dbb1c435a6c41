package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/pprof/profile"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/kit/part"
)

// window is how long one profile of several is taken.
const window = 5 * time.Second

// A profiling adds up the CPU that the parts of a weir take.
type profiling struct {
	over chan struct{}
	done chan error
	took map[string]time.Duration
}

// profileParts begins to take profiles, one after the other.
func profileParts(ctx context.Context, core kubernetes.Interface) *profiling {
	p := &profiling{over: make(chan struct{}), done: make(chan error, 1), took: map[string]time.Duration{}}
	go func() { p.done <- p.take(ctx, core) }()
	return p
}

func (p *profiling) take(ctx context.Context, core kubernetes.Interface) error {
	for {
		data, err := core.CoreV1().RESTClient().Get().AbsPath("/debug/pprof/profile").Param("seconds", fmt.Sprint(int(window.Seconds()))).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("take a profile: %w", err)
		}
		one, err := profile.ParseData(data)
		if err != nil {
			return fmt.Errorf("read a profile: %w", err)
		}
		for _, s := range one.Sample {
			if of := s.Label[part.Label]; len(of) > 0 {
				p.took[of[0]] += time.Duration(s.Value[1]) // of samples, and nanoseconds
			}
		}
		select {
		case <-p.over:
			return nil
		default:
		}
	}
}

// share ends it, and is how much of what all parts took one took. What is nobody's
// own, such as the collection of garbage, counts for each by what else it took.
func (p *profiling) share(of string) (float64, error) {
	close(p.over)
	if err := <-p.done; err != nil {
		return 0, err
	}
	var all time.Duration
	for _, d := range p.took {
		all += d
	}
	if p.took[of] == 0 {
		return 0, fmt.Errorf("no sample of the profile is of part %q", of)
	}
	return p.took[of].Seconds() / all.Seconds(), nil
}
