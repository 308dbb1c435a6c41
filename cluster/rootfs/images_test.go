package rootfs

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
)

// shop sells one environment, for names that begin with python.
type shop struct {
	built   bool
	fails   error
	recipes map[string]environment.Recipe // others, which are never built
}

func (s *shop) Find(image string) (environment.Recipe, bool) {
	if r, ok := s.recipes[image]; ok {
		return r, true
	}
	return environment.Recipe{Image: "python:*"}, strings.HasPrefix(image, "python")
}

func (s *shop) Built(environment.Recipe) (*environment.Environment, bool) {
	return &environment.Environment{
		ID: "sha256:1", Size: 7, Path: []string{"/opt/environment/bin"},
		Folders: []environment.Folder{{Source: "/data/1", Target: "/opt/environment", CopyOnWrite: true}},
	}, s.built
}

func (s *shop) Build(_ context.Context, r environment.Recipe, progress func(string)) (*environment.Environment, error) {
	if s.fails != nil {
		return nil, s.fails
	}
	progress("building")
	s.built = true
	e, _ := s.Built(r)
	return e, nil
}

func (s *shop) Remove(string) error {
	s.built = false
	return nil
}

// An image from the first question for it to its removal.
func TestImage(t *testing.T) {
	s := &shop{}
	images := NewImages(s, nil)
	if _, ok, err := images.Find("python:3.11"); ok || err != nil {
		t.Fatalf("before the pull: found %v, %v", ok, err)
	}
	var said []string
	got, err := images.Pull(t.Context(), "python:3.11", oci.Remote{}, func(s string) { said = append(said, s) })
	if err != nil {
		t.Fatal(err)
	}
	want := &Image{
		ID: "sha256:1", Reference: "python:3.11", Size: 7, Path: []string{"/opt/environment/bin"},
		Folders: []Folder{{Source: "/data/1", Target: "/opt/environment", CopyOnWrite: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("image (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"building"}, said); diff != "" {
		t.Errorf("progress (-want +got)\n%s", diff)
	}
	if _, ok, err := images.Find("python"); !ok || err != nil {
		t.Errorf("another name of it: found %v, %v", ok, err)
	}
	if all, err := images.List(); len(all) != 2 || err != nil {
		t.Errorf("images %v, %v, want 2", all, err)
	}
	if err := images.Remove(t.Context(), "python"); err != nil || !s.built {
		t.Errorf("removing one name: %v, and the environment is there: %v", err, s.built)
	}
	if err := images.Remove(t.Context(), "python:3.11"); err != nil || s.built {
		t.Errorf("removing the last name: %v, and the environment is there: %v", err, s.built)
	}
	if err := images.Remove(t.Context(), "python:3.11"); err != nil {
		t.Errorf("removing it again: %v", err)
	}
}

func TestPullErrors(t *testing.T) {
	broken := errors.New("package nmupy: no such package")
	for name, c := range map[string]struct {
		why  string
		ref  string
		want string
	}{
		"Unknown": {why: "What was tried, and what to do.", ref: "mnist:v2", want: "image \"mnist:v2\": not in the catalogue of environments: say what it should be with `weir environment add mnist:v2 --package NAME` (or --requirements FILE, or --python PATH), or load it with `weir image load FILE`"},
		"Broken":  {why: "What the builder said, and for which image.", ref: "python:3", want: `image "python:3": package nmupy: no such package`},
		"Slashes": {why: "As printed in a tutorial.", ref: "docker.io//tf-dist-mnist-test:1.0", want: `image reference "docker.io//tf-dist-mnist-test:1.0": a name is missing between its two slashes: write "docker.io/tf-dist-mnist-test:1.0", or put the name of its owner there`},
		"Capital": {why: "Names are lower case, tags need not be.", ref: "Ada/MNIST:V1", want: `image reference "Ada/MNIST:V1": its name has capital letters: write "ada/mnist:V1"`},
		"Address": {why: "Copied from a browser.", ref: "https://docker.io/ada/mnist", want: `image reference "https://docker.io/ada/mnist": it begins like the address of a page: write "docker.io/ada/mnist"`},
		"Space":   {why: "Copied with a space.", ref: "python: 3", want: `image reference "python: 3": it has a space in it: write "python:3"`},
		"Empty":   {why: "Forgotten.", ref: "", want: `image reference "": it is empty: name an image, for instance "python:3.11"`},
		"End":     {why: "A template that was not filled in.", ref: "ada/mnist:", want: `image reference "ada/mnist:": its end is missing: write "ada/mnist"`},
		"Other":   {why: "Anything else is shown how it should look.", ref: "a$b", want: `image reference "a$b": invalid reference format: write it as [registry/][owner/]name[:tag], for instance "docker.io/ada/mnist:1.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewImages(&shop{fails: broken}, nil).Pull(t.Context(), c.ref, oci.Remote{}, func(string) {})
			if err == nil || err.Error() != c.want {
				t.Errorf("%s Error\n%v\nwant\n%s", c.why, err, c.want)
			}
		})
	}
	_, err := NewImages(&shop{fails: broken}, nil).Pull(t.Context(), "python:3", oci.Remote{}, func(string) {})
	if !errors.Is(err, broken) {
		t.Errorf("%v is not the builder's error", err)
	}
}
