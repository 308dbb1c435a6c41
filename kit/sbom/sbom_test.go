package sbom

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is written is read again, in one order, whatever it was given in.
func TestWriteAndRead(t *testing.T) {
	a, err := Write("ada/x:v1", []string{"six==1.17.0", "Foo.Bar_baz[x] == 2.0 ; python_version > '3'", "numpy>=2"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Write("ada/x:v1", []string{"numpy>=2", "numpy>=2", "Foo.Bar_baz[x] == 2.0 ; python_version > '3'", "six==1.17.0"})
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("another order is another document: %v\n%s", err, b)
	}
	got, err := Read(a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Foo.Bar_baz==2.0", "numpy>=2", "six==1.17.0"}, got); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
	var d document
	if err := json.Unmarshal(a, &d); err != nil {
		t.Fatal(err)
	}
	if got, want := d.Packages[1].Externals[0].Locator, "pkg:pypi/foo-bar-baz@2.0"; got != want {
		t.Errorf("locator %s, want %s", got, want)
	}
	if _, err := Read([]byte("no")); err == nil {
		t.Error("something else is read")
	}
}
