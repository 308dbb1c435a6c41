// Package clustertest gives tests a real API server: one for each test binary.
//
// It starts the program itself, without a node, so that a test of a controller
// need not be linked with Kubernetes.
package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// server is the one server of this test binary.
var server struct {
	once   sync.Once
	dir    string
	config *rest.Config
	err    error
	stop   func()
	main   bool
}

// Main runs the tests of a package and then stops its API server. A package
// that uses REST has
//
//	func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }
func Main(m *testing.M) int {
	server.main = true
	code := m.Run()
	if server.stop != nil {
		server.stop()
	}
	return code
}

// REST reaches the API server as its administrator. The server starts when it
// is first asked for, and has upstream's controllers and scheduler but no node:
// a pod's status is whatever the test writes.
func REST(t testing.TB) *rest.Config {
	t.Helper()
	if !server.main {
		t.Fatal("clustertest.REST needs TestMain to call clustertest.Main")
	}
	server.once.Do(func() { server.err = start() })
	if server.err != nil {
		t.Fatal(server.err)
	}
	return rest.CopyConfig(server.config)
}

// Until waits for a fact, which is said if it never comes.
func Until(t testing.TB, fact string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited two minutes in vain: %s", fact)
		}
	}
}

func start() error {
	binary, err := Binary()
	if err != nil {
		return err
	}
	if server.dir, err = os.MkdirTemp("", "weir-clustertest-"); err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.Command(binary, "up", "--dir", server.dir, "--without", "node,controllers,s3,gateway")
	cmd.Stdout, cmd.Stderr = &said, &said
	// A test binary that is killed takes its server along. To the kernel it is the
	// thread that the server belongs to: another goroutine must not end it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if started <- err; err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start an API server: %w", err)
	}
	server.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		_ = os.RemoveAll(server.dir)
	}

	for deadline := time.Now().Add(time.Minute); !ready(server.dir); {
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("start an API server: %w\n%s", err, said.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("start an API server: not ready after a minute\n%s", said.String())
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(server.dir, "kubeconfig"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	server.config = config
	return nil
}

// ready reads what the program says of itself.
func ready(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "state.json"))
	return err == nil && bytes.Contains(data, []byte(`"ready"`))
}

// Binary is the program as the sources have it: the one that WEIR_BINARY names,
// or one built now. Building takes minutes the first time.
func Binary() (string, error) {
	if binary := os.Getenv("WEIR_BINARY"); binary != "" {
		// go test keeps a result until a file changes that the test has looked at.
		if _, err := os.Stat(binary); err != nil {
			return "", fmt.Errorf("WEIR_BINARY names no program: %w; make build makes one", err)
		}
		return binary, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	root := string(bytes.TrimSpace(module))
	binary := filepath.Join(root, "bin", "weir")
	held, err := hold(filepath.Join(root, "bin"))
	if err != nil {
		return "", err
	}
	defer held.Close()
	build := exec.CommandContext(ctx, "make", "--silent", "build")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return binary, nil
}

// hold keeps test binaries that run at the same time from building at the same time.
func hold(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return lock, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
}
