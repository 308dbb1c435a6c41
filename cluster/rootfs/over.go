package rootfs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
)

// An Installer makes images of others with packages in them.
type Installer interface {
	// Install makes an image called name of base, whose Python gets the packages of
	// the recipe, and whose config says so by the label.
	Install(ctx context.Context, name string, base *oci.Image, r environment.Recipe, label [2]string, progress func(string)) (*oci.Image, error)
}

// NameOver is what the image is called that a recipe over an image means.
func NameOver(r environment.Recipe) string {
	packages := slices.Sorted(slices.Values(r.Requirements))
	sum := sha256.Sum256([]byte(strings.Join(append([]string{r.From}, packages...), "\x00")))
	return fmt.Sprintf("environment:over-%x", sum[:8])
}

// baseLabel is where such an image says which its base was, which may be another now.
const baseLabel = "weir-ml.github.io/base"

// isOver says whether a recipe's packages are laid over an image, and not over an
// environment.
func (i *Images) isOver(r environment.Recipe) (bool, error) {
	for range environment.MaxBases {
		if r.From == "" {
			return false, nil
		}
		if kept, err := i.kept(r.From); kept != nil || err != nil {
			return kept != nil, err
		}
		base, ok := i.environments.Find(r.From)
		if !ok {
			return true, nil
		}
		r = base
	}
	return false, nil // The environments say what is wrong.
}

// resolveOver is resolve for a recipe over an image. There always is a maker: the base
// may be another by now.
func (i *Images) resolveOver(ref string, r environment.Recipe) (*Image, maker, error) {
	base, build, err := i.resolve(r.From)
	if err != nil {
		return nil, nil, fmt.Errorf("image %q: its base: %w", ref, err)
	}
	again := func(ctx context.Context, progress func(string)) (*Image, error) {
		return i.makeOver(ctx, ref, r, progress)
	}
	if base == nil && build != nil { // It is to be made anew, and so is what lies over it.
		return nil, again, nil
	}
	made, err := i.over(ref, r, base)
	return made, again, err
}

// over is the image of a recipe over an image if there is one: of this base, or of any
// where that is nil.
func (i *Images) over(ref string, r environment.Recipe, base *Image) (*Image, error) {
	packed, err := i.packed.Find(NameOver(r))
	if errors.As(err, new(*oci.NotFoundError)) {
		return nil, nil
	}
	if err != nil || base != nil && packed.Config.Config.Labels[baseLabel] != base.ID {
		return nil, err
	}
	return i.imageOver(ref, packed, r), nil
}

func (i *Images) imageOver(ref string, packed *oci.Image, r environment.Recipe) *Image {
	image := i.imageOfPacked(ref, packed)
	if r.Entrypoint != nil || r.Command != nil {
		image.Entrypoint, image.Command = r.Entrypoint, r.Command
	}
	if r.WorkingDir != "" {
		image.WorkingDir = r.WorkingDir
	}
	if r.User != "" {
		image.User = r.User
	}
	maps.Copy(image.Variables, r.Variables)
	return image
}

func (i *Images) makeOver(ctx context.Context, ref string, r environment.Recipe, progress func(string)) (*Image, error) {
	if i.Installer == nil {
		return nil, errors.New("no packages are installed into images here")
	}
	base, err := i.Pull(ctx, r.From, oci.Remote{}, progress)
	if err != nil {
		return nil, fmt.Errorf("its base: %w", err)
	}
	i.use(base, 1)
	defer i.Release(base)
	i.installing.Lock() // Whoever waits finds it made.
	defer i.installing.Unlock()
	made, err := i.over(ref, r, base)
	if err != nil {
		return nil, err
	}
	if made == nil {
		packed, err := i.Installer.Install(ctx, NameOver(r), base.Packed, r, [2]string{baseLabel, base.ID}, progress)
		if err != nil {
			return nil, err
		}
		made = i.imageOver(ref, packed, r)
	}
	return i.unpack(ctx, made, progress)
}
