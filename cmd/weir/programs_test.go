package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Programs for pods are this program under other names: laid out once, anew when
// it is another, and copied where they cannot be linked.
func TestLayPrograms(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := os.Stat(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "programs")
	for _, look := range []string{"first", "again"} {
		if _, err := layPrograms(dir); err != nil {
			t.Fatal(err)
		}
		for _, place := range places {
			got, err := os.Stat(filepath.Join(dir, place))
			if err != nil {
				t.Fatal(err)
			}
			if got.Size() != mine.Size() || got.Mode()&0o111 == 0 {
				t.Errorf("%s, %s: %v", look, place, got)
			}
			if _, ok := programs[filepath.Base(place)]; !ok {
				t.Errorf("nothing answers to the name of %s", place)
			}
		}
	}
	if got, err := os.Stat(filepath.Join(dir, mpiHome)); err != nil || got.Mode().Perm() != 0o777 {
		t.Errorf("the home that anybody may write to is %v, %v", got, err)
	}
	stale := filepath.Join(dir, places[1])
	if err := os.Remove(stale); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("of another version"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := layPrograms(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Stat(stale); err != nil || got.Size() != mine.Size() {
		t.Errorf("one of another version stays: %v, %v", got, err)
	}

	copied := filepath.Join(t.TempDir(), "copy")
	if err := copyProgram(self, copied); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Stat(copied); err != nil || got.Size() != mine.Size() || !got.ModTime().Equal(mine.ModTime()) {
		t.Errorf("the copy is %v, %v", got, err)
	}
}

func TestDeliverOutsideOfALauncher(t *testing.T) {
	if err := deliver(t.Context(), "", "", ""); err == nil || !strings.Contains(err.Error(), "TARGET_DIR and NAMESPACE must be set") {
		t.Errorf("without its variables: %v", err)
	}
}
