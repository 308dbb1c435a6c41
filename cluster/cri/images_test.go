package cri

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestImages(t *testing.T) {
	var told []string
	s := NewImages(ImagesConfig{Store: machine{}, Dir: "/images", Progress: func(pod *runtimeapi.PodSandboxMetadata, image, text string) {
		told = append(told, pod.GetName()+" "+image+": "+text)
	}})
	plain := &runtimeapi.Image{Id: "sha256:machine", RepoTags: []string{"machine"}, Size: 7, Pinned: true, Uid: &runtimeapi.Int64Value{}, Spec: &runtimeapi.ImageSpec{Image: "machine"}}
	talkative := &runtimeapi.Image{Id: "sha256:talkative", RepoTags: []string{"talkative"}, Size: 5, Pinned: true, Uid: &runtimeapi.Int64Value{Value: 33}, Spec: &runtimeapi.ImageSpec{Image: "talkative"}}

	for name, tc := range map[string]struct {
		why  string
		spec *runtimeapi.ImageSpec
		want *runtimeapi.Image
	}{
		"Reference": {why: "An image is known by its name.", spec: &runtimeapi.ImageSpec{Image: "talkative"}, want: talkative},
		"ID":        {why: "And by its id.", spec: &runtimeapi.ImageSpec{Image: "sha256:talkative"}, want: talkative},
		"Absent":    {why: "One that is not present is no error: the kubelet pulls it.", spec: &runtimeapi.ImageSpec{Image: "absent"}},
		"AbsentID":  {why: "Nor is an id that nobody has.", spec: &runtimeapi.ImageSpec{Image: "sha256:other"}},
	} {
		got, err := s.ImageStatus(t.Context(), tc.spec, false)
		if diff := cmp.Diff(tc.want, got.GetImage(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: %s\n%v\n%s", name, tc.why, err, diff)
		}
	}

	if err := s.RemoveImage(t.Context(), &runtimeapi.ImageSpec{Image: strings.Repeat("0", 64)}); err != nil {
		t.Errorf("an id that nobody has, without its algorithm, is removed: %v", err)
	}
	list, err := s.ListImages(t.Context(), nil)
	must(t, err)
	plain.RepoTags = append(plain.RepoTags, "machine:again")
	if diff := cmp.Diff([]*runtimeapi.Image{plain, talkative}, list, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	usage, err := s.ImageFsInfo(t.Context())
	must(t, err)
	if got := usage.GetImageFilesystems()[0].GetUsedBytes().GetValue(); got != 12 {
		t.Errorf("images take %d bytes, want 12: what two names share counts once", got)
	}

	pod := &runtimeapi.PodSandboxConfig{Metadata: &runtimeapi.PodSandboxMetadata{Name: "web-0"}}
	id, err := s.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: "talkative"}, nil, pod)
	must(t, err)
	if id != "sha256:talkative" {
		t.Errorf("pulled %s", id)
	}
	_, err = s.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: "absent"}, nil, pod)
	if err == nil || !strings.HasPrefix(err.Error(), "image absent:") {
		t.Errorf("error %v, want the store's own sentence", err)
	}
	want := []string{"web-0 talkative: Looking for talkative.", "web-0 absent: Looking for absent."}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}

// The kubelet asks for a container by the id of an image; the name decides between images
// that share one, and people see the name.
func TestContainerByImageID(t *testing.T) {
	r := newRig(t)
	id := r.start(r.pod(), shell("true", func(c *runtimeapi.ContainerConfig) {
		c.Image = &runtimeapi.ImageSpec{Image: "sha256:machine", UserSpecifiedImage: "machine:again"}
	}))
	s := r.status(id)
	if s.GetImage().GetImage() != "machine:again" || s.GetImageId() != "sha256:machine" {
		t.Errorf("image %v, id %s", s.GetImage(), s.GetImageId())
	}
}
