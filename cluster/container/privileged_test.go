package container

import "testing"

// A container that is to have all capabilities starts also where weir itself has
// not got them all, as in many a container.
func TestAllCapabilities(t *testing.T) {
	r := runtimeOf(t)
	s := shell(t, "echo started")
	all, err := Capabilities([]string{"ALL"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Capabilities = all
	asks(t, r, s, "started")
}
