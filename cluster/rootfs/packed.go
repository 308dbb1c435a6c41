package rootfs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
		image.Layers, image.Size = u.Folders, u.Size
	}
	return image
}

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
	return i.Unpack(ctx, i.imageOfPacked(ref, packed), progress)
}

// Unpack makes an image that is present ready to be the root of containers: the one
// it returns. An environment is ready.
func (i *Images) Unpack(ctx context.Context, image *Image, progress func(string)) (*Image, error) {
	if image.Packed == nil {
		return image, nil
	}
	i.show(image)
	u, err := i.packed.Unpack(ctx, image.Packed, progress)
	if err != nil {
		return nil, err
	}
	ready := *image
	ready.Layers, ready.Size = u.Folders, u.Size
	return &ready, nil
}

// show notes that containers may have the image's layers.
func (i *Images) show(image *Image) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.shown[image.ID] = image.Packed
}

// listKept lists the real images.
func (i *Images) listKept() ([]*Image, error) {
	if i.packed == nil {
		return nil, nil
	}
	all, err := i.packed.List()
	if err != nil {
		return nil, err
	}
	var list []*Image
	for _, p := range all {
		list = append(list, i.imageOfPacked(p.Name.Familiar(), p))
	}
	return list, nil
}

// younger is how long what nobody names stays.
const younger = time.Hour

// removeKept removes what is unpacked of a real image, and the image if it was
// pulled.
func (i *Images) removeKept(ctx context.Context, image *Image, err error) error {
	if err != nil {
		return err
	}
	if image.Packed.Pulled {
		if err := i.packed.Remove(image.Reference); err != nil {
			return fmt.Errorf("remove image %q: %w", image.Reference, err)
		}
	}
	others, err := i.packed.List()
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(o *oci.Image) bool { return o.ID == image.Packed.ID })
	i.mu.Lock()
	delete(i.shown, image.ID)
	others = slices.AppendSeq(others, maps.Values(i.shown))
	i.mu.Unlock()
	err = i.packed.RemoveUnpacked(ctx, image.Packed, others)
	if err == nil && image.Packed.Pulled {
		_, err = i.packed.Collect(younger, nil)
	}
	if err != nil {
		return fmt.Errorf("remove image %q: %w", image.Reference, err)
	}
	return nil
}
