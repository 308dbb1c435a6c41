package oci

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What comes does not fit on the disk: it is said so, and nothing of it is left.
func TestFullDisk(t *testing.T) {
	whole := open(t)
	large(t, whole, "ada/large")
	var archive bytes.Buffer
	must(t, whole.Save(&archive, "ada/large"))
	data := archive.String()
	f := newFar(t, nil)
	large(t, f.store, "far.example/ada/large")

	for name, c := range map[string]struct {
		take func(*Store) error
		want string
	}{
		"Load": {func(s *Store) error { _, err := s.Load(t.Context(), strings.NewReader(data), ""); return err }, "is full: make room"},
		"Pull": {func(s *Store) error { _, err := s.Pull(t.Context(), f.name("ada/large"), Remote{}); return err }, "is full: make room"},
		"Build": {func(s *Store) error {
			_, err := s.Make("ada/large", config(), files(map[string]string{"data": data}))
			return err
		}, "is full: make room"},
		"Unpack": {func(s *Store) error {
			i, err := s.Make("ada/small", config(), files(map[string]string{"data": strings.Repeat(" ", 3<<20)}))
			must(t, err)
			_, err = s.Unpack(t.Context(), i, quiet)
			must(t, s.Remove("ada/small"))
			_, failed := s.Collect(0, nil)
			must(t, failed)
			return err
		}, "as much as there may be or the disk has room for"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", 2<<20)); err != nil {
				t.Skip("no small disk can be made here:", err)
			}
			t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
			s, err := Open(filepath.Join(dir, "images"))
			must(t, err)
			if err := c.take(s); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if uploads, _ := filepath.Glob(s.path("uploads/*")); len(uploads) > 0 {
				t.Errorf("parts are left: %v", uploads)
			}
			_, err = s.Collect(0, nil) // What came whole is not pulled again, if somebody makes room.
			must(t, err)
			var left []string
			must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() && d.Name() != "lock" {
					left = append(left, path)
				}
				return err
			}))
			if len(left) > 0 || len(namesOf(t, s)) > 0 {
				t.Errorf("left: %v, images %v", left, namesOf(t, s))
			}
		})
	}
}
