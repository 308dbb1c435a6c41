// Package measure finds numbers in what a training leaves behind: epochs, steps,
// losses and accuracies in the lines it prints, and scalars in the files it
// writes for TensorBoard.
//
//	line ───▶ Scanner ─────┬▶ Sample ─▶ Series, of bounded size
//	                       └▶ Progress: how much is done, how fast, how long still
//	bytes ──▶ EventReader ──▶ Sample
//
// What counts as a number is in tables: rules.go for where a training is, and
// names.go for what is measured.
package measure

import (
	"slices"
	"time"
)

// A Point is a value at a place of a training. Step counts from its beginning,
// over all epochs; Epoch is as the program counts. Each is 0 where it is not
// known.
type Point struct {
	Step  int64
	Epoch float64
	Time  time.Time
	Value float64
}

// A Sample is a point of the series of a name. Names are as they were printed,
// with _ for spaces: loss, val_accuracy, Test_accuracy.
type Sample struct {
	Name string
	Point
}

// SeriesSize is how many points a series keeps.
const SeriesSize = 512

// A Series is the course of one value. However many points are added, it keeps
// SeriesSize: the first, the last, the least and the greatest, and of the others
// those that lie well apart in time.
type Series struct{ points []Point }

// Points are what is kept, in the order in which they were added.
func (s *Series) Points() []Point { return slices.Clone(s.points) }

// Last is the point that was added last; it is zero while there is none.
func (s *Series) Last() Point {
	if len(s.points) == 0 {
		return Point{}
	}
	return s.points[len(s.points)-1]
}

// Add adds a point.
func (s *Series) Add(p Point) {
	s.points = append(s.points, p)
	if len(s.points) > SeriesSize {
		i := s.leastMissed()
		s.points = slices.Delete(s.points, i, i+1)
	}
}

// leastMissed is the point whose neighbours are nearest to each other, of those
// that may go.
func (s *Series) leastMissed() int {
	least, greatest := 0, 0
	for i, p := range s.points {
		if p.Value < s.points[least].Value {
			least = i
		}
		if p.Value > s.points[greatest].Value {
			greatest = i
		}
	}
	best, nearest := 1, time.Duration(-1)
	for i := 1; i < len(s.points)-1; i++ {
		if i == least || i == greatest {
			continue
		}
		if gap := s.points[i+1].Time.Sub(s.points[i-1].Time); nearest < 0 || gap < nearest {
			best, nearest = i, gap
		}
	}
	return best
}
