// Package program is what tests of the whole program share: they run its
// commands as a user does, and wait for facts.
package program

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// An Answer is what a command said, and how it ended.
type Answer struct {
	Out, Err string
	Code     int
}

// Ask runs a command, which may end as it likes.
func Ask(t testing.TB, c *exec.Cmd, stdin string) Answer {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(c.Args, " "), err)
	}
	return Answer{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// Eventually waits for a fact; what was seen last is told if it does not come.
func Eventually(t testing.TB, within time.Duration, fact string, is func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		ok, seen := is()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s it is still not so that %s; seen:\n%s", within, fact, seen)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
