package main

import (
	"testing"
	"time"
)

// Each case is what a process spent of each quarter of a second, and how many
// processors it then has.
func TestProcessorsFollowTheWork(t *testing.T) {
	for name, c := range map[string]struct {
		why   string
		most  int
		spent []time.Duration
		want  []int
	}{
		"Idle":    {"One is enough for who waits.", 4, of(0, 5, 10), []int{1, 1, 1}},
		"Waiting": {"It is busy half of its time, and gets no more.", 4, of(125, 125), []int{1, 1}},
		"Burst":   {"It takes one more as long as those there are have hardly rested.", 4, of(240, 480, 740, 990, 1000), []int{2, 3, 4, 4, 4}},
		"Two":     {"It gets no more than it was given.", 2, of(250, 500, 500), []int{2, 2, 2}},
		"Over":    {"After a burst it goes back, one at a time.", 4, of(250, 500, 50, 0, 0), []int{2, 3, 2, 1, 1}},
		"Steady":  {"What two do with little rest, two keep.", 4, of(250, 350, 350), []int{2, 2, 2}},
		"Alone":   {"A machine of one processor has no other.", 1, of(250, 250), []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Unix(0, 0)
			p := processors{most: c.most, now: 1}
			p.adapt(at, time.Second)
			spent := time.Second // before
			for i := range c.spent {
				at, spent = at.Add(glance), spent+c.spent[i]
				p.adapt(at, spent)
				if p.now != c.want[i] {
					t.Fatalf("after %d: %d processors, want %d: %s", i+1, p.now, c.want[i], c.why)
				}
			}
		})
	}
}

func of(milliseconds ...int) []time.Duration {
	all := make([]time.Duration, len(milliseconds))
	for i, n := range milliseconds {
		all[i] = time.Duration(n) * time.Millisecond
	}
	return all
}
