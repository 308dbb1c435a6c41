package s3

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A place runs functions on threads of its own, whose working directory is one
// folder. versitygw names each file by where it lies in the working directory,
// and would else take that of the whole program.
type place struct {
	dir  string
	work chan func()
	// spare has room for the threads that may wait for work.
	spare chan struct{}
	// shared says that threads cannot have a working directory of their own
	// here, so the program's is the folder.
	shared bool
}

const spareThreads = 4

func newPlace(dir string) (*place, error) {
	p := &place{dir: dir, work: make(chan func()), spare: make(chan struct{}, spareThreads)}
	entered := make(chan error)
	ownThread(func() { entered <- p.enter() })
	if err := <-entered; err == nil {
		return p, nil
	}
	p.shared = true
	if err := os.Chdir(dir); err != nil {
		return nil, fmt.Errorf("enter the folder of buckets: %w", err)
	}
	return p, nil
}

// do runs f in the place and returns when it has ended. A panic in f is one here.
func (p *place) do(f func()) {
	if p.shared {
		f()
		return
	}
	ended := make(chan any, 1)
	job := func() {
		defer func() { ended <- recover() }()
		f()
	}
	select {
	case p.work <- job: // to a thread that waits for some
	default:
		ownThread(func() { p.serve(job) })
	}
	if panicked := <-ended; panicked != nil {
		panic(panicked)
	}
}

// serve does a job, and others while there is room for one more thread to wait.
func (p *place) serve(job func()) {
	if err := p.enter(); err != nil {
		// It worked before, and files named from elsewhere would be the wrong ones.
		panic(fmt.Sprintf("enter %s: %v", p.dir, err))
	}
	for {
		job()
		select {
		case p.spare <- struct{}{}:
			job = <-p.work
			<-p.spare
		default:
			return
		}
	}
}

// enter gives the calling thread a working directory that is the folder.
func (p *place) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	return unix.Chdir(p.dir)
}

// ownThread starts f on a thread that nothing else runs on, and that ends with
// it. It is never the program's first: /proc/self is that one's.
func ownThread(f func()) {
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			ownThread(f)
			close(started)
			runtime.UnlockOSThread()
			return
		}
		close(started)
		f()
	}()
	<-started
}
