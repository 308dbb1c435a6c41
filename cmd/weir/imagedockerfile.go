package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/dockerfile"
	"github.com/weir-ml/weir/kit/requirements"
	"github.com/weir-ml/weir/platform/packaging"
)

// dockerfile builds an image as a Dockerfile says. It asks for nothing before all of
// the file is known to be possible.
func (b *builder) dockerfile(ctx context.Context, dir, file string) (*oci.Image, error) {
	if o := b.options; o.base != "" || o.command != "" || o.user != "" || len(o.env) > 0 {
		return nil, errors.New("--base, --command, --user and --env are for folders without a Dockerfile: write them there")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read Dockerfile: %w", err)
	}
	f, err := dockerfile.Parse(file, text)
	if err != nil {
		return nil, err
	}
	args := map[string]string{}
	for _, a := range b.options.args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				return nil, fmt.Errorf("--build-arg %s: write it as KEY=VALUE", a)
			}
		}
		args[name] = value
	}
	program, err := b.read(dir, packaging.Options{Dockerfile: true})
	if err != nil {
		return nil, err
	}
	var base *oci.Image
	image, err := f.Build(ctx, b.store, b.options.tag, dockerfile.Options{
		Architecture: b.architecture, Target: b.options.target, Args: args, Context: entriesBelow("", program),
		Base: func(ctx context.Context, name string) (found *oci.Image, err error) {
			found, err = b.named(ctx, name)
			base = found
			return found, err
		},
		Progress: func(text string) { b.say("%s", text) },
	})
	if err != nil {
		return nil, err
	}
	return image, b.writeDown(image, base, requirements.List{})
}
