package cri

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func atNoon() time.Time { return time.Date(2026, 11, 25, 13, 1, 53, 0, time.UTC) }

func TestEntries(t *testing.T) {
	long := strings.Repeat("x", maxLogLine)
	cases := map[string]struct {
		why    string
		writes []string
		want   []string // without the time
	}{
		"Lines":       {why: "An entry a line.", writes: []string{"a\nb\n"}, want: []string{"stdout F a", "stdout F b"}},
		"Empty":       {why: "An empty line is one, too.", writes: []string{"\n"}, want: []string{"stdout F "}},
		"Pieces":      {why: "How the bytes arrive does not show.", writes: []string{"a", "b\nc", "\n"}, want: []string{"stdout F ab", "stdout F c"}},
		"Unended":     {why: "The last line may have no end, and gets none.", writes: []string{"a\nb"}, want: []string{"stdout F a", "stdout P b"}},
		"ExactlyFull": {why: "A line that just fits is whole.", writes: []string{long + "\n"}, want: []string{"stdout F " + long}},
		"Long":        {why: "A longer one comes in parts.", writes: []string{long + long, "y\n"}, want: []string{"stdout P " + long, "stdout P " + long, "stdout F y"}},
		"Binary":      {why: "Nothing but the newline means anything.", writes: []string{"a\x00\r\xff\n"}, want: []string{"stdout F a\x00\r\xff"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			log, err := openLog(filepath.Join(t.TempDir(), "c", "0.log"))
			if err != nil {
				t.Fatal(err)
			}
			w := &entryWriter{log: log, stream: "stdout", now: atNoon}
			for _, p := range tc.writes {
				_, _ = w.Write([]byte(p))
			}
			w.flush()
			log.close()
			if diff := cmp.Diff(tc.want, entriesOf(t, log.path)); diff != "" {
				t.Errorf("%s\n%s", tc.why, diff)
			}
		})
	}
}

// A line that draws over itself is shown beside the log, once a second, as long as
// it has no end; the log is none the longer for it.
func TestLineBesideTheLog(t *testing.T) {
	log, err := openLog(filepath.Join(t.TempDir(), "0.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	now := atNoon()
	w := &entryWriter{log: log, stream: "stderr", now: func() time.Time { return now }}
	long := strings.Repeat("x", maxLogLine)
	for i, step := range []struct {
		why, write string
		after      time.Duration
		want       string
	}{
		{"A line that draws over nothing is not.", "Epoch 1", 0, ""},
		{"It is shown from its first return on.", "\r10%", 0, "stderr P:0 Epoch 1\r10%"},
		{"Not so soon again.", "\r11%", showEvery / 2, "stderr P:0 Epoch 1\r10%"},
		{"But a second later.", "\r20%", showEvery / 2, "stderr P:0 Epoch 1\r10%\r11%\r20%"},
		{"Where a part of it is in the log, it says how much.", long + "\r30%", showEvery, "stderr P:16384 " + strings.Repeat("x", len("Epoch 1\r10%\r11%\r20%")) + "\r30%"},
		{"The next line is another.", "\r100%\nEpoch 2\r5%", showEvery, "stderr P:0 Epoch 2\r5%"},
	} {
		now = now.Add(step.after)
		_, _ = w.Write([]byte(step.write))
		data, _ := os.ReadFile(log.beside("stderr"))
		_, got, _ := strings.Cut(strings.TrimSuffix(string(data), "\n"), " ")
		if got != step.want {
			t.Errorf("step %d: %s\n%.99q, want %.99q", i, step.why, got, step.want)
		}
	}
	w.flush()
	if _, err := os.Stat(log.beside("stderr")); err == nil {
		t.Error("it is there when the container has ended")
	}
	if n := len(entriesOf(t, log.path)); n != 3 {
		t.Errorf("%d entries, want the part, the line and the rest", n)
	}
}

// A log that was moved away goes on in a new file, and no entry is lost.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	w := &entryWriter{log: log, stream: "stderr", now: atNoon}
	_, _ = w.Write([]byte("old\nhal"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("f\n"))
	if err := log.reopen(); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("new\n"))

	if diff := cmp.Diff([]string{"stderr F old", "stderr F half"}, entriesOf(t, path+".1")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"stderr F new"}, entriesOf(t, path)); diff != "" {
		t.Error(diff)
	}
}

// entriesOf reads a log and checks the form of each entry's time.
func entriesOf(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for line := range strings.Lines(string(data)) {
		at, entry, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil || !ok {
			t.Errorf("entry %q: no time at its beginning", line)
		}
		entries = append(entries, entry)
	}
	return entries
}

func BenchmarkEntries(b *testing.B) {
	log, err := openLog(filepath.Join(b.TempDir(), "0.log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.close()
	w := &entryWriter{log: log, stream: "stdout", now: time.Now}
	chunk := []byte(strings.Repeat("a line as training programs write them: loss 0.25\n", 300))
	for b.Loop() {
		_, _ = w.Write(chunk)
	}
	b.ReportMetric(float64(b.N)*300/b.Elapsed().Seconds(), "lines/s")
}
