package cri

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A drain is our end of a pipe or terminal that a process writes into.
type drain struct {
	from     *os.File
	terminal bool
}

// run hands all that comes out to take, until nobody holds the other end any more, or soon
// after finish, or until take fails. Then it closes our end.
func (d *drain) run(take func([]byte) error) {
	defer d.from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := d.from.Read(buffer)
		if n > 0 && take(buffer[:n]) != nil {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			d.takeRest(buffer, take)
		}
		if err != nil {
			return
		}
	}
}

// finish says that the process has exited, so run returns once it has read all that the
// process wrote. Another process that lives on and holds the other end is not waited for.
func (d *drain) finish() {
	wait := time.Duration(0)
	if d.terminal {
		// The kernel hands a terminal's last bytes over a moment later, then says
		// that its end has come.
		wait = time.Second
	}
	_ = d.from.SetReadDeadline(time.Now().Add(wait))
}

// takeRest takes what lies in the pipe. That is never more than the pipe holds, however
// fast somebody else goes on writing into it.
func (d *drain) takeRest(buffer []byte, take func([]byte) error) {
	conn, err := d.from.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		if err != nil {
			size = 1 << 16
		}
		for size > 0 {
			n, err := unix.Read(int(fd), buffer)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || n <= 0 || take(buffer[:n]) != nil {
				return
			}
			size -= n
		}
	})
}

// patience is how long a process waits for somebody who is attached to it and does not
// read. After that they are cut off, since no reader may stop a process for ever.
const patience = 10 * time.Second

// An output is one stream of an instance on its way to the log and to whoever is attached:
//
//	process ──▶ drain ──▶ output ──▶ entryWriter ──▶ log
//	                         └─────▶ watchers
type output struct {
	drain
	entries *entryWriter

	mu       sync.Mutex
	watchers map[*watcher]bool
	ended    bool
}

// run moves the stream until its end.
func (o *output) run() {
	o.drain.run(func(p []byte) error {
		o.take(p)
		return nil
	})
	o.entries.flush()

	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	for w := range o.watchers {
		close(w.chunks)
	}
	o.watchers = nil
}

func (o *output) take(p []byte) {
	_, _ = o.entries.Write(p)

	o.mu.Lock()
	watchers := make([]*watcher, 0, len(o.watchers))
	for w := range o.watchers {
		watchers = append(watchers, w)
	}
	o.mu.Unlock()
	for _, w := range watchers {
		if !w.give(append([]byte(nil), p...)) {
			o.unwatch(w)
		}
	}
}

// watch copies the stream to a writer from now on. It returns at the end of the stream, when
// the writer fails or is too slow, or when done is closed.
func (o *output) watch(to io.Writer, done <-chan struct{}) {
	w := &watcher{chunks: make(chan []byte, 64), gone: make(chan struct{})}
	o.mu.Lock()
	if o.ended {
		o.mu.Unlock()
		return
	}
	if o.watchers == nil {
		o.watchers = map[*watcher]bool{}
	}
	o.watchers[w] = true
	o.mu.Unlock()
	defer o.unwatch(w)

	for {
		select {
		case chunk, ok := <-w.chunks:
			if !ok {
				return
			}
			if _, err := to.Write(chunk); err != nil {
				return
			}
		case <-w.gone:
			return
		case <-done:
			return
		}
	}
}

func (o *output) unwatch(w *watcher) {
	w.leave()
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.watchers, w)
}

// A watcher is somebody who is attached to a stream.
type watcher struct {
	chunks chan []byte
	gone   chan struct{} // closed when they stop reading
	once   sync.Once
}

// give hands over a chunk, and reports whether the watcher still reads.
func (w *watcher) give(chunk []byte) bool {
	select {
	case w.chunks <- chunk:
		return true
	case <-w.gone:
		return false
	default:
	}

	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case w.chunks <- chunk:
		return true
	case <-w.gone:
	case <-late.C:
	}
	return false
}

func (w *watcher) leave() { w.once.Do(func() { close(w.gone) }) }
