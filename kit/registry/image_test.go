package registry_test

import (
	"archive/tar"
	"io"
	"runtime"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/oci"
)

// image makes a small image.
func image(t *testing.T, store *oci.Store, name string) *oci.Image {
	t.Helper()
	var config ocispec.Image
	config.OS, config.Architecture = "linux", runtime.GOARCH
	layer := func(content string) oci.Layer {
		return func(w io.Writer) error {
			out := tar.NewWriter(w)
			if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Size: int64(len(content)), Mode: 0o644}); err != nil {
				return err
			}
			if _, err := io.WriteString(out, content); err != nil {
				return err
			}
			return out.Close()
		}
	}
	made, err := store.Make(name, config, layer("below"), layer("above"))
	if err != nil {
		t.Fatal(err)
	}
	return made
}
