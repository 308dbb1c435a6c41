package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a folder takes is what it takes of the disk: a file with two names once, and
// nothing for what was never written.
func TestTakenBy(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse := filepath.Join(dir, "sparse")
	for _, err := range []error{os.Link(file, filepath.Join(dir, "b")), os.WriteFile(sparse, nil, 0o600), os.Truncate(sparse, 1<<30)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := takenBy(t.Context(), dir, time.Now().Add(time.Minute))
	if err != nil || got < 1<<20 || got > 2<<20-1 {
		t.Errorf("%d bytes, %v, want about 1 MiB", got, err)
	}
	if got, err := takenBy(t.Context(), filepath.Join(dir, "none"), time.Now().Add(time.Minute)); got != 0 || err != nil {
		t.Errorf("a folder that is not there: %d, %v", got, err)
	}
	if _, err := takenBy(t.Context(), dir, time.Now()); err == nil {
		t.Error("without time it counts all the same")
	}
	s := &space{dir: dir}
	a, err := s.count(t.Context())
	if err != nil || a.Size == 0 || a.Free == 0 || a.Free >= a.Size || len(a.Parts) != 4 {
		t.Errorf("%+v, %v", a, err)
	}
}
