package rootfs

import (
	"context"
	"io"
	"testing"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
)

// An installation notes what was laid over what.
type installation struct {
	store *oci.Store
	done  []string
}

func (i *installation) Install(ctx context.Context, name string, base *oci.Image, r environment.Recipe, label [2]string, _ func(string)) (*oci.Image, error) {
	i.done = append(i.done, r.Image)
	d := oci.Draft{Base: base, Config: base.Config, Layers: []oci.Layer{func(w io.Writer) error { return tarOf(w, r.Image) }}}
	d.Config.Config.Labels = map[string]string{label[0]: label[1]}
	return i.store.Build(ctx, name, d)
}

// Packages over an image are present until the image below is another, however many
// bases lie between.
func TestPackagesOverAnImage(t *testing.T) {
	store := storeIn(t)
	made(t, store, "ada/base:v1", "one")
	images := NewImages(&shop{recipes: map[string]environment.Recipe{
		"ada/low:v1":  {Image: "ada/low:v1", From: "ada/base:v1", Requirements: []string{"six"}},
		"ada/high:v1": {Image: "ada/high:v1", From: "ada/low:v1", Requirements: []string{"idna"}, Variables: map[string]string{"A": "own"}},
	}}, store)
	i := &installation{store: store}
	images.Installer = i
	present := func(want bool) {
		t.Helper()
		image, ok, err := images.Find("ada/high:v1")
		if ok != want || err != nil {
			t.Fatalf("present: %v, %v", ok, err)
		}
		if ok && (image.Reference != "ada/high:v1" || image.Variables["A"] != "own" || !image.OwnRoot()) {
			t.Errorf("it is %+v", image)
		}
	}
	present(false)
	for _, content := range []string{"two", "three"} {
		pulled, err := images.Pull(t.Context(), "ada/high:v1", oci.Remote{}, func(string) {})
		if err != nil || len(pulled.Layers) != 3 {
			t.Fatalf("%+v, %v", pulled, err)
		}
		present(true)
		made(t, store, "ada/base:v1", content)
		present(false)
	}
	if len(i.done) != 4 {
		t.Errorf("installed were %v, want each twice", i.done)
	}
}
