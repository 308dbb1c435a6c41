package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/kit/measure"
	"github.com/weir-ml/weir/platform/training/progress"
)

// seriesOf is a course whose steps are 1, 2, 3 and so on.
func seriesOf(name string, values ...float64) progress.Series {
	s := progress.Series{Name: name}
	for i, v := range values {
		s.Points = append(s.Points, measure.Point{Step: int64(i + 1), Time: time.Unix(int64(i), 0), Value: v})
	}
	return s
}

func TestChart(t *testing.T) {
	cases := map[string]struct {
		why  string
		of   []progress.Series
		want string
	}{
		"Falling": {
			why: "From the top left to the bottom right.",
			of:  []progress.Series{seriesOf("train_loss", 4, 3, 2, 1)},
			want: `
train loss
4 ┤⠑⢄
  │  ⠑⢄
  │    ⠑⢄
1 ┤      ⠑⢄
   1 step 4`,
		},
		"Level": {
			why: "A value that stays is drawn in the middle.",
			of:  []progress.Series{seriesOf("lr", 0.01, 0.01)},
			want: `
lr
0.01 ┤
     │⣀⣀⣀⣀⣀⣀⣀⣀
     │
0.01 ┤
      1 step 2`,
		},
		"Gap": {
			why: "What is no number is a gap.",
			of:  []progress.Series{seriesOf("loss", 1, math.NaN(), math.Inf(1), 2)},
			want: `
loss
2 ┤       ⠈
  │
  │
1 ┤⡀
   1 step 4`,
		},
		"Nothing": {
			why: "No number at all draws nothing, and does not fail.",
			of:  []progress.Series{seriesOf("loss", math.NaN(), math.NaN())},
			want: `
loss
1 ┤
  │
  │
0 ┤
   0 step 1`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := chart{series: tc.of, width: 8, height: 4}
			var got strings.Builder
			for _, line := range c.lines(false) {
				got.WriteString("\n" + strings.TrimRight(line, " "))
			}
			if diff := cmp.Diff(tc.want, got.String()); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// scanned is a replica that has printed lines, one a second.
func scanned(name string, lines ...string) progress.Replica {
	r := progress.Replica{Name: name}
	var s measure.Scanner
	for i, line := range lines {
		for _, x := range s.Read(time.Unix(int64(i), 0), line) {
			at := -1
			for i := range r.Series {
				if r.Series[i].Name == x.Name {
					at = i
				}
			}
			if at < 0 {
				at = len(r.Series)
				r.Series = append(r.Series, progress.Series{Name: x.Name})
			}
			r.Series[at].Points = append(r.Series[at].Points, x.Point)
		}
	}
	r.Progress = s.Progress
	return r
}

// A job as a terminal shows it: drawn once, drawn over when something is new,
// and not at all when nothing is.
func TestScreenOfATerminal(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out, false)
	s.terminal = true
	s.states["worker-0"], s.states["chief-0"] = "running", "running"
	now := time.Unix(0, 0)
	s.draw(now, false)
	s.draw(now, false)
	s.replicas = []progress.Replica{
		scanned("chief-0", "Epoch 1/2", "5/10 [==>..] - loss: 0.5", "10/10 [====] - loss: 0.25 - val_loss: 0.5"),
		scanned("evaluator-0", "accuracy=0.75"),
	}
	s.draw(now, false)
	want := "REPLICA   STATE\n" +
		"chief-0   running\n" +
		"worker-0  running\n" +
		"\x1b[3A\x1b[J" +
		"REPLICA      STATE    PROGRESS        EPOCH  RATE  LEFT  LOSS  VAL LOSS\n" +
		"chief-0      running  ████      50 %  1/2    5/s   2s    0.25  0.5\n" +
		"evaluator-0\n" +
		"worker-0     running\n"
	// The accuracy has no room beside the rest.
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// Where there is no terminal, a new epoch or state is said at once, and steps
// every few seconds.
func TestScreenOfAFile(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out, true)
	lines := []string{"Epoch 1/2", "5/10 [==>..] - loss: 0.5", "10/10 [====] - loss: 0.25", "Epoch 2/2", "5/10 [==>..] - loss: 0.2"}
	for i := range lines {
		s.states["chief-0"] = "running"
		s.replicas = []progress.Replica{scanned("chief-0", lines[:i+1]...)}
		s.draw(time.Unix(int64(3*i), 0), false)
	}
	s.draw(time.Unix(13, 0), true)
	want := "chief-0  running  epoch 1/2  0 %\n" +
		"chief-0  running  epoch 1/2  step 10/10  50 %  2s left  loss 0.25\n" +
		"chief-0  running  epoch 2/2  step 0/10  50 %  3s left  loss 0.25\n" +
		"chief-0  running  epoch 2/2  step 5/10  75 %  1s left  loss 0.2\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
