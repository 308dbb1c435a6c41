package cri

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-ml/weir/cluster/cgroup"
)

// A processTable is all processes of the machine at one moment, read when first asked. It
// measures containers where control groups cannot.
type processTable struct {
	read     bool
	children map[int][]int
	use      map[int]processUse
}

type processUse struct {
	nanos uint64 // its own processor time, and that of children it has waited for
	rss   uint64 // bytes
}

// tick is the kernel's unit of processor time in /proc: 1/100 s on every machine Linux
// runs on today.
const tick = 10_000_000

// below adds up what the process pid and all below it use.
func (t *processTable) below(pid int) cgroup.Usage {
	if !t.read {
		t.readAll()
	}
	var sum cgroup.Usage
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		use, ok := t.use[queue[0]]
		if !ok {
			continue
		}
		sum.CPUNanos += use.nanos
		sum.RSSBytes += use.rss
		sum.PIDs++
		queue = append(queue, t.children[queue[0]]...)
	}
	sum.MemoryBytes, sum.WorkingSetBytes = sum.RSSBytes, sum.RSSBytes
	return sum
}

func (t *processTable) readAll() {
	t.read, t.children, t.use = true, map[int][]int{}, map[int]processUse{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // It ended meanwhile.
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, use, ok := parseStat(string(stat))
		if ok {
			t.children[parent] = append(t.children[parent], pid)
			t.use[pid] = use
		}
	}
}

// parseStat reads a line of /proc/PID/stat, whose second field, a name in brackets, may
// hold anything.
func parseStat(stat string) (parent int, use processUse, ok bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, processUse{}, false
	}
	fields := strings.Fields(stat[end+1:]) // fields[0] is the third of the line
	if len(fields) < 22 {
		return 0, processUse{}, false
	}
	number := func(n int) uint64 {
		v, _ := strconv.ParseUint(fields[n-3], 10, 64)
		return v
	}
	return int(number(4)), processUse{
		nanos: (number(14) + number(15) + number(16) + number(17)) * tick,
		rss:   number(24) * uint64(os.Getpagesize()),
	}, true
}

// catches reports whether the process does something of its own when it gets the signal.
func catches(pid int, signal syscall.Signal) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(status), "\nSigCgt:")
	mask, _, _ := strings.Cut(rest, "\n")
	caught, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
	return err == nil && caught&(1<<(signal-1)) != 0
}
