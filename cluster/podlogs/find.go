package podlogs

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// A Log is what one attempt at running a container printed.
type Log struct {
	Pod       Pod
	Container string
	Attempt   uint32

	dir string
}

// Find returns the pods of a namespace whose labels match, the newest first.
// Pods that are gone are among them.
func (s *Store) Find(namespace string, selector labels.Selector) ([]Pod, error) {
	return s.find(namespace, "*", func(p Pod) bool { return selector.Matches(labels.Set(p.Labels)) })
}

// FindNamed returns the pods that have, or had, a name: the newest first.
func (s *Store) FindNamed(namespace, name string) ([]Pod, error) {
	if !isName(name) {
		return nil, nil // No pod can have it.
	}
	return s.find(namespace, name+"_*", func(p Pod) bool { return p.Name == name })
}

func (s *Store) find(namespace, pattern string, wanted func(Pod) bool) ([]Pod, error) {
	if !isName(namespace) {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(s.dir, namespace, pattern, podFile))
	if err != nil {
		return nil, fmt.Errorf("find kept logs of namespace %q: %w", namespace, err)
	}
	var found []Pod
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // It was pruned since.
		}
		if err != nil {
			return nil, fmt.Errorf("find kept logs of namespace %q: %w", namespace, err)
		}
		var p Pod
		if err := json.Unmarshal(data, &p); err != nil {
			return nil, fmt.Errorf("find kept logs of namespace %q: read %s: %w", namespace, file, err)
		}
		if wanted(p) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Pod) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name), cmp.Compare(b.UID, a.UID))
	})
	return found, nil
}

// Logs returns the logs of a pod, by container and attempt; none when they are
// not kept, or not any more.
func (s *Store) Logs(pod Pod) ([]Log, error) {
	dir := s.folder(pod)
	containers, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list kept logs of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	var logs []Log
	for _, c := range containers {
		if !c.IsDir() {
			continue
		}
		segments, err := allSegments(filepath.Join(dir, c.Name()))
		if err != nil {
			return nil, fmt.Errorf("list kept logs of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		for _, s := range segments {
			l := Log{Pod: pod, Container: c.Name(), Attempt: s.attempt, dir: filepath.Join(dir, c.Name())}
			if n := len(logs); n == 0 || logs[n-1].Container != l.Container || logs[n-1].Attempt != l.Attempt {
				logs = append(logs, l)
			}
		}
	}
	return logs, nil
}

// A segment is one file of a log, from one rotation to the next.
type segment struct {
	path    string
	attempt uint32
	number  int
}

func segmentName(attempt uint32, number int) string {
	return fmt.Sprintf("%d.%d.log", attempt, number)
}

// allSegments returns the files of a container's folder in the order they were
// written.
func allSegments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var segments []segment
	for _, e := range entries {
		attempt, rest, _ := strings.Cut(e.Name(), ".")
		number, ok := strings.CutSuffix(rest, ".log")
		a, err := strconv.ParseUint(attempt, 10, 32)
		n, err2 := strconv.Atoi(number)
		if !ok || err != nil || err2 != nil {
			continue
		}
		segments = append(segments, segment{path: filepath.Join(dir, e.Name()), attempt: uint32(a), number: n})
	}
	slices.SortFunc(segments, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.attempt, b.attempt), cmp.Compare(a.number, b.number))
	})
	return segments, nil
}

func segmentsOf(dir string, attempt uint32) ([]segment, error) {
	all, err := allSegments(dir)
	return slices.DeleteFunc(all, func(s segment) bool { return s.attempt != attempt }), err
}
