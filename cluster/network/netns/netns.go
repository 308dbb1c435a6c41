// Package netns runs code in network namespaces other than the program's own.
// The kernel keeps a namespace for each thread, and Go moves code from thread
// to thread: so such code needs a thread to itself.
package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// OwnThread starts f on a thread that nothing else runs on, and that ends with
// it. It is never the process's first: /proc/self is that one's.
func OwnThread(f func()) {
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			OwnThread(f)
			close(started)
			runtime.UnlockOSThread()
			return
		}
		close(started)
		f()
	}()
	<-started
}

// In runs f in the network namespace that file refers to, and returns what f
// returns. Sockets that f opens stay in that namespace; goroutines that it
// starts do not run there.
func In(file *os.File, f func() error) error {
	done := make(chan error)
	OwnThread(func() {
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	})
	return <-done
}

// New makes the calling thread's namespace a new one, and returns its file. It
// is for code that OwnThread runs.
func New() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return Current()
}

// Current is the file of the calling thread's namespace.
func Current() (*os.File, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return f, nil
}
