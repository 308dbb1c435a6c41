// Package podlogs keeps what containers printed for longer than their pods.
//
//	kubelet, CRI ─ DIR/logs/pods/<ns>_<pod>_<uid>/<container>/<attempt>.log     gone with the pod
//	                  │ hard link (Keep)
//	                  ▼
//	              DIR/kept-logs/<ns>/<pod>_<uid>/pod.json
//	                                            /<container>/<attempt>.0.log    the first file of a container,
//	                                            /<container>/<attempt>.1.log    after one rotation, and so on
//
// A link costs no space and no time while the kubelet has the file too, follows
// it as it grows, and is all that is left of it when the kubelet removes,
// renames or compresses its own name. Files are never renamed here, so that a
// reader that follows a log only goes forward.
package podlogs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A Pod is a pod whose logs are kept.
type Pod struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	UID       string            `json:"uid"`
	Labels    map[string]string `json:"labels,omitempty"`

	// Created is when its first log was kept; Keep sets it when it is zero.
	Created time.Time `json:"created"`
}

// Retention says how long logs are kept once their pod is gone. A zero field is
// no limit.
type Retention struct {
	Age   time.Duration // since the last line
	Bytes int64         // of all of them together; the oldest go first
}

// A Store is a folder of kept logs. One process may write it (Keep, Prune); any
// number may read it meanwhile.
type Store struct {
	dir       string
	retention Retention
	mu        sync.Mutex // held while files are added or removed
}

// Open returns the store in dir, which need not exist yet. The logs to be kept
// must lie in the same file system.
func Open(dir string, retention Retention) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open kept logs: %w", err)
	}
	return &Store{dir: dir, retention: retention}, nil
}

// View returns the store in dir for reading. A folder that does not exist reads
// as one without logs.
func View(dir string) *Store { return &Store{dir: dir} }

// Keep makes the log file of a container outlive its pod. Call it when the
// container starts and again after each rotation, when the container writes to
// the new file; asking twice for one file does it once.
func (s *Store) Keep(pod Pod, container string, attempt uint32, logPath string) error {
	for _, name := range []string{pod.Namespace, pod.Name, pod.UID, container} {
		if !isName(name) {
			return fmt.Errorf("keep log of container %q of pod %s/%s: %q is no name of a file", container, pod.Namespace, pod.Name, name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.keep(pod, container, attempt, logPath); err != nil {
		return fmt.Errorf("keep log of container %q of pod %s/%s: %w", container, pod.Namespace, pod.Name, err)
	}
	return nil
}

// isName is whether something names one file in a folder, and is no pattern of
// several.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, `/*?[\`+"\x00")
}

func (s *Store) keep(pod Pod, container string, attempt uint32, logPath string) error {
	dir := filepath.Join(s.folder(pod), container)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.describe(pod); err != nil {
		return err
	}
	segments, err := segmentsOf(dir, attempt)
	if err != nil {
		return err
	}
	next := 0
	if n := len(segments); n > 0 {
		last := segments[n-1]
		if sameFile(last.path, logPath) {
			return nil
		}
		next = last.number + 1
	}
	return os.Link(logPath, filepath.Join(dir, segmentName(attempt, next)))
}

// describe writes pod.json once; a rename makes it appear whole.
func (s *Store) describe(pod Pod) error {
	file := filepath.Join(s.folder(pod), podFile)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if pod.Created.IsZero() {
		pod.Created = time.Now()
	}
	data, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+"~", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+"~", file)
}

const podFile = "pod.json"

func (s *Store) folder(pod Pod) string {
	return filepath.Join(s.dir, pod.Namespace, pod.Name+"_"+pod.UID)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
