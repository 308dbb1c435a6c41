package podlogs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
)

// A container's log is kept, rotated, compressed and taken away with its pod,
// while a reader follows it.
func TestLogOutlivesItsPod(t *testing.T) {
	k := newKubelet(t)
	s := open(t, Retention{})
	file := k.file("0.log")

	k.print(file, "one", "two")
	keep(t, s, podOf("worker-0", "u1"), file)
	keep(t, s, podOf("worker-0", "u1"), file) // twice is once

	r := logOf(t, s, podOf("worker-0", "u1")).Read()
	defer r.Close()
	wantNext(t, r, "one", "two")

	k.print(file, "three")
	k.rotate(file)
	k.print(file+".20261125-120000", "four") // the writer had not changed over yet
	k.print(file, "five")
	keep(t, s, podOf("worker-0", "u1"), file)
	wantNext(t, r, "three", "four", "five")

	k.compress(file + ".20261125-120000")
	k.removePod()
	wantLines(t, logOf(t, s, podOf("worker-0", "u1")), "one", "two", "three", "four", "five")
}

func TestFind(t *testing.T) {
	s := open(t, Retention{})
	for i, p := range []Pod{
		podOf("worker-0", "u1"),
		podOf("worker-0", "u2"),
		podOf("worker-1", "u3"),
		{Namespace: "ada", Name: "other", UID: "u4", Labels: map[string]string{"job": "other"}},
		{Namespace: "bob", Name: "worker-0", UID: "u5", Labels: map[string]string{"job": "mnist"}},
	} {
		p.Created = time.Unix(int64(i), 0)
		k := newKubelet(t)
		k.print(k.file("0.log"), "x")
		keep(t, s, p, k.file("0.log"))
	}

	cases := map[string]struct {
		why  string
		find func() ([]Pod, error)
		want []string
	}{
		"ByLabel": {
			why:  "The pods of a job are those with its label, the newest first.",
			find: func() ([]Pod, error) { return s.Find("ada", labels.SelectorFromSet(labels.Set{"job": "mnist"})) },
			want: []string{"worker-1_u3", "worker-0_u2", "worker-0_u1"},
		},
		"ByName": {
			why:  "A name may have been used more than once.",
			find: func() ([]Pod, error) { return s.FindNamed("ada", "worker-0") },
			want: []string{"worker-0_u2", "worker-0_u1"},
		},
		"Patterns": {
			why: "A name that asks for several, or leads elsewhere, is nobody's.",
			find: func() ([]Pod, error) {
				var all []Pod
				for _, name := range []string{"*", "worker-*", "..", "../ada/worker-0", "", "[w]orker-0"} {
					byName, err := s.FindNamed("ada", name)
					if err != nil {
						return nil, err
					}
					byLabel, err := s.Find(name, labels.Everything())
					if err != nil {
						return nil, err
					}
					all = append(append(all, byName...), byLabel...)
				}
				return all, nil
			},
		},
		"Nothing": {
			why:  "A namespace that never had a pod has no logs, which is no error.",
			find: func() ([]Pod, error) { return s.Find("eve", labels.Everything()) },
		},
		"NoStore": {
			why: "A folder in which weir has not run yet reads as empty.",
			find: func() ([]Pod, error) {
				return View(filepath.Join(t.TempDir(), "none")).Find("ada", labels.Everything())
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := tc.find()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range found {
				got = append(got, p.Name+"_"+p.UID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestKeepRefusesNamesThatAreNotOne(t *testing.T) {
	k := newKubelet(t)
	k.print(k.file("0.log"), "x")
	s := open(t, Retention{})
	for _, p := range []Pod{
		{Namespace: "..", Name: "a", UID: "u"},
		{Namespace: "ada", Name: "../../etc", UID: "u"},
		{Namespace: "ada", Name: "a", UID: ""},
	} {
		if err := s.Keep(p, "main", 0, k.file("0.log")); err == nil {
			t.Errorf("Keep(%+v) went through", p)
		}
	}
}

func TestPrune(t *testing.T) {
	now := time.Unix(1e9, 0)
	cases := map[string]struct {
		why       string
		retention Retention
		want      []string
	}{
		"NoLimit": {
			why:  "Without a limit everything stays.",
			want: []string{"live", "old", "older", "young"},
		},
		"ByAge": {
			why:       "What is too old goes, but never the log of a pod that exists.",
			retention: Retention{Age: 90 * time.Minute},
			want:      []string{"live", "young"},
		},
		"ByBytes": {
			why:       "The oldest go until the rest is small enough.",
			retention: Retention{Bytes: 250},
			want:      []string{"live", "old", "young"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := open(t, tc.retention)
			for name, age := range map[string]time.Duration{"young": time.Hour, "old": 2 * time.Hour, "older": 3 * time.Hour, "live": 4 * time.Hour} {
				k := newKubelet(t)
				file := k.file("0.log")
				if err := os.WriteFile(file, make([]byte, 100), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(file, now.Add(-age), now.Add(-age)); err != nil {
					t.Fatal(err)
				}
				keep(t, s, podOf(name, "u"), file)
				if name != "live" {
					k.removePod()
				}
			}
			if err := s.Prune(now); err != nil {
				t.Fatal(err)
			}
			folders, err := filepath.Glob(filepath.Join(s.dir, "ada", "*"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range folders {
				got = append(got, filepath.Base(f)[:len(filepath.Base(f))-len("_u")])
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// kubelet does to log files what the kubelet does.
type kubelet struct {
	t   *testing.T
	dir string
	now time.Time
}

func newKubelet(t *testing.T) *kubelet {
	return &kubelet{t: t, dir: t.TempDir(), now: time.Unix(1e9, 0).UTC()}
}

func (k *kubelet) file(name string) string { return filepath.Join(k.dir, name) }

func (k *kubelet) print(file string, lines ...string) {
	k.t.Helper()
	for _, l := range lines {
		k.now = k.now.Add(time.Second)
		k.write(file, fmt.Sprintf("%s stdout F %s\n", k.now.Format(time.RFC3339Nano), l))
	}
}

func (k *kubelet) write(file, raw string) {
	k.t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		k.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(raw); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kubelet) rotate(file string) {
	k.t.Helper()
	if err := os.Rename(file, file+".20261125-120000"); err != nil {
		k.t.Fatal(err)
	}
}

// compress leaves another file in the place of one, as gzip does.
func (k *kubelet) compress(file string) {
	k.t.Helper()
	k.write(file+".gz", "not what it was")
	if err := os.Remove(file); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kubelet) removePod() {
	k.t.Helper()
	if err := os.RemoveAll(k.dir); err != nil {
		k.t.Fatal(err)
	}
}

func open(t *testing.T, r Retention) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func podOf(name, uid string) Pod {
	return Pod{Namespace: "ada", Name: name, UID: uid, Labels: map[string]string{"job": "mnist"}}
}

func keep(t *testing.T, s *Store, p Pod, file string) {
	t.Helper()
	if err := s.Keep(p, "main", 0, file); err != nil {
		t.Fatal(err)
	}
}

func logOf(t *testing.T, s *Store, p Pod) Log {
	t.Helper()
	logs, err := s.Logs(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(logs) != 1 {
		t.Fatalf("%d logs of pod %s, want 1", len(logs), p.Name)
	}
	return logs[0]
}

func wantLines(t *testing.T, l Log, want ...string) {
	t.Helper()
	r := l.Read()
	defer r.Close()
	wantNext(t, r, want...)
}

func wantNext(t *testing.T, r *Reader, want ...string) {
	t.Helper()
	var got []string
	for {
		line, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, line.Text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines: -want, +got:\n%s", diff)
	}
}
