package progress

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/weir-ml/weir/kit/measure"
)

// A batch is a line of a job's file.
type batch struct {
	Replica string `json:"replica"`
	// Source is the log or the file that this was read from, and Until or
	// Offset up to where. Ended is whether no more will come.
	Source string    `json:"source,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Offset int64     `json:"offset,omitempty"`
	Ended  bool      `json:"ended,omitempty"`

	Progress *wireProgress `json:"progress,omitempty"`
	Series   []wireSeries  `json:"series,omitempty"`
}

type wireSeries struct {
	Name   string      `json:"name"`
	Points []wirePoint `json:"points"`
}

type wirePoint struct {
	Step  int64     `json:"step,omitempty"`
	Epoch float64   `json:"epoch,omitempty"`
	Time  time.Time `json:"time"`
	Value number    `json:"value"`
}

func (p wirePoint) point() measure.Point {
	return measure.Point{Step: p.Step, Epoch: p.Epoch, Time: p.Time, Value: float64(p.Value)}
}

func newWireSeries(name string, points []measure.Point) wireSeries {
	s := wireSeries{Name: name}
	for _, p := range points {
		s.Points = append(s.Points, wirePoint{p.Step, p.Epoch, p.Time.UTC(), number(p.Value)})
	}
	return s
}

// A wireProgress is a measure.Progress, and what follows from it.
type wireProgress struct {
	Epoch     float64   `json:"epoch,omitempty"`
	Epochs    int64     `json:"epochs,omitempty"`
	Step      int64     `json:"step,omitempty"`
	Steps     int64     `json:"steps,omitempty"`
	PerEpoch  bool      `json:"perEpoch,omitempty"`
	FromZero  bool      `json:"fromZero,omitempty"`
	EpochDone bool      `json:"epochDone,omitempty"`
	Begin     time.Time `json:"begin,omitzero"`
	BeginDone float64   `json:"beginDone,omitempty"`
	BeginStep int64     `json:"beginStep,omitempty"`
	Time      time.Time `json:"time,omitzero"`

	Done             *float64 `json:"done,omitempty"`
	StepsPerSecond   *float64 `json:"stepsPerSecond,omitempty"`
	RemainingSeconds *float64 `json:"remainingSeconds,omitempty"`
}

func newWireProgress(p measure.Progress) *wireProgress {
	if !p.Known() && p.Epochs == 0 {
		return nil
	}
	w := &wireProgress{
		Epoch: p.Epoch, Epochs: p.Epochs, Step: p.Step, Steps: p.Steps, PerEpoch: p.PerEpoch, FromZero: p.FromZero, EpochDone: p.EpochDone,
		Begin: p.Begin.UTC(), BeginDone: p.BeginDone, BeginStep: p.BeginStep, Time: p.At.UTC(),
	}
	if done, ok := p.Done(); ok {
		w.Done = &done
	}
	if rate, ok := p.Rate(); ok {
		w.StepsPerSecond = &rate
	}
	if left, ok := p.Left(); ok {
		w.RemainingSeconds = new(left.Seconds())
	}
	return w
}

func (w *wireProgress) progress() measure.Progress {
	return measure.Progress{
		Epoch: w.Epoch, Epochs: w.Epochs, Step: w.Step, Steps: w.Steps, PerEpoch: w.PerEpoch, FromZero: w.FromZero, EpochDone: w.EpochDone,
		Begin: w.Begin, BeginDone: w.BeginDone, BeginStep: w.BeginStep, At: w.Time,
	}
}

// A number is one that may be infinite or none, which JSON has no numbers for:
// then it is a word.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 0):
		return fmt.Appendf(nil, `"%v"`, f), nil
	default:
		return json.Marshal(f)
	}
}

func (n *number) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `"NaN"`:
		*n = number(math.NaN())
	case `"+Inf"`:
		*n = number(math.Inf(1))
	case `"-Inf"`:
		*n = number(math.Inf(-1))
	default:
		return json.Unmarshal(data, (*float64)(n))
	}
	return nil
}
