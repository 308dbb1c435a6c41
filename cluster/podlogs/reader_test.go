package podlogs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadLines(t *testing.T) {
	const at = "2026-01-02T15:04:05.5Z"
	cases := map[string]struct {
		why  string
		raw  string
		want []string
		rest []string
	}{
		"Whole": {
			why:  "A record is a time, a stream, a tag and the text, which may have spaces.",
			raw:  at + " stdout F loss: 0.41  acc: 0.9\n" + at + " stderr F oh\n",
			want: []string{"stdout loss: 0.41  acc: 0.9", "stderr oh"},
		},
		"Pieces": {
			why:  "A long line comes in pieces, which are one line again; the streams do not mix.",
			raw:  at + " stdout P abc\n" + at + " stderr F between\n" + at + " stdout P def\n" + at + " stdout F ghi\n",
			want: []string{"stderr between", "stdout abcdefghi"},
		},
		"Empty": {
			why:  "An empty line is a line, with or without the space before it.",
			raw:  at + " stdout F \n" + at + " stdout F\n",
			want: []string{"stdout ", "stdout "},
		},
		"Unfinished": {
			why:  "What has no end yet is held back until the log is known to be complete.",
			raw:  at + " stdout F one\n" + at + " stdout P tw",
			want: []string{"stdout one"},
			rest: []string{"stdout tw"},
		},
		"NotCRI": {
			why:  "What does not look like a record is shown as it is.",
			raw:  "panic: oh no\n",
			want: []string{" panic: oh no"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			k := newKubelet(t)
			k.write(k.file("0.log"), tc.raw)
			s := open(t, Retention{})
			keep(t, s, podOf("worker-0", "u1"), k.file("0.log"))
			r := logOf(t, s, podOf("worker-0", "u1")).Read()
			defer r.Close()

			var got, rest []string
			for {
				l, ok, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				got = append(got, l.Stream+" "+l.Text)
			}
			for _, l := range r.Rest() {
				rest = append(rest, l.Stream+" "+l.Text)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nlines: -want, +got:\n%s", tc.why, diff)
			}
			if diff := cmp.Diff(tc.rest, rest); diff != "" {
				t.Errorf("%s\nrest: -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestEndlessLineIsBroken(t *testing.T) {
	k := newKubelet(t)
	k.write(k.file("0.log"), "2026-01-02T15:04:05Z stdout F "+strings.Repeat("x", 3*maxLine))
	s := open(t, Retention{})
	keep(t, s, podOf("worker-0", "u1"), k.file("0.log"))
	r := logOf(t, s, podOf("worker-0", "u1")).Read()
	defer r.Close()
	line, ok, err := r.Next()
	if err != nil || !ok || len(line.Text) > maxLine {
		t.Errorf("Next() = %d bytes, %v, %v; want a line of at most %d", len(line.Text), ok, err, maxLine)
	}
}

func TestTail(t *testing.T) {
	k := newKubelet(t)
	file := k.file("0.log")
	s := open(t, Retention{})
	var want []string
	for i := range 5000 { // more than Tail looks at, over two files
		if i == 4998 {
			keep(t, s, podOf("worker-0", "u1"), file)
			k.rotate(file)
		}
		text := fmt.Sprintf("line %d %s", i, strings.Repeat("x", 60))
		k.print(file, text)
		if i >= 4995 {
			want = append(want, text)
		}
	}
	keep(t, s, podOf("worker-0", "u1"), file)

	lines, err := logOf(t, s, podOf("worker-0", "u1")).Tail(5)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		got = append(got, l.Text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Tail(5): -want, +got:\n%s", diff)
	}
}

// Two replicas print in turn; their lines come in the order of time, in rounds,
// and no line twice.
func TestMerge(t *testing.T) {
	s := open(t, Retention{})
	k := newKubelet(t) // one clock for both
	a, b := k.file("a"), k.file("b")
	k.print(a, "a1")
	k.print(b, "b1")
	k.print(a, "a2")
	keep(t, s, podOf("a", "u1"), a)
	keep(t, s, podOf("b", "u2"), b)

	var m Merger
	defer m.Close()
	m.Add(logOf(t, s, podOf("b", "u2")).Read())
	m.Add(logOf(t, s, podOf("a", "u1")).Read())
	round := func(want ...string) {
		t.Helper()
		var got []string
		for {
			log, line, ok, err := m.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			got = append(got, log.Pod.Name+" "+line.Text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("round: -want, +got:\n%s", diff)
		}
	}
	round("a a1", "b b1", "a a2")
	round()
	k.print(b, "b2")
	k.write(a, "2026-01-02T15:04:05Z stdout F unfinished")
	round("b b2")
	m.End()
	round("a unfinished")
}

// A line that draws over itself is read while it does, if what is beside the log
// goes on where the log ends.
func TestUnended(t *testing.T) {
	at := func(second int) string { return fmt.Sprintf("2026-01-02T15:04:%02dZ ", second) }
	cases := map[string]struct {
		why, log, beside string
		want             string
	}{
		"Begun":   {"All of it is beside the log.", at(1) + "stdout F a\n", at(2) + "stdout P:0 Epoch 1\r10%\n", "Epoch 1\r10%"},
		"Long":    {"A part of it is in the log.", at(1) + "stdout P Epoch 1\r10%\n", at(2) + "stdout P:11 \r20%\n", "Epoch 1\r10%\r20%"},
		"Between": {"While a part is on its way to the log, there is a gap.", at(1) + "stdout F a\n", at(2) + "stdout P:11 \r20%\n", ""},
		"Ended":   {"It has ended since.", at(3) + "stdout F Epoch 1\r10%\r100%\n", at(2) + "stdout P:0 Epoch 1\r10%\n", ""},
		"Torn":    {"It is being written.", at(1) + "stdout F a\n", at(2) + "stdout P:0 Epo", ""},
		"None":    {"Nothing draws.", at(1) + "stdout P Epo\n", "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			k := newKubelet(t)
			k.write(k.file("0.log"), tc.log)
			if tc.beside != "" {
				k.write(k.file("0.stdout.line"), tc.beside)
			}
			s := open(t, Retention{})
			keep(t, s, podOf("worker-0", "u1"), k.file("0.log"))
			r := logOf(t, s, podOf("worker-0", "u1")).Read()
			defer r.Close()
			for more := true; more; {
				var err error
				if _, more, err = r.Next(); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			for _, l := range r.Unended(k.file("0.log")) {
				got += l.Text
			}
			if got != tc.want {
				t.Errorf("%s\n%q, want %q", tc.why, got, tc.want)
			}
		})
	}
}
