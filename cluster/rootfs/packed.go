package rootfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-ml/weir/kit/oci"
)

// kept returns the real image that ref means, nil where there is none.
func (i *Images) kept(ref string) (*Image, error) {
	if i.packed == nil {
		return nil, nil
	}
	packed, err := i.packed.Find(ref)
	var missing *oci.NotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return i.imageOfPacked(ref, packed), nil
}

// imageOfPacked is what a real image means: its layers only if they are unpacked.
func (i *Images) imageOfPacked(ref string, p *oci.Image) *Image {
	c := p.Config.Config
	image := &Image{
		ID: p.ID.String(), Reference: ref, Packed: p,
		Entrypoint: c.Entrypoint, Command: c.Cmd, WorkingDir: c.WorkingDir, User: c.User,
		StopSignal: c.StopSignal, Volumes: slices.Sorted(maps.Keys(c.Volumes)),
		Variables: map[string]string{}, Size: p.Size(),
		Digests: []string{p.Name.Repository + "@" + p.Target.Digest.String()},
	}
	for _, v := range c.Env {
		name, value, _ := strings.Cut(v, "=")
		image.Variables[name] = value
	}
	if u, ok := i.packed.Unpacked(p); ok {
		image.Layers, image.Size = u.Folders, image.Size+u.Size
	}
	return image
}

// Pinned says whether there is no room to be had by removing the image. An environment
// took minutes to build, and what was loaded is nowhere else: only what is unpacked of it
// can be had again.
func (i *Image) Pinned() bool { return i.Packed == nil || !i.Packed.Pulled && i.Layers == nil }

// isPulled says whether the image is a copy of what a registry has, which may have
// another by now.
func (i *Image) isPulled() bool { return i.Packed != nil && i.Packed.Pulled }

// pull takes a real image from its registry, and unpacks it.
func (i *Images) pull(ctx context.Context, ref string, from oci.Remote, progress func(string)) (*Image, error) {
	if i.packed == nil {
		return nil, &UnknownError{Reference: ref}
	}
	from.Progress = progress
	packed, err := i.packed.Pull(ctx, ref, from)
	if err != nil {
		return nil, &UnknownError{Reference: ref, Why: err}
	}
	return i.unpack(ctx, i.imageOfPacked(ref, packed), progress)
}

// A shown image has been the root of containers, or may be soon.
type shown struct {
	packed *oci.Image
	users  int
}

// Unpack makes an image that is present ready to be the root of a container: the one
// it returns. It stays so until Release. An environment is ready.
func (i *Images) Unpack(ctx context.Context, image *Image, progress func(string)) (*Image, error) {
	i.use(image, 1)
	ready, err := i.unpack(ctx, image, progress)
	if err != nil {
		i.Release(image)
	}
	return ready, err
}

// Release says that a container is gone for which Unpack was called.
func (i *Images) Release(image *Image) { i.use(image, -1) }

// use counts who needs the image's layers.
func (i *Images) use(image *Image, more int) {
	if image.Packed == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.shown[image.ID] = shown{image.Packed, i.shown[image.ID].users + more}
}

// used are the images that somebody needs the layers of.
func (i *Images) used() []*oci.Image {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []*oci.Image
	for _, s := range i.shown {
		if s.users > 0 {
			all = append(all, s.packed)
		}
	}
	return all
}

func (i *Images) unpack(ctx context.Context, image *Image, progress func(string)) (*Image, error) {
	if image.Packed == nil {
		return image, nil
	}
	i.use(image, 0)
	u, err := i.packed.Unpack(ctx, image.Packed, progress)
	if err != nil {
		return nil, err
	}
	ready := *image
	ready.Layers, ready.Size = u.Folders, image.Packed.Size()+u.Size
	return &ready, nil
}

// listKept lists the real images: those with a name, and those that had one when
// containers were made of them and are still unpacked. These are called by their IDs, so
// that they can be removed.
func (i *Images) listKept() ([]*Image, error) {
	if i.packed == nil {
		return nil, nil
	}
	all, err := i.packed.List()
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	var list []*Image
	for _, p := range all {
		image := i.imageOfPacked(p.Name.Familiar(), p)
		list, named[image.ID] = append(list, image), true
	}
	i.mu.Lock()
	ids := slices.Sorted(maps.Keys(i.shown))
	i.mu.Unlock()
	for _, id := range ids {
		if image := i.nameless(id); image != nil && !named[id] {
			list = append(list, image)
		}
	}
	return list, nil
}

// nameless is the image of an ID that has been unpacked for containers, nil where none
// is. Its names are not its own any more.
func (i *Images) nameless(id string) *Image {
	i.mu.Lock()
	s, ok := i.shown[id]
	i.mu.Unlock()
	if !ok {
		return nil
	}
	packed := *s.packed
	packed.Pulled = false
	image := i.imageOfPacked(id, &packed)
	if image.Layers == nil {
		return nil
	}
	image.Digests = nil
	return image
}

// removeKept removes what is unpacked of a real image, and the image if it was
// pulled. One that a container is made of stays: the kubelet may have looked before
// that was there.
func (i *Images) removeKept(ctx context.Context, image *Image) error {
	if slices.ContainsFunc(i.used(), func(p *oci.Image) bool { return p.ID == image.Packed.ID }) {
		return fmt.Errorf("remove image %q: a container is made of it", image.Reference)
	}
	if image.Packed.Pulled {
		var gone *oci.NotFoundError // Somebody else removes it too.
		if err := i.packed.Remove(image.Reference); err != nil && !errors.As(err, &gone) {
			return fmt.Errorf("remove image %q: %w", image.Reference, err)
		}
	}
	err := i.packed.RemoveUnpacked(ctx, image.Packed, i.used)
	if err == nil && image.Packed.Pulled {
		if _, err = i.packed.Collect(oci.PushTime, nil); errors.Is(err, oci.ErrBusy) {
			err = nil // What is left is removed with the next image.
		}
	}
	if err != nil {
		return fmt.Errorf("remove image %q: %w", image.Reference, err)
	}
	return nil
}
