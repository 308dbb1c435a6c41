package environment

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A recipe over an environment has the packages and the Python of that, and its own.
func TestOver(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Recipes: []Recipe{
		{Image: "base", Requirements: []string{"six"}, Python: "3.12", Command: []string{"python3"}, Variables: map[string]string{"A": "1", "B": "1"}, Otherwise: &Recipe{Requirements: []string{"seven"}}},
		{Image: "between", From: "base", Requirements: []string{"idna"}},
		{Image: "round", From: "about", Requirements: []string{"six"}},
		{Image: "about", From: "round", Requirements: []string{"six"}},
		{Image: "lies", Folder: "/opt"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.over(Recipe{Image: "it", From: "between", Requirements: []string{"attrs"}, Variables: map[string]string{"B": "2"}, User: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	want := Recipe{Image: "it", Requirements: []string{"six", "idna", "attrs"}, Python: "3.12", Command: []string{"python3"}, Variables: map[string]string{"A": "1", "B": "2"}, User: "ada"}
	otherwise := Recipe{Image: "it", Requirements: []string{"seven", "idna", "attrs"}, Variables: map[string]string{"B": "2"}, User: "ada"}
	want.Otherwise = &otherwise
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for from, problem := range map[string]string{"round": "lead back to it", "lies": "used as it lies", "registry.example/x": "is no environment but an image"} {
		if _, err := s.Build(t.Context(), Recipe{Image: "it", From: from, Requirements: []string{"x"}}, nil); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("over %s: %v, want it to say %q", from, err, problem)
		}
	}
}

// What makes no sense is said where it is written.
func TestCheck(t *testing.T) {
	for problem, r := range map[string]Recipe{
		"it has no image":         {Requirements: []string{"six"}},
		"the same without":        {Image: "it", From: "base"},
		"for the Python that is":  {Image: "it", From: "base", Python: "3.12", Requirements: []string{"six"}},
		"leave out where else pr": {Image: "it", From: "base", Folder: "/opt", Requirements: []string{"six"}},
	} {
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%+v: %v, want it to say %q", r, err, problem)
		}
	}
}
