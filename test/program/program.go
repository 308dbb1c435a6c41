// Package program is what tests of the whole program share: they run its
// commands as a user does, and wait for facts.
package program

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// AtOnce has so many stories be told at once, unless the command line says how
// many. They wait more than they work, so it may be more than there are processors.
func AtOnce(stories int) {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		_ = flag.Set("test.parallel", strconv.Itoa(stories)) // It is a number.
	}
}

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
// Whoever waits looks for a quarter of the time, and looks away for a second at
// most: to look may be to run a program, on the processors that the fact needs too.
func Eventually(t testing.TB, within time.Duration, fact string, is func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		began := time.Now()
		ok, seen := is()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s it is still not so that %s; seen:\n%s", within, fact, seen)
		}
		time.Sleep(min(max(100*time.Millisecond, 3*time.Since(began)), time.Second))
	}
}

// Namespace makes a namespace, and returns when it has what every namespace has.
func Namespace(t testing.TB, client kubernetes.Interface, name string) {
	t.Helper()
	core := client.CoreV1()
	if _, err := core.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 2*time.Minute, "namespace "+name+" has what every namespace has", func() (bool, string) {
		_, err := core.ConfigMaps(name).Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		if err == nil {
			_, err = core.ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		}
		return err == nil, fmt.Sprint(err)
	})
}
