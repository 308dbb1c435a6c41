package container

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Package entry is initialised before those that nearly everything else needs,
// so that a container's start does not wait for the rest of the program.
func TestEntryIsInitialisedFirst(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, line := range strings.Split(string(out), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "init" {
			order = append(order, fields[1])
		}
	}
	ours := slices.IndexFunc(order, func(p string) bool { return strings.HasSuffix(p, "internal/entry") })
	if ours < 0 {
		t.Fatalf("entry is not initialised: %v", order)
	}
	for _, late := range []string{"os", "time", "reflect", "context"} {
		if at := slices.Index(order, late); at >= 0 && at < ours {
			t.Errorf("%s is initialised before entry: %v", late, order[:ours+1])
		}
	}
}
