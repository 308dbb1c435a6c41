package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A folder is where one weir keeps everything. At most one weir runs on it.
type folder struct {
	flag string
	// kubeconfig names another cluster to talk to, if anything.
	kubeconfig string
}

// path is the folder's absolute path; it need not exist.
func (f *folder) path() (string, error) {
	dir := f.flag
	if dir == "" {
		dir = os.Getenv("WEIR_DIR")
	}
	if dir == "" {
		data := os.Getenv("XDG_DATA_HOME")
		if data == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("find weir's folder: %w; name one with --dir", err)
			}
			data = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(data, "weir")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find weir's folder %s: %w", dir, err)
	}
	return abs, nil
}

// A state is what a running weir says of itself, in the file state.json.
type state struct {
	// PID is the process to signal.
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Ready is when it took work; zero while it still starts.
	Ready time.Time `json:"ready,omitzero"`

	Kubernetes endpoint `json:"kubernetes"`
	S3         endpoint `json:"s3,omitzero"`
	// Front is the front door, and the token of the folder's owner for it.
	Front endpoint `json:"front,omitzero"`
	// Metrics is where the controllers are asked, by tokens of the cluster.
	Metrics endpoint `json:"metrics,omitzero"`

	// Namespaces says how pods are kept apart: full, user or none.
	Namespaces string `json:"namespaces"`
	// Missing says in sentences what this machine does not allow.
	Missing []string `json:"missing,omitempty"`
	// GPUs says in a line which the machine has.
	GPUs string `json:"gpus,omitempty"`
}

// An endpoint is where something is reached, and by what keys.
type endpoint struct {
	URL       string `json:"url"`
	AccessKey string `json:"accessKey,omitempty"`
	SecretKey string `json:"secretKey,omitempty"`
	Region    string `json:"region,omitempty"`
	Token     string `json:"token,omitempty"`
	// CAFile is the authority that its certificate is from, if it has one.
	CAFile string `json:"caFile,omitempty"`
}

func stateFile(dir string) string { return filepath.Join(dir, "state.json") }

// write replaces the state in one step.
func (s *state) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	temp := stateFile(dir) + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return os.Rename(temp, stateFile(dir))
}

// lastState is the state of the weir that runs on dir, or ran last; nil if none did.
func lastState(dir string) (*state, error) {
	data, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", stateFile(dir), err)
	}
	return &s, nil
}

// running is the state of the weir that runs on the folder, and serves.
func (f *folder) running() (string, *state, error) {
	dir, err := f.path()
	if err != nil {
		return "", nil, err
	}
	pid, err := holder(dir)
	if err != nil {
		return "", nil, err
	}
	s, err := lastState(dir)
	if err != nil {
		return "", nil, err
	}
	switch {
	case pid == 0:
		return "", nil, fmt.Errorf("no weir runs in %s; start it with: weir up", dir)
	case s == nil || s.PID != pid || s.Ready.IsZero():
		return "", nil, fmt.Errorf("weir in %s is still starting; see %s", dir, filepath.Join(dir, "logs"))
	}
	return dir, s, nil
}

// rest reaches the API server of the weir that runs on the folder, or of the
// other cluster.
func (f *folder) rest() (*rest.Config, error) {
	file := f.kubeconfig
	if file == "" {
		dir, _, err := f.running()
		if err != nil {
			return nil, err
		}
		file = filepath.Join(dir, "kubeconfig")
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", file, err)
	}
	config.QPS = -1
	return config, nil
}

// orAnother lets a command talk to another cluster.
func (f *folder) orAnother(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of another cluster to read from, in place of weir's own")
}

// A lock holds a folder for one process.
type lock struct{ file *os.File }

// lockFolder makes the folder if need be and holds it, or says who does.
func lockFolder(dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make weir's folder: %w", err)
	}
	file, err := os.OpenFile(lockFile(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("hold weir's folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := readPID(file)
		_ = file.Close()
		return nil, heldBy(dir, pid)
	}
	if err := writePID(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("hold weir's folder: %w", err)
	}
	return &lock{file}, nil
}

// heldBy says that a folder has its weir, and how to stop it.
func heldBy(dir string, pid int) error {
	return fmt.Errorf("a weir runs in %s already, as process %d; stop it with: weir down --dir %s", dir, pid, dir)
}

// release gives the folder to the next.
func (l *lock) release() { _ = l.file.Close() }

// holder is the process that holds a folder, or 0.
func holder(dir string) (int, error) {
	file, err := os.Open(lockFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at weir's folder: %w", err)
	}
	defer file.Close()
	if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return 0, nil
	}
	return readPID(file)
}

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

func readPID(file *os.File) (int, error) {
	data := make([]byte, 20)
	n, err := file.ReadAt(data, 0)
	if n == 0 {
		return 0, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data[:n])))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	return pid, nil
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
