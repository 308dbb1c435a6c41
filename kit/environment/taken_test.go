package environment

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
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
	got, inodes, err := TakenBy(dir, nil)
	if err != nil || got < 1<<20 || got > 2<<20-1 || inodes != 3 {
		t.Errorf("%d bytes, %d inodes, %v, want about 1 MiB and 3", got, inodes, err)
	}
	if got, inodes, err := TakenBy(filepath.Join(dir, "none"), nil); got != 0 || inodes != 0 || err != nil {
		t.Errorf("a folder that is not there: %d, %d, %v", got, inodes, err)
	}
	enough := errors.New("enough")
	if _, _, err := TakenBy(dir, func() error { return enough }); !errors.Is(err, enough) {
		t.Errorf("it counts all the same: %v", err)
	}
}
