package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/test/conformance/images"
)

// The suite's images come first, since the first match wins; what the user
// wrote stays; a second time changes nothing.
func TestImagesAreWrittenOnce(t *testing.T) {
	recipes := []images.Recipe{{Image: "*agnhost*", Files: "/cache/agnhost", Command: []string{"pause"}}}
	before := []byte("environments:\n- image: mnist:*\n  packages: [keras]\nlisten: 127.0.0.1\n")
	want := `environments:
- command:
  - pause
  files: /cache/agnhost
  image: '*agnhost*'
- image: mnist:*
  packages:
  - keras
listen: 127.0.0.1
`
	once, err := withImages(before, recipes)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(once)); diff != "" {
		t.Errorf("once (-want +got):\n%s", diff)
	}
	twice, err := withImages(once, recipes)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(twice)); diff != "" {
		t.Errorf("twice (-want +got):\n%s", diff)
	}
}

func TestReadyNode(t *testing.T) {
	cases := map[string]struct {
		nodes string
		want  bool
	}{
		"None":     {`{"items":[]}`, false},
		"NotReady": {`{"items":[{"status":{"conditions":[{"type":"Ready","status":"False"}]}}]}`, false},
		"Ready":    {`{"items":[{"status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}}]}`, true},
		"Nonsense": {`error`, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := isReady([]byte(c.nodes)); got != c.want {
				t.Errorf("ready: %v, want %v", got, c.want)
			}
		})
	}
}
