package cri

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	statsapi "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/images"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/registry"
)

// kubelet is as much of the kubelet as its collection of images asks, by CRI.
type kubelet struct {
	kubecontainer.Runtime
	*rig
	images *Images
}

func (k kubelet) ListImages(ctx context.Context) ([]kubecontainer.Image, error) {
	all, err := k.images.ListImages(ctx, nil)
	var list []kubecontainer.Image
	for _, i := range all {
		list = append(list, kubecontainer.Image{ID: i.GetId(), Size: int64(i.GetSize()), RepoTags: i.GetRepoTags(), Pinned: i.GetPinned()})
	}
	return list, err
}

func (k kubelet) GetPods(ctx context.Context, _ bool) ([]*kubecontainer.Pod, error) {
	all, err := k.ListContainers(ctx, nil)
	pod := &kubecontainer.Pod{}
	for _, c := range all {
		pod.Containers = append(pod.Containers, &kubecontainer.Container{ID: kubecontainer.ContainerID{ID: c.GetId()}, ImageID: c.GetImageId()})
	}
	return []*kubecontainer.Pod{pod}, err
}

func (k kubelet) GetContainerStatus(ctx context.Context, _ types.UID, id kubecontainer.ContainerID) (*kubecontainer.Status, error) {
	s, err := k.ContainerStatus(ctx, id.ID, false)
	status := &kubecontainer.Status{}
	for _, m := range s.GetStatus().GetMounts() {
		if m.GetImage() != nil {
			status.Mounts = append(status.Mounts, kubecontainer.Mount{Image: m.GetImage()})
		}
	}
	return status, err
}

func (k kubelet) RemoveImage(ctx context.Context, spec kubecontainer.ImageSpec) error {
	return k.images.RemoveImage(ctx, &runtimeapi.ImageSpec{Image: spec.Image})
}

// ImageFsStats says that the disk is full.
func (k kubelet) ImageFsStats(context.Context) (*statsapi.FsStats, *statsapi.FsStats, error) {
	capacity, available := uint64(1<<40), uint64(0)
	s := &statsapi.FsStats{CapacityBytes: &capacity, AvailableBytes: &available}
	return s, s, nil
}

// When the disk is full, the kubelet removes what can be had again of images that no
// container is made of: an image that was pulled, what is unpacked of one that was
// loaded, and what is unpacked of one that has no name any more.
func TestKubeletRemovesImages(t *testing.T) {
	r, store := ownRoots(t)
	k := kubelet{rig: r, images: NewImages(ImagesConfig{Store: r.config.Images, Dir: r.dir})}
	far, err := oci.Open(t.TempDir())
	must(t, err)
	server := httptest.NewServer(registry.Handler(far.Host("far.example")))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	own := ocispec.ImageConfig{Env: []string{"PATH=/bin"}}
	for _, name := range []string{"pulled", "mounted", "running"} {
		boxImage(t, far, "far.example/ada/"+name, own, fileOf("name", name, 0o644, 0))
		_, err := k.images.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: host + "/ada/" + name}, nil, nil)
		must(t, err)
	}
	for _, name := range []string{"loaded", "untagged"} {
		boxImage(t, store, "ada/"+name, own, fileOf("name", name, 0o644, 0))
		_, err := k.images.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: "ada/" + name}, nil, nil)
		must(t, err)
	}
	idOf := func(name string) string {
		i, ok, err := r.config.Images.Find(name)
		if err != nil || !ok {
			t.Fatalf("image %s: %v, %v", name, ok, err)
		}
		return i.ID
	}
	untagged, mounted := idOf("ada/untagged"), idOf(host+"/ada/mounted")
	must(t, store.Remove("ada/untagged"))
	pod := r.pod()
	container := r.start(pod, shell("sleep 1000", func(c *runtimeapi.ContainerConfig) {
		c.Image.Image = host + "/ada/running"
		c.Mounts = []*runtimeapi.Mount{{ContainerPath: "/volume", Image: &runtimeapi.ImageSpec{Image: mounted}}}
	}))

	manager, err := images.NewImageGCManager(k, k, nil, record.NewFakeRecorder(10), nil, images.ImageGCPolicy{HighThresholdPercent: 85, LowThresholdPercent: 80}, nooptrace.NewTracerProvider())
	must(t, err)
	type state struct{ Present, Unpacked bool }
	states := func() map[string]state {
		all := map[string]state{}
		list, err := r.config.Images.List()
		must(t, err)
		for _, i := range list {
			name := i.Reference[strings.LastIndex(i.Reference, "/")+1:]
			all[strings.TrimSuffix(name, ":latest")] = state{true, i.Layers != nil}
		}
		return all
	}
	collect := func() { // It fails, since so little was in the way.
		if err := manager.GarbageCollect(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "Failed to free sufficient space") {
			t.Errorf("collect: %v", err)
		}
	}
	all := state{true, true}
	if diff := cmp.Diff(map[string]state{"pulled": all, "mounted": all, "running": all, "loaded": all, untagged: all}, states()); diff != "" {
		t.Fatalf("before (-want +got)\n%s", diff)
	}
	collect()
	if diff := cmp.Diff(map[string]state{"mounted": all, "running": all, "loaded": {true, false}}, states()); diff != "" {
		t.Errorf("while a container runs (-want +got)\n%s", diff)
	}
	// The kubelet may have looked before the container was there.
	if err := r.config.Images.Remove(t.Context(), host+"/ada/running"); err == nil || !strings.Contains(err.Error(), "a container is made of it") {
		t.Errorf("removed while it runs: %v", err)
	}
	out, _, err := r.ExecSync(t.Context(), container, []string{"cat", "/name", "/volume/name"}, time.Minute)
	must(t, err)
	if string(out) != "runningmounted" {
		t.Errorf("the container sees %q", out)
	}
	must(t, r.StopContainer(t.Context(), container, 0))
	must(t, r.RemoveContainer(t.Context(), container))
	collect()
	if diff := cmp.Diff(map[string]state{"loaded": {true, false}}, states()); diff != "" {
		t.Errorf("in the end (-want +got)\n%s", diff)
	}
	if left, err := filepath.Glob(filepath.Join(r.dir, "..", "*", "images", "layers", "*", "files")); err != nil || len(left) > 0 {
		t.Errorf("layers are left: %v, %v", left, err)
	}
}
