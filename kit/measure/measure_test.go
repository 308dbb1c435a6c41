package measure

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func second(n float64) time.Time { return time.Unix(0, int64(n*1e9)) }

// A long series keeps its size, its ends, its extremes, and points from all over.
func TestSeriesStaysSmall(t *testing.T) {
	var s Series
	const n = 20_000
	for i := range n {
		v := 1 / float64(i+1)
		switch i {
		case 777:
			v = 5
		case 12_345:
			v = -1
		}
		s.Add(Point{Step: int64(i), Time: second(float64(i)), Value: v})
	}
	points := s.Points()
	if len(points) != SeriesSize {
		t.Fatalf("%d points, want %d", len(points), SeriesSize)
	}
	at := map[int64]bool{}
	for i, p := range points {
		at[p.Step] = true
		if i > 0 && p.Step <= points[i-1].Step {
			t.Fatalf("step %d comes after step %d", p.Step, points[i-1].Step)
		}
		if i > 0 && p.Step-points[i-1].Step > 4*n/SeriesSize {
			t.Errorf("nothing is kept between steps %d and %d", points[i-1].Step, p.Step)
		}
	}
	for _, step := range []int64{0, n - 1, 777, 12_345} {
		if !at[step] {
			t.Errorf("step %d is gone", step)
		}
	}
	if s.Last().Step != n-1 {
		t.Errorf("last is step %d", s.Last().Step)
	}
}

func TestProgress(t *testing.T) {
	cases := map[string]struct {
		why   string
		lines []string // one a second
		done  float64  // -1 when nobody can tell
		rate  float64
		left  time.Duration
	}{
		"EpochsAndSteps": {
			why:   "Two epochs of four, and half of the third.",
			lines: []string{"Epoch 1/4", "10/10 - loss: 0.5", "Epoch 2/4", "10/10 - loss: 0.4", "Epoch 3/4", "5/10 [===>......] - ETA: 1s - loss: 0.3"},
			done:  0.625, rate: 5, left: 3 * time.Second,
		},
		"StepsOnly": {
			why:   "Half of a bar, in two steps a second.",
			lines: []string{"  0%|          | 0/8 [00:00<?, ?it/s]", " 25%|██        | 2/8 [00:01<00:03, 2.0it/s]", " 50%|█████     | 4/8 [00:02<00:02, 2.0it/s]"},
			done:  0.5, rate: 2, left: 2 * time.Second,
		},
		"EpochsOnly": {
			why:   "A line that says an epoch and its loss says that it is over.",
			lines: []string{"Epoch [1/4] loss: 0.5", "Epoch [2/4] loss: 0.4"},
			done:  0.5, rate: 0, left: 2 * time.Second,
		},
		"ValuesAfterTheirEpoch": {
			why:   "Where nobody counts steps, values that follow an epoch are its sum.",
			lines: []string{"Epoch 1/2", "val_loss: 0.5", "Epoch 2/2", "val_loss: 0.4"},
			done:  1, rate: 0, left: 0,
		},
		"FromZero": {
			why:   "Programs that count epochs from 0.",
			lines: []string{"Num Epochs = 2", "Epoch: [0][5/10] loss 0.5", "Epoch: [1][5/10] loss 0.4"},
			done:  0.75, rate: 10, left: 500 * time.Millisecond,
		},
		"NoEndKnown": {
			why:   "Nobody says how many steps there will be.",
			lines: []string{"step 10 loss 0.5", "step 30 loss 0.4"},
			done:  -1, rate: 20,
		},
		"BegunAgain": {
			why:   "A training that begins anew is as fast as it is since then.",
			lines: []string{"Epoch 1/2", "10/10 - loss: 0.5", "Epoch 2/2", "Epoch 1/2", "5/10 [===>......] - ETA: 1s - loss: 0.3"},
			done:  0.25, rate: 5, left: 3 * time.Second,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var s Scanner
			for i, line := range tc.lines {
				s.Read(second(float64(i)), line)
			}
			done, ok := s.Progress.Done()
			if !ok {
				done = -1
			}
			rate, _ := s.Progress.Rate()
			left, _ := s.Progress.Left()
			if math.Abs(done-tc.done) > 1e-9 || math.Abs(rate-tc.rate) > 1e-9 || (left-tc.left).Abs() > time.Millisecond {
				t.Errorf("%s\ndone %v, rate %v, left %v; want %v, %v, %v\n%+v", tc.why, done, rate, left, tc.done, tc.rate, tc.left, s.Progress)
			}
		})
	}
}

func events(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".tfevents"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Files that Keras and tensorboardX wrote: scalars as tensors, and as simple
// values. Between them are a graph and a model, which are no numbers.
func TestRealEvents(t *testing.T) {
	cases := map[string]map[string][]float64{
		"keras3":       {"epoch_accuracy": {0.4961, 0.5078}, "epoch_loss": {0.6916, 0.6841}, "epoch_learning_rate": {0.001, 0.001}},
		"keras2":       {"epoch_accuracy": {0.5, 0.4219}, "epoch_loss": {0.728, 0.7235}, "evaluation_accuracy_vs_iterations": {0.5, 0.4219}, "evaluation_loss_vs_iterations": {0.728, 0.7235}},
		"tensorboardx": {"loss": {1, 0.5, 0.3333, 0.25, 0.2}},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			data := events(t, name)
			var r EventReader
			got := map[string][]float64{}
			for _, b := range data { // As slowly as can be.
				samples, err := r.Read([]byte{b})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range samples {
					got[s.Name] = append(got[s.Name], math.Round(s.Value*1e4)/1e4)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if r.Offset() != int64(len(data)) {
				t.Errorf("read to byte %d of %d", r.Offset(), len(data))
			}
		})
	}
}

// A file is read while it is written: what is not there yet is waited for, and
// another reader goes on where the first was.
func TestEventsOfAFileThatGrows(t *testing.T) {
	data := events(t, "tensorboardx")
	var first EventReader
	before, err := first.Read(data[:len(data)-3])
	if err != nil || len(before) != 4 {
		t.Fatalf("%d scalars before the last is whole, %v", len(before), err)
	}
	var second EventReader
	second.From(first.Offset())
	after, err := second.Read(data[first.Offset():])
	if err != nil || len(after) != 1 || after[0].Step != 40 {
		t.Errorf("then %v, %v; want the one of step 40", after, err)
	}
}

// A file with a bit that is wrong gives what comes before it.
func TestEventsOfADamagedFile(t *testing.T) {
	data := events(t, "tensorboardx")
	data[len(data)-10] ^= 1
	var r EventReader
	samples, err := r.Read(data)
	if len(samples) != 4 || err == nil {
		t.Errorf("%d scalars, error %v; want 4 and an error", len(samples), err)
	}
	if _, again := r.Read(data); again == nil {
		t.Error("then it is whole again")
	}
}

func FuzzEvents(f *testing.F) {
	for _, name := range []string{"keras3", "tensorboardx"} {
		f.Add(events(f, name))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		var r EventReader
		_, _ = r.Read(data)
		_, _ = scalarsOf(data) // Past the checksums, which no fuzzer guesses.
	})
}
