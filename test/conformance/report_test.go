package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKnownFailuresHaveReasons(t *testing.T) {
	cases := map[string]struct {
		why     string
		content string
		want    map[string]string
		refused bool
	}{
		"ReasonOverTwo": {
			why:     "A reason stands above all the specs that follow it.",
			content: "# One weir\n# is one node.\na\nb\n",
			want:    map[string]string{"a": "One weir is one node.", "b": "One weir is one node."},
		},
		"EmptyLineEndsAReason": {
			why:     "Else the head of the file would be a reason for all.",
			content: "# The head.\n\na\n",
			refused: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known")
			if err := os.WriteFile(file, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := readKnown(file)
			if (err != nil) != c.refused {
				t.Fatalf("%s: %v", c.why, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
		})
	}
}

func TestTheListOfKnownFailuresIsOne(t *testing.T) {
	if _, err := readKnown("known-failures.txt"); err != nil {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	results := []result{
		{name: "[sig-node] Pods run", passed: true, took: 2 * time.Second},
		{name: "[sig-node] Pods fly", took: time.Minute, message: "timed out"},
		{name: "[sig-apps] Two nodes", took: time.Second},
		{name: "[sig-apps] Job ends", passed: true, took: time.Second},
	}
	got := tabulate(results, map[string]string{"[sig-apps] Two nodes": "There is one.", "[sig-apps] Job ends": "It did not."}).text()
	want := `AREA      PASSED  FAILED  TIME OF ALL SPECS
sig-apps  1       1       2s
sig-node  1       1       1m2s
all       2       2       1m4s

FAILED after 1m0s: [sig-node] Pods fly
  timed out

failed, as known: [sig-apps] Two nodes
  There is one.

passed, though known to fail; take it off the list: [sig-apps] Job ends
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
