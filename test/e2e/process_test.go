package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A process is known by its number and by when it began.
type process struct {
	pid     int
	began   string
	command string
}

// processes returns a process and all that it has started, and they.
func processes(t testing.TB, root int) []process {
	t.Helper()
	children := map[int][]int{}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if fields := statOf(pid); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var family []process
	for next := []int{root}; len(next) > 0; next = next[1:] {
		if fields := statOf(next[0]); len(fields) > 19 {
			command, _ := os.ReadFile("/proc/" + strconv.Itoa(next[0]) + "/cmdline")
			family = append(family, process{next[0], fields[19], strings.ReplaceAll(string(command), "\x00", " ")})
		}
		next = append(next, children[next[0]]...)
	}
	return family
}

// statOf is what the kernel says of a process, from its state on; nothing if
// there is none.
func statOf(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	// The name before may have spaces.
	return strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
}

// alive is whether a process is still there, and not only its number.
func (p process) alive() bool {
	fields := statOf(p.pid)
	return len(fields) > 19 && fields[19] == p.began && fields[0] != "Z"
}

// What runs in the process says of which part it is, so that a profile tells what
// each part takes.
func TestPartsInProfiles(t *testing.T) {
	s := begin(t)
	there := s.must("kubectl", "get", "--raw", "/debug/pprof/goroutine?debug=1")
	for _, part := range []string{"API server", "etcd", "controller manager", "scheduler", "node", "controllers of the platform", "S3", "front door"} {
		if !strings.Contains(there, fmt.Sprintf(`"part":%q`, part)) {
			t.Errorf("no goroutine is of part %q", part)
		}
	}
}
