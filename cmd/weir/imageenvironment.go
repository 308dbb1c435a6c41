package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/sbom"
)

// openRecipes opens the environments of a weir, which need not run, to find and to
// build what images mean.
func openRecipes(f *folder) (*environment.Store, error) {
	dir, err := f.path()
	if err != nil {
		return nil, err
	}
	s, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	return environment.Open(environmentsDir(dir), environment.Options{Recipes: s.Environments})
}

// portableFormat is part of the names of images of environments, so that a change of
// how they are made makes them anew.
const portableFormat = "3"

// environment makes an image of an environment that runs anywhere, once.
func (b *builder) environment(ctx context.Context, environments *environment.Store, recipe environment.Recipe, architecture string) (*oci.Image, error) {
	if architecture != runtime.GOARCH {
		return nil, fmt.Errorf("an environment is made of this machine's programs, which are for linux/%s: for linux/%s name an image with --base", runtime.GOARCH, architecture)
	}
	e, err := environments.Build(ctx, recipe, func(text string) { b.say("%s", text) })
	if err != nil {
		return nil, err
	}
	name, err := imageNameOf(e)
	if err != nil {
		return nil, err
	}
	image, err := b.store.Find(name)
	if !errors.As(err, new(*oci.NotFoundError)) {
		return image, err
	}
	parts, err := e.Portable()
	if err != nil {
		return nil, fmt.Errorf("image of %s: %w", recipe.Image, err)
	}
	b.say("packing the environment as %s, once", name)
	d := oci.Draft{Layers: oci.Layers(entriesOf(parts)...)}
	d.Config.OS, d.Config.Architecture = "linux", architecture
	c := &d.Config.Config
	c.Entrypoint, c.Cmd, c.WorkingDir, c.User = e.Entrypoint, e.Command, e.WorkingDir, e.User
	c.Env = variablesIn(e.Variables, e.Path)
	if c.Entrypoint == nil && c.Cmd == nil {
		c.Cmd = []string{"python3"}
	}
	if image, err = b.store.Build(ctx, name, d); err != nil {
		return nil, err
	}
	list, err := sbom.Write(name, packagesOf(environments, e))
	if err != nil {
		return nil, err
	}
	return image, b.store.Attach(image, sbom.MediaType, list)
}

// imageNameOf is what the image of an environment is called, as it is now: the same
// recipe may be built again, with newer packages.
func imageNameOf(e *environment.Environment) (string, error) {
	var when int64
	if len(e.Folders) > 0 {
		info, err := os.Stat(e.Folders[0].Source)
		if err != nil {
			return "", err
		}
		when = info.ModTime().UnixNano()
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(portableFormat, e.ID, when)))
	return fmt.Sprintf("environment:%x", sum[:6]), nil
}

func entriesOf(parts [][]environment.File) [][]oci.Entry {
	var all [][]oci.Entry
	for _, p := range parts {
		var entries []oci.Entry
		for _, f := range p {
			entries = append(entries, oci.Entry{Name: f.Name, Mode: f.Mode, Link: f.Link, Source: f.Source, Content: f.Head, Size: f.Size})
		}
		all = append(all, oci.WithFolders("", entries))
	}
	return all
}

// packagesOf are the packages of an environment that was built.
func packagesOf(environments *environment.Store, e *environment.Environment) []string {
	entries, err := environments.List()
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if entry.ID == e.ID {
			return entry.Packages
		}
	}
	return nil
}
