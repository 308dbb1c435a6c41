package progress

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weir-ml/weir/kit/measure"
)

var mnist = Job{Kind: "tfjob", Namespace: "ada", Name: "mnist.v1", UID: "1-2-3"}

// add adds n points of a loss, of which the first is of step.
func add(t *testing.T, s *Store, k *kept, step, n int) {
	t.Helper()
	for i := range n {
		at := time.Unix(int64(step+i), 0).UTC()
		b := &batch{Replica: "worker-0", Source: "u/tensorflow/0", Until: at, Series: []wireSeries{
			newWireSeries("loss", []measure.Point{{Step: int64(step + i), Time: at, Value: 1 / float64(step+i)}}),
		}}
		if err := s.append(k, b); err != nil {
			t.Fatal(err)
		}
	}
}

func take(t *testing.T, s *Store) *kept {
	t.Helper()
	k, err := s.take(mnist)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func find(t *testing.T, s *Store) *Course {
	t.Helper()
	c, err := s.Find("ada", "tfjob", "mnist.v1")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A writer is killed in the middle of a line. The next one loses that line only,
// and goes on where the last whole one says.
func TestKilledInTheMiddleOfALine(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	add(t, s, take(t, s), 1, 3)
	path := s.path(mnist)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-5], 0o600); err != nil {
		t.Fatal(err)
	}

	again := Open(dir)
	k := take(t, again)
	if until := k.mark("u/tensorflow/0").until; until.Unix() != 2 {
		t.Errorf("it goes on at second %d, want 2", until.Unix())
	}
	add(t, again, k, 3, 2)
	again.release(k)

	var steps []int64
	for _, p := range find(t, Open(dir)).Replicas()[0].Series[0].Points {
		steps = append(steps, p.Step)
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 4}, steps); diff != "" {
		t.Errorf("steps: -want, +got:\n%s", diff)
	}
}

// However long a job runs, its file stays small, and what is read from it is
// what is in memory.
func TestFileStaysSmall(t *testing.T) {
	s := Open(t.TempDir())
	k := take(t, s)
	add(t, s, k, 1, 5*compactAfter)
	info, err := os.Stat(s.path(mnist))
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(2 * compactAfter * 250); info.Size() > most {
		t.Errorf("the file has %d bytes, want at most %d", info.Size(), most)
	}
	inMemory := find(t, s)
	s.release(k)
	inFile := find(t, s)
	if inMemory == inFile {
		t.Fatal("the course is still in memory")
	}
	a, b := inMemory.Replicas(), inFile.Replicas()
	if len(b[0].Series[0].Points) != measure.SeriesSize || a[0].Series[0].Last() != b[0].Series[0].Last() || a[0].Series[0].Points[0] != b[0].Series[0].Points[0] {
		t.Errorf("in the file there are other points than in memory: %d of %d, the last %v and %v", len(b[0].Series[0].Points), len(a[0].Series[0].Points), b[0].Series[0].Last(), a[0].Series[0].Last())
	}
}

// What is written is read: progress, and values that JSON has no numbers for.
func TestWrittenAndRead(t *testing.T) {
	s := Open(t.TempDir())
	k := take(t, s)
	var scanner measure.Scanner
	scanner.Read(time.Unix(1, 0).UTC(), "Epoch 2/4")
	want := []measure.Point{
		{Step: 7, Epoch: 2, Time: time.Unix(1, 5).UTC(), Value: math.NaN()},
		{Time: time.Unix(2, 0).UTC(), Value: math.Inf(-1)},
		{Time: time.Unix(3, 0).UTC(), Value: 5e-5},
	}
	b := &batch{Replica: "chief-0", Progress: newWireProgress(scanner.Progress), Series: []wireSeries{newWireSeries("loss", want)}}
	if err := s.append(k, b); err != nil {
		t.Fatal(err)
	}
	s.release(k)
	got := find(t, s).Replicas()[0]
	if diff := cmp.Diff(want, got.Series[0].Points, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("points: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(scanner.Progress, got.Progress); diff != "" {
		t.Errorf("progress: -want, +got:\n%s", diff)
	}
}

// A course goes when its job has been gone for long, and no sooner.
func TestPrune(t *testing.T) {
	s := Open(t.TempDir())
	k := take(t, s)
	add(t, s, k, 1, 1)
	s.release(k)
	isGone, isThere := func(Job) bool { return true }, func(Job) bool { return false }
	for _, step := range []struct {
		why   string
		later time.Duration
		gone  func(Job) bool
		kept  bool
	}{
		{"The job is there.", 1000 * time.Hour, isThere, true},
		{"The job has just gone.", time.Minute, isGone, true},
		{"It has been gone for long.", 2 * time.Hour, isGone, false},
	} {
		if err := s.Prune(time.Hour, time.Now().Add(step.later), step.gone); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find("ada", "tfjob", "mnist.v1"); (err == nil) != step.kept {
			t.Errorf("%s Then: %v", step.why, err)
		}
	}
}

// Two jobs of one name: the younger is meant. No job: an error that says so.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	if _, err := s.Find("ada", "tfjob", "mnist.v1"); !errors.Is(err, ErrUnknown) || err.Error() != "tfjob/mnist.v1 in namespace ada: nothing is known of its course" {
		t.Errorf("of no job: %v", err)
	}
	for i, uid := range []string{"b", "a"} {
		path := filepath.Join(dir, "ada", "tfjob.mnist.v1."+uid+".jsonl")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if c := find(t, s); c.Job.UID != "a" {
		t.Errorf("found the job of uid %s, want a", c.Job.UID)
	}
}
