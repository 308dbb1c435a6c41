package rootfs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
)

// Environments builds and finds environments: an *environment.Store.
type Environments interface {
	Find(image string) (environment.Recipe, bool)
	Built(environment.Recipe) (*environment.Environment, bool)
	Build(ctx context.Context, r environment.Recipe, progress func(string)) (*environment.Environment, error)
	Remove(id string) error
}

// Images says what image references mean, and makes them ready. The zero value
// knows none.
type Images struct {
	// Installer lays packages over images, where the catalogue says so; nil does not.
	Installer Installer

	environments Environments
	packed       *oci.Store
	installing   sync.Mutex

	mu      sync.Mutex
	present map[string]*Image // environments by reference, as far as somebody has asked for them
	shown   map[string]shown  // real images by id
}

// NewImages returns the images that the environments stand for, and those of a store
// of real ones; nil is none.
func NewImages(e Environments, packed *oci.Store) *Images {
	return &Images{environments: e, packed: packed, present: map[string]*Image{}, shown: map[string]shown{}}
}

// Find returns the image that ref means if it is present already. The error is
// an *InvalidReferenceError when ref is not a reference at all.
func (i *Images) Find(ref string) (*Image, bool, error) {
	image, _, err := i.resolve(ref)
	return image, image != nil, err
}

// Pull makes the image that ref means present and returns it; from says how its
// registry is reached, if it is pulled. It tells progress what it does, in sentences. The error is an *InvalidReferenceError, an
// *UnknownError, or says what could not be built and what to do.
func (i *Images) Pull(ctx context.Context, ref string, from oci.Remote, progress func(string)) (*Image, error) {
	image, build, err := i.resolve(ref)
	if err != nil {
		return nil, err
	}
	if build == nil && image != nil && !image.isPulled() {
		return i.unpack(ctx, image, progress)
	}
	if build == nil {
		return i.pull(ctx, ref, from, progress)
	}
	if image, err = build(ctx, progress); err != nil {
		return nil, fmt.Errorf("image %q: %w", ref, err)
	}
	if image.Packed == nil {
		i.note(image)
	}
	return image, nil
}

// A maker makes an image present.
type maker func(ctx context.Context, progress func(string)) (*Image, error)

// resolve says what a reference means: this is the one place that does. What it
// means is, in this order,
//
//  1. an image in weir's own registry, or loaded from a file, when there is one
//  2. a name in the catalogue of environments
//
// It returns the image if it is present, or else how to make it so, or both where it
// may have to be made anew; neither when the reference means nothing of these. Then it means an image in a registry, if
// that can be reached.
func (i *Images) resolve(ref string) (*Image, maker, error) {
	if err := checkReference(ref); err != nil {
		return nil, nil, err
	}
	if image, err := i.kept(ref); image != nil || err != nil {
		return image, nil, err
	}
	var recipe environment.Recipe
	var ok bool
	if i.environments != nil {
		recipe, ok = i.environments.Find(ref)
	}
	if !ok {
		i.forget(ref)
		return nil, nil, nil
	}
	if isOver, err := i.isOver(recipe); isOver || err != nil {
		if err != nil {
			return nil, nil, err
		}
		i.forget(ref)
		return i.resolveOver(ref, recipe)
	}
	if e, ok := i.environments.Built(recipe); ok {
		image := imageOf(ref, e)
		i.note(image)
		return image, nil, nil
	}
	i.forget(ref)
	return nil, func(ctx context.Context, progress func(string)) (*Image, error) {
		e, err := i.environments.Build(ctx, recipe, progress)
		if err != nil {
			return nil, err
		}
		return imageOf(ref, e), nil
	}, nil
}

func imageOf(ref string, e *environment.Environment) *Image {
	image := &Image{
		ID: e.ID, Reference: ref,
		Path: e.Path, Variables: e.Variables,
		Entrypoint: e.Entrypoint, Command: e.Command, WorkingDir: e.WorkingDir, User: e.User,
		Size: e.Size,
	}
	for _, f := range e.Folders {
		image.Folders = append(image.Folders, Folder(f))
	}
	return image
}

// List returns the real images, and the environments that are present and that
// somebody has asked for, each in the order of their references.
func (i *Images) List() ([]*Image, error) {
	list, err := i.listKept()
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, ref := range slices.Sorted(maps.Keys(i.present)) {
		list = append(list, i.present[ref])
	}
	return list, nil
}

// Remove removes the image, and what was made for it unless another reference
// means the same; one that is absent is no error. Of a real image that cannot be had
// again only what is unpacked is removed, and nothing of one in use.
func (i *Images) Remove(ctx context.Context, ref string) error {
	kept, err := i.kept(ref)
	if err != nil {
		return err
	}
	if kept == nil {
		kept = i.nameless(ref)
	}
	if kept != nil {
		return i.removeKept(ctx, kept)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	gone, ok := i.present[ref]
	if !ok {
		return nil
	}
	delete(i.present, ref)
	for _, other := range i.present {
		if other.ID == gone.ID {
			return nil
		}
	}
	if err := i.environments.Remove(gone.ID); err != nil {
		return fmt.Errorf("remove image %q: %w", ref, err)
	}
	return nil
}

func (i *Images) note(image *Image) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.present[image.Reference] = image
}

func (i *Images) forget(ref string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.present, ref)
}
