package namespaces

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the process inside finds; it writes it to the file it was handed.
type found struct {
	PID        int
	UID        int
	Self       string // what /proc/self is
	Interfaces int
	Mounted    bool
}

const probeVariable = "WEIR_NAMESPACES_TEST"

// TestMain is also what runs inside: the program that is started again is this one.
func TestMain(m *testing.M) {
	if _, file, inside := Inside(); inside {
		os.Exit(lookAround(file(0), os.Getenv(probeVariable)))
	}
	os.Exit(m.Run())
}

func lookAround(report *os.File, dir string) int {
	if err := Enter(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		return 1
	}
	f := found{PID: os.Getpid(), UID: os.Getuid()}
	f.Self, _ = os.Readlink("/proc/self")
	if all, err := net.Interfaces(); err == nil {
		f.Interfaces = len(all)
	}
	f.Mounted = unix.Mount("tmpfs", dir, "tmpfs", 0, "") == nil
	if f.Mounted {
		_ = os.WriteFile(filepath.Join(dir, "inside"), nil, 0o600)
	}
	if err := json.NewEncoder(report).Encode(f); err != nil {
		return 1
	}
	_ = report.Close()
	select {} // until it is killed
}

// The process inside is pid 1 and root of its own, has a network with nothing
// but a loopback, and mounts what the machine never sees; and it ends when it is
// told to.
func TestStart(t *testing.T) {
	kind, err := Supported(t.Context())
	if kind == None {
		t.Skipf("this machine allows no namespaces: %v", err)
	}
	for _, kind := range candidates() {
		t.Run(string(kind), func(t *testing.T) {
			if err := try(t.Context(), kind); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			t.Setenv(probeVariable, dir)
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd, err := Start(t.Context(), kind, Config{Files: []*os.File{write}, Stderr: os.Stderr})
			if err != nil {
				t.Fatal(err)
			}
			_ = write.Close()
			data, err := io.ReadAll(read)
			if err != nil {
				t.Fatal(err)
			}
			var f found
			if err := json.Unmarshal(data, &f); err != nil {
				t.Fatalf("it said %q: %v", data, err)
			}
			if f.PID != 1 || f.Self != "1" || f.UID != 0 || f.Interfaces != 1 || !f.Mounted {
				t.Errorf("inside: %+v; want pid 1, root, a loopback and the right to mount", f)
			}
			if _, err := os.Stat(filepath.Join(dir, "inside")); err == nil {
				t.Error("what was mounted inside is seen outside")
			}

			if err := cmd.Process.Signal(unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("it did not end")
			}
		})
	}
}

func TestWhatIsNotInsideIsOutside(t *testing.T) {
	if _, _, inside := Inside(); inside {
		t.Error("a test takes itself for an inner process")
	}
}
