package rootfs

import (
	"archive/tar"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/registry"
)

func storeIn(t *testing.T) *oci.Store {
	t.Helper()
	s, err := oci.Open(filepath.Join(t.TempDir(), "images"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// made makes an image of one file.
func made(t *testing.T, s *oci.Store, name, content string) *oci.Image {
	t.Helper()
	var config ocispec.Image
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Env = []string{"A=b=c", "PATH=/bin"}
	i, err := s.Make(name, config, func(w io.Writer) error { return tarOf(w, content) })
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// tarOf writes a layer of one file.
func tarOf(w io.Writer, content string) error {
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Size: int64(len(content)), Mode: 0o644, Uid: os.Getuid(), Gid: os.Getgid()}); err != nil {
		return err
	}
	if _, err := io.WriteString(out, content); err != nil {
		return err
	}
	return out.Close()
}

// An image in a registry is pulled with what the pod's secret says, looked for again
// when it is pulled again, and gone when it is removed.
func TestPulledImage(t *testing.T) {
	far := storeIn(t)
	made(t, far, "far.example/ada/box:v1", "one")
	handler := registry.Handler(far.Host("far.example"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "ada" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			registry.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "who are you?")
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	ref := strings.TrimPrefix(server.URL, "http://") + "/ada/box:v1"
	images := NewImages(&shop{}, storeIn(t))
	quiet := func(string) {}
	secret := oci.Remote{Username: "ada", Password: "secret"}

	if _, ok, err := images.Find(ref); ok || err != nil {
		t.Fatalf("before the pull: %v, %v", ok, err)
	}
	var unknown *UnknownError
	if _, err := images.Pull(t.Context(), ref, oci.Remote{}, quiet); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "its registry does not give it") {
		t.Errorf("without a secret: %v", err)
	}
	pulled, err := images.Pull(t.Context(), ref, secret, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(pulled.Layers[0], "file")); string(content) != "one" {
		t.Errorf("the file holds %q, %v", content, err)
	}
	if pulled.Variables["A"] != "b=c" || !pulled.OwnRoot() {
		t.Errorf("image %+v", pulled)
	}
	made(t, far, "far.example/ada/box:v1", "two")
	again, err := images.Pull(t.Context(), ref, secret, quiet)
	if err != nil || again.ID == pulled.ID {
		t.Errorf("pulled again, it is the old one: %v", err)
	}
	if err := images.Remove(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := images.Find(ref); ok || err != nil {
		t.Errorf("once it was removed: %v, %v", ok, err)
	}
	if _, err := os.Stat(again.Layers[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its layers stay: %v", err)
	}
}

// An image that was loaded is not asked for elsewhere, comes before an environment
// of its name, and stays when the kubelet needs room: only what is unpacked goes.
func TestLoadedImage(t *testing.T) {
	store := storeIn(t)
	made(t, store, "python:3.11", "own")
	images := NewImages(&shop{built: true}, store)
	image, err := images.Pull(t.Context(), "python:3.11", oci.Remote{}, func(string) {})
	if err != nil || !image.OwnRoot() || len(image.Layers) != 1 {
		t.Fatalf("image %+v, %v", image, err)
	}
	if err := images.Remove(t.Context(), "python:3.11"); err != nil {
		t.Fatal(err)
	}
	found, ok, err := images.Find("python:3.11")
	if !ok || err != nil || found.ID != image.ID || found.Layers != nil {
		t.Errorf("found %+v, %v, %v; want it, not unpacked", found, ok, err)
	}
	if _, err := os.Stat(image.Layers[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its layers stay: %v", err)
	}
}
