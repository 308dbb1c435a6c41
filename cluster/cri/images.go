package cri

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/oci"
)

// An ImageStore says what image references mean: see rootfs.Images.
type ImageStore interface {
	Find(ref string) (*rootfs.Image, bool, error)
	Pull(ctx context.Context, ref string, from oci.Remote, progress func(string)) (*rootfs.Image, error)
	Unpack(ctx context.Context, image *rootfs.Image, progress func(string)) (*rootfs.Image, error)
	Release(image *rootfs.Image)
	List() ([]*rootfs.Image, error)
	Remove(ctx context.Context, ref string) error
}

// An ImagesConfig says what Images are made of.
type ImagesConfig struct {
	Store ImageStore
	Dir   string // a folder on the file system that images lie on
	// Progress, if set, is told in sentences what is done to make an image present, and
	// for which pod.
	Progress func(pod *runtimeapi.PodSandboxMetadata, image, text string)
}

// Images is the kubelet's ImageManagerService.
type Images struct{ config ImagesConfig }

var _ internalapi.ImageManagerService = (*Images)(nil)

// NewImages makes the service.
func NewImages(c ImagesConfig) *Images { return &Images{config: c} }

// imageOf finds an image for an instance, and makes it ready to be shown while there is
// the instance.
func (r *Runtime) imageOf(ctx context.Context, i *instance, spec *runtimeapi.ImageSpec) (*rootfs.Image, error) {
	image, ok, err := findImage(r.config.Images, spec)
	if err == nil && !ok && spec.GetUserSpecifiedImage() != "" {
		image, ok, err = r.config.Images.Find(spec.GetUserSpecifiedImage())
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("image %s: not present any more: delete the pod, so that a new one prepares it again", spec.GetImage())
	}
	if image, err = r.config.Images.Unpack(ctx, image, func(string) {}); err != nil {
		return nil, err
	}
	i.images = append(i.images, image)
	return image, nil
}

// releaseImages says that the instance needs its images no more.
func (r *Runtime) releaseImages(i *instance) {
	for _, image := range i.images {
		r.config.Images.Release(image)
	}
	i.images = nil
}

// idOf is the id that an image is named by, also without what the digest is of, unless it
// is named by a reference: no repository is called as an id is.
func idOf(spec *runtimeapi.ImageSpec) (id string, ok bool) {
	if strings.HasPrefix(spec.GetImage(), "sha256:") {
		return spec.GetImage(), true
	}
	id = "sha256:" + spec.GetImage()
	return id, digest.Digest(id).Validate() == nil
}

// findImage finds a present image by its id or by a reference. Of references with one id,
// the one that the pod uses is better.
func findImage(store ImageStore, spec *runtimeapi.ImageSpec) (image *rootfs.Image, ok bool, err error) {
	id, ok := idOf(spec)
	if !ok {
		return store.Find(spec.GetImage())
	}
	all, err := store.List()
	if err != nil {
		return nil, false, err
	}
	for _, candidate := range all {
		if candidate.ID == id && (image == nil || candidate.Reference == spec.GetUserSpecifiedImage()) {
			image = candidate
		}
	}
	return image, image != nil, nil
}

// ListImages lists the images that are present, or the one that f names.
func (s *Images) ListImages(ctx context.Context, f *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	if f.GetImage().GetImage() != "" {
		found, err := s.ImageStatus(ctx, f.GetImage(), false)
		if err != nil || found.GetImage() == nil {
			return nil, err
		}
		return []*runtimeapi.Image{found.GetImage()}, nil
	}

	all, err := s.config.Store.List()
	if err != nil {
		return nil, err
	}
	var list []*runtimeapi.Image
	for _, image := range all {
		same := slices.IndexFunc(list, func(i *runtimeapi.Image) bool { return i.GetId() == image.ID })
		if same >= 0 {
			list[same].RepoTags = append(list[same].RepoTags, image.Reference)
			list[same].Pinned = list[same].Pinned && image.Pinned()
			list[same].RepoDigests = appendNew(list[same].RepoDigests, image.Digests)
			continue
		}
		list = append(list, describe(image))
	}
	return list, nil
}

// ImageStatus describes an image; the answer is empty when it is not present.
func (s *Images) ImageStatus(_ context.Context, spec *runtimeapi.ImageSpec, _ bool) (*runtimeapi.ImageStatusResponse, error) {
	image, ok, err := findImage(s.config.Store, spec)
	if err != nil || !ok {
		return &runtimeapi.ImageStatusResponse{}, err
	}
	return &runtimeapi.ImageStatusResponse{Image: describe(image)}, nil
}

func describe(image *rootfs.Image) *runtimeapi.Image {
	described := &runtimeapi.Image{
		Id:          image.ID,
		RepoTags:    []string{image.Reference},
		RepoDigests: image.Digests,
		Size:        uint64(max(image.Size, 0)),
		Spec:        &runtimeapi.ImageSpec{Image: image.Reference},
		Pinned:      image.Pinned(),
	}
	switch {
	case strings.Contains(image.Reference, "@") || image.Reference == image.ID: // a name by digest is no tag
		described.RepoTags = nil
	case image.Packed != nil: // with the tag that goes without saying
		described.RepoTags = []string{image.Packed.Name.Familiar()}
	}
	user, _, _ := strings.Cut(image.User, ":")
	if user == "" {
		user = "0"
	}
	if uid, err := strconv.ParseInt(user, 10, 64); err == nil {
		described.Uid = &runtimeapi.Int64Value{Value: uid}
	} else {
		described.Username = user
	}
	return described
}

// appendNew appends what is not there yet.
func appendNew(all, more []string) []string {
	for _, m := range more {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// PullImage makes an image present and returns its id. The error is what the pod's status
// shows, so it says what was tried and what to do.
func (s *Images) PullImage(ctx context.Context, spec *runtimeapi.ImageSpec, sign *runtimeapi.AuthConfig, pod *runtimeapi.PodSandboxConfig) (string, error) {
	image, err := s.config.Store.Pull(ctx, spec.GetImage(), remoteOf(sign), func(text string) {
		if s.config.Progress != nil {
			s.config.Progress(pod.GetMetadata(), spec.GetImage(), text)
		}
	})
	if err != nil {
		return "", err
	}
	return image.ID, nil
}

// remoteOf says how a registry is asked with what a pull secret says.
func remoteOf(sign *runtimeapi.AuthConfig) oci.Remote {
	r := oci.Remote{Username: sign.GetUsername(), Password: sign.GetPassword(), IdentityToken: sign.GetIdentityToken(), Token: sign.GetRegistryToken()}
	if both, err := base64.StdEncoding.DecodeString(sign.GetAuth()); err == nil && r.Username == "" {
		r.Username, r.Password, _ = strings.Cut(string(both), ":")
	}
	return r
}

// RemoveImage removes an image under all its names. One that is not present is removed.
func (s *Images) RemoveImage(ctx context.Context, spec *runtimeapi.ImageSpec) error {
	id, ok := idOf(spec)
	if !ok {
		return s.config.Store.Remove(ctx, spec.GetImage())
	}
	all, err := s.config.Store.List()
	if err != nil {
		return err
	}
	for _, image := range all {
		if image.ID == id {
			if err := s.config.Store.Remove(ctx, image.Reference); err != nil {
				return err
			}
		}
	}
	return nil
}

// ImageFsInfo says how much room images take, and where.
func (s *Images) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	var used uint64
	all, err := s.config.Store.List()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, image := range all {
		if !seen[image.ID] {
			used += uint64(max(image.Size, 0))
		}
		seen[image.ID] = true
	}
	usage := []*runtimeapi.FilesystemUsage{{
		Timestamp:  time.Now().UnixNano(),
		FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: s.config.Dir},
		UsedBytes:  &runtimeapi.UInt64Value{Value: used},
		InodesUsed: &runtimeapi.UInt64Value{},
	}}
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}

// Close has nothing to close: the store is its owner's.
func (s *Images) Close(context.Context) error { return nil }
