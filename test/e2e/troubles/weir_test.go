// Package troubles_test gets into every trouble that weir knows the words for,
// on the real program, and reads what it says.
package troubles_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/test/program"
)

// weir is the program that all tests here share.
var weir struct{ binary, dir string }

func TestMain(m *testing.M) {
	program.AtOnce(6)
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if weir.binary, err = clustertest.Binary(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if weir.dir, err = os.MkdirTemp("", "weir-troubles-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(weir.dir)
	defer exec.Command(weir.binary, "down", "--dir", weir.dir).Run()
	programs, err := os.MkdirTemp("", "weir-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	if err := os.WriteFile(filepath.Join(weir.dir, "weir.yaml"), []byte(images(programs)), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if out, err := exec.Command(weir.binary, "up", "--dir", weir.dir, "--detach").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "weir up: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// image is one that needs nothing but the machine.
const image = "weir.local/plain:1"

// images says what images mean here: one nothing but the machine, and one what
// cannot be.
func images(programs string) string {
	return fmt.Sprintf("environments:\n- {image: %q, folder: %q}\n- {image: %q, packages: [%s]}\n", image, programs, "weir.local/broken:1", noPackage)
}

// noPackage is in no index.
const noPackage = "weir-has-no-such-package"

// call runs a command of weir.
func call(t *testing.T, stdin string, args ...string) program.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	return program.Ask(t, exec.CommandContext(ctx, weir.binary, append([]string{"--dir", weir.dir}, args...)...), stdin)
}

// kubectl runs a command that must succeed.
func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	a := call(t, stdin, append([]string{"kubectl"}, args...)...)
	if a.Code != 0 {
		t.Fatalf("kubectl %s: exit code %d: %s", strings.Join(args, " "), a.Code, a.Err)
	}
	return a.Out
}

// client reaches the API server as its administrator.
func client(t *testing.T) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(weir.dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newNamespace makes a namespace for the length of a test.
func newNamespace(t *testing.T, name string) {
	t.Helper()
	c := client(t)
	program.Namespace(t, c, name)
	t.Cleanup(func() { _ = c.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}) })
}

// poll waits for a fact; what it last saw is told when it does not come.
func poll(t *testing.T, what string, is func() (bool, string)) {
	t.Helper()
	program.Eventually(t, 2*time.Minute, what, is)
}

// said returns what weir's own events say about an object.
func said(t *testing.T, namespace, kind, name string) []string {
	t.Helper()
	events, err := client(t).CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events.Items {
		o := e.InvolvedObject
		if e.Source.Component == "weir-explain" && e.Type == "Warning" && strings.EqualFold(o.Kind, kind) && o.Name == name {
			all = append(all, e.Message)
		}
	}
	return all
}
