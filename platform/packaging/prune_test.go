package packaging

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Code that no job names goes after a month, with the large files that only it has.
func TestPrune(t *testing.T) {
	store, _ := serve(t)
	if freed, err := store.Prune(t.Context(), time.Now(), nil); freed != 0 || err != nil {
		t.Errorf("without any code: %d, %v", freed, err)
	}
	dir := t.TempDir()
	put := func(name string) *Bundle {
		t.Helper()
		write(t, filepath.Join(dir, "train.py"), name)
		b := packed(t, dir)
		if _, err := store.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	write(t, filepath.Join(dir, "weights.bin"), string(bytes.Repeat([]byte("w"), largeFile)))
	used, unused := put("used"), put("unused")
	write(t, filepath.Join(dir, "weights.bin"), string(bytes.Repeat([]byte("v"), largeFile)))
	other := put("other")
	shared, own := used.Large[0].Digest, other.Large[0].Digest

	var asked []string
	named := func(digest string) (bool, error) {
		asked = append(asked, digest)
		return digest == used.Digest, nil
	}
	left := func() []string {
		t.Helper()
		bundles, large, err := store.code(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, o := range append(bundles, large...) {
			all = append(all, strings.TrimSuffix(o.key, ".tar"))
		}
		slices.Sort(all)
		return all
	}
	all := []string{used.Digest, unused.Digest, other.Digest, shared, own}
	slices.Sort(all)
	if freed, err := store.Prune(t.Context(), time.Now().Add(codeKept-time.Hour), named); freed != 0 || err != nil || len(asked) > 0 || !slices.Equal(left(), all) {
		t.Errorf("before a month has gone: %d, %v, asked %v, left %v", freed, err, asked, left())
	}
	freed, err := store.Prune(t.Context(), time.Now().Add(codeKept+time.Hour), named)
	if err != nil || freed != unused.Size+other.Size+largeFile {
		t.Errorf("after it: %d, %v", freed, err)
	}
	want := []string{used.Digest, shared}
	slices.Sort(want)
	if !slices.Equal(left(), want) {
		t.Errorf("left %v, want %v", left(), want)
	}
}

// Code that does not fit on the disk of the store is refused with a sentence that says
// so, and nothing of it is there.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("no small disk can be made here:", err)
	}
	t.Cleanup(func() { // The store has ended by then.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	store, _ := serveIn(t, dir)
	code := t.TempDir()
	write(t, filepath.Join(code, "weights.bin"), string(bytes.Repeat([]byte("w"), 12<<20)))
	_, err := store.Put(t.Context(), packed(t, code))
	if err == nil || !strings.Contains(err.Error(), "put weights.bin: the disk of the store is full: make room there") {
		t.Errorf("error %v", err)
	}
	bundles, large, err := store.code(t.Context())
	if err != nil || len(bundles)+len(large) > 0 {
		t.Errorf("left: %v %v, %v", bundles, large, err)
	}
}
