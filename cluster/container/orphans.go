package container

import (
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// orphans buries processes of containers whose parents have died, where this
// program is the first process of their pid namespace and so inherits them:
// containers that see the node's processes have no first process of their own.
//
// What it must not bury are children that somebody here waits for. Those of
// os/exec are of this program's session, which those of a container never are,
// since each container begins one; and containers' own processes are listed.
type orphans struct {
	mu      sync.Mutex
	waited  map[int]bool // processes that the launcher waits for
	begin   sync.Once
	stopped chan struct{}
}

func newOrphans() *orphans {
	return &orphans{waited: map[int]bool{}, stopped: make(chan struct{})}
}

// start runs a function that starts a process, which somebody waits for.
func (o *orphans) start(f func() (*os.Process, error)) (*os.Process, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, err := f()
	if p != nil {
		o.waited[p.Pid] = true
	}
	return p, err
}

// buried says that a process was waited for.
func (o *orphans) buried(pid int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.waited, pid)
}

// watch buries orphans from now on, if they come to this process.
func (o *orphans) watch() {
	if os.Getpid() != 1 {
		return
	}
	o.begin.Do(func() { go o.bury() })
}

func (o *orphans) close() { close(o.stopped) }

// seldom is how long the dead may lie about: to look for them is to read what all
// processes are.
const seldom = time.Second

func (o *orphans) bury() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD)
	defer signal.Stop(ends)
	_, ours := kinOf(os.Getpid())
	for {
		o.buryAll(ours)
		select {
		case <-o.stopped:
			return
		case <-ends:
		}
		select { // more may end meanwhile
		case <-o.stopped:
			return
		case <-time.After(seldom):
		}
	}
}

func (o *orphans) buryAll(ours string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		pid, err := strconv.Atoi(filepath.Base(p))
		if err != nil || o.waited[pid] {
			continue
		}
		if dead, session := kinOf(pid); dead && session != ours {
			_ = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG, nil)
		}
	}
}

// kinOf says whether a process is a dead child of ours, and its session.
func kinOf(pid int) (dead bool, session string) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false, ""
	}
	// The name before, in brackets, may be anything.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 4 {
		return false, ""
	}
	return fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid()), fields[3]
}
