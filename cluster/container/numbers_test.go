package container

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever numbers the files have that a container gets, the copy of this program is found.
// The child of a fork moves its files about, and could put one in the copy's place.
func TestNumbersOfFiles(t *testing.T) {
	r := runtimeOf(t)
	for number := 60; number < 130; number++ {
		ours, theirs, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, number)
		if err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		stdout := os.NewFile(uintptr(fd), "stdout")
		c, err := r.Start(t.Context(), shell(t, "echo done"), Stdio{Stdout: stdout})
		stdout.Close()
		if err != nil {
			t.Fatalf("with its output at %d: %v", fd, err)
		}
		if out, err := io.ReadAll(ours); err != nil || string(out) != "done\n" {
			t.Errorf("with its output at %d: %q, %v", fd, out, err)
		}
		ours.Close()
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
	}
}
