package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/container/internal/entry"
)

// A launcher starts this program again, as package entry wants it.
type launcher struct {
	self *os.File // this program, where nobody can write to it
	null *os.File
	pids *os.File // our own pid namespace
	jobs chan func()
	done chan struct{} // closed by close

	orphans *orphans
}

func newLauncher() (*launcher, error) {
	self, err := openSelf()
	if err != nil {
		return nil, fmt.Errorf("open this program: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	pids, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		return nil, fmt.Errorf("open this program's pid namespace: %w", err)
	}
	l := &launcher{self: self, null: null, pids: pids, jobs: make(chan func()), done: make(chan struct{}), orphans: newOrphans()}
	go l.work()
	return l, nil
}

// work starts all children from one thread, which lives as long as the program:
// children ask to die with it, and the pid namespace they are born into is a
// property of the thread.
func (l *launcher) work() {
	runtime.LockOSThread()
	for {
		select {
		case job := <-l.jobs:
			job()
		case <-l.done:
			return
		}
	}
}

func (l *launcher) close() {
	close(l.done)
	l.orphans.close()
	l.self.Close()
	l.null.Close()
	l.pids.Close()
}

// openSelf opens this program through a read-only mount that is attached
// nowhere: a container that gets hold of it, as /proc/PID/exe, cannot write to it.
func openSelf() (*os.File, error) {
	const path = "/proc/self/exe"
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err == nil {
		err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if err != nil { // no privileges, so no containers that could do so
		fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// A launch is one start of the program.
type launch struct {
	config entry.Config
	flags  uintptr             // of clone(2)
	pids   *os.File            // the pid namespace to be born into; nil is our own
	beside map[string]*os.File // where pids is from, when it is another container's
	files  []*os.File          // the first is entry.Control+1
	group  *cgroup.Group
	stdio  Stdio
	began  func(pid int) // while the process can be reached by its number; may be nil
	ended  func()        // before its end is told to anybody; may be nil
}

// add passes f on, and returns the number by which the copy knows it.
func (l *launch) add(f *os.File) uint64 {
	l.files = append(l.files, f)
	return uint64(entry.Control + len(l.files))
}

// run starts the copy and waits until it has become the command, or tells why not.
func (l *launcher) run(ctx context.Context, what launch) (*Process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	defer ours.Close()
	copied, err := l.start(what, theirs)
	theirs.Close()
	if err != nil {
		return nil, errors.Join(err, l.bury(copied))
	}
	stop := context.AfterFunc(ctx, func() { copied.Kill() })
	defer stop()
	answer, terminal, err := instruct(ours, copied.Pid, what)
	if err == nil {
		err = check(answer)
	}
	if err != nil {
		copied.Kill()
		state, _ := copied.Wait()
		l.orphans.buried(copied.Pid)
		if terminal != nil {
			terminal.Close()
		}
		return nil, explain(ctx, err, state, what.config)
	}
	if what.flags&syscall.CLONE_NEWPID == 0 && what.pids == nil {
		l.orphans.watch()
	}
	return l.watch(copied, terminal, what), nil
}

// start runs on the launcher's own thread.
func (l *launcher) start(what launch, control *os.File) (p *os.Process, err error) {
	files := []*os.File{l.orNull(what.stdio.Stdin), l.orNull(what.stdio.Stdout), l.orNull(what.stdio.Stderr), control}
	attr := &os.ProcAttr{
		Env:   []string{entry.Mark},
		Files: append(files, what.files...),
		Sys:   &syscall.SysProcAttr{Cloneflags: what.flags},
	}
	// Through our own table of descriptors, since the child moves those it gets about in
	// its own, and might put one in the place of this.
	self := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), l.self.Fd())
	started := make(chan struct{})
	job := func() {
		defer close(started)
		if err = l.bear(what.pids); err != nil {
			return
		}
		p, err = l.orphans.start(func() (*os.Process, error) { return os.StartProcess(self, []string{entry.Name}, attr) })
		if what.pids != nil {
			err = errors.Join(err, l.bear(l.pids))
		}
	}
	select {
	case l.jobs <- job:
		<-started
		return p, err
	case <-l.done:
		return nil, errors.New("containers are not started any more")
	}
}

// bury ends a copy that nobody wants; nil is none.
func (l *launcher) bury(p *os.Process) error {
	if p == nil {
		return nil
	}
	killed := p.Kill()
	_, err := p.Wait()
	l.orphans.buried(p.Pid)
	return errors.Join(killed, err)
}

// bear makes the children of this thread be born into a pid namespace; nil leaves
// it as it is.
func (l *launcher) bear(pids *os.File) error {
	if pids == nil {
		return nil
	}
	if err := unix.Setns(int(pids.Fd()), unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("join the pid namespace: %w", err)
	}
	return nil
}

func (l *launcher) orNull(f *os.File) *os.File {
	if f == nil {
		return l.null
	}
	return f
}

// instruct tells the copy what to do once it is in its group, and hears how it went.
func instruct(conn *net.UnixConn, pid int, what launch) (entry.Answer, *os.File, error) {
	if err := what.group.Apply(pid); err != nil {
		return entry.Answer{}, nil, err
	}
	if _, err := conn.Write(what.config.Encode()); err != nil && !errors.Is(err, syscall.EPIPE) {
		return entry.Answer{}, nil, err
	}
	var said []byte
	var terminal *os.File
	for {
		data, rights := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
		n, m, _, _, err := conn.ReadMsgUnix(data, rights)
		said = append(said, data[:max(n, 0)]...)
		if m > 0 {
			if terminal, err = received(rights[:m]); err != nil {
				return entry.Answer{}, nil, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || err == nil && n == 0 {
			return entry.Decode(said), terminal, nil
		}
		if err != nil {
			return entry.Answer{}, terminal, err
		}
	}
}

func received(rights []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil, fmt.Errorf("receive the terminal: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, fmt.Errorf("receive the terminal: %w", err)
	}
	unix.CloseOnExec(fds[0])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}

func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	near := os.NewFile(uintptr(fds[0]), "near")
	defer near.Close()
	far := os.NewFile(uintptr(fds[1]), "far")
	conn, err := net.FileConn(near)
	if err != nil {
		far.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), far, nil
}

// watch buries the process when it has ended.
func (l *launcher) watch(copied *os.Process, terminal *os.File, what launch) *Process {
	p := &Process{process: copied, terminal: terminal, group: what.group, started: time.Now(), done: make(chan struct{})}
	if what.began != nil {
		what.began(copied.Pid)
	}
	go func() {
		state, err := copied.Wait()
		l.orphans.buried(copied.Pid)
		if what.ended != nil {
			what.ended()
		}
		p.finish(state, err)
	}()
	return p
}
