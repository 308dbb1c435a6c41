package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What a linker writes into a program before it is made read-only is nowhere else:
// it stays.
func TestReleaseProgramKeepsWhatWasWritten(t *testing.T) {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	page, err := unix.Mmap(int(program.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(page) })
	page[0]++
	written := page[0]
	if err := unix.Mprotect(page, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if page[0] != written {
		t.Errorf("the page begins with %#x as in the file, want the %#x that was written", page[0], written)
	}
}
