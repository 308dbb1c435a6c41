package metrics

import (
	"context"
	"sync"
	"time"
)

const (
	// step is from one point of a history to the next, and kept how many there are:
	// an hour.
	step = time.Minute
	kept = 60
)

// A Point is what the node used in the minute before a moment.
type Point struct {
	At     time.Time `json:"at"`
	Cores  float64   `json:"cores"`
	Memory uint64    `json:"memory"` // bytes
}

// A History is what the node used over the last hour, kept in memory. It looks into
// two files of the kernel once a minute. The zero value is empty.
type History struct {
	mu     sync.Mutex
	last   nodeTimes
	at     time.Time
	points []Point
}

// Points are the minutes of the last hour, the oldest first.
func (h *History) Points() []Point {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Point{}, h.points...)
}

// follow looks once a minute until ctx ends.
func (h *History) follow(ctx context.Context) {
	every := time.NewTicker(step)
	defer every.Stop()
	for now := time.Now(); ; {
		if times, err := readNodeTimes(); err == nil { // Else there is a gap.
			h.add(now, times)
		}
		select {
		case <-ctx.Done():
			return
		case now = <-every.C:
		}
	}
}

func (h *History) add(at time.Time, times nodeTimes) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A machine that slept has no rate for the time.
	if window := at.Sub(h.at); !h.at.IsZero() && window > 0 && window < 2*step && times.busy >= h.last.busy {
		busy := time.Duration(times.busy - h.last.busy)
		h.points = append(h.points, Point{At: at, Cores: busy.Seconds() / window.Seconds(), Memory: times.memory})
	}
	h.last, h.at = times, at
	for len(h.points) > kept || len(h.points) > 0 && at.Sub(h.points[0].At) > kept*step {
		h.points = h.points[1:]
	}
}
