package environment

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A list of packages has one image, which every process on the folder knows.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	keep := func(python string, packages ...string) string {
		t.Helper()
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		image, err := s.Keep(python, packages)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	image := keep("", "numpy<2", "pandas")
	if !strings.HasPrefix(image, "weir.local/env-") {
		t.Errorf("the image is called %q", image)
	}
	if again := keep("", "pandas", "numpy<2"); again != image {
		t.Errorf("the same packages in another order are %s, and before %s", again, image)
	}
	if other := keep("3.11", "pandas", "numpy<2"); other == image {
		t.Error("another Python makes no difference")
	}

	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := s.Find(image)
	if !ok {
		t.Fatalf("%s means nothing", image)
	}
	if diff := cmp.Diff([]string{"numpy<2", "pandas"}, r.Requirements); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if r.Variables[VariableKept] != image {
		t.Errorf("programs are told %q of their environment", r.Variables[VariableKept])
	}
	if r.Otherwise == nil || r.Otherwise.Python != olderPython {
		t.Error("there is no older Python for packages that have nothing for the one here")
	}
	if all, err := s.Kept(); err != nil || len(all) != 2 {
		t.Errorf("kept are %v, %v; want two", all, err)
	}
	for _, unknown := range []string{"weir.local/env-0123456789abcdef", "weir.local/env-../x", image + ":v2"} {
		if _, ok := s.Find(unknown); ok {
			t.Errorf("%s means something", unknown)
		}
	}
}
