package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/step"
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
	o := dockerfile.Options{
		Architecture: b.architecture, Target: b.options.target, Args: args, Context: entriesBelow("", program),
		Base: func(ctx context.Context, name string) (found *oci.Image, err error) {
			found, err = b.named(ctx, name)
			base = found
			return found, err
		},
		Progress: func(text string) { b.say("%s", text) },
		Output:   b.said, Fresh: b.options.fresh,
	}
	if _, _, inside := namespaces.Inside(); inside {
		finish, err := b.prepareRuns(ctx, &o)
		if err != nil {
			return nil, err
		}
		defer finish()
	} else {
		needs, err := f.Rehearse(ctx, b.store, o)
		if err != nil {
			return nil, err
		}
		if needs.Runs != "" {
			return nil, b.goInside(ctx, needs.Runs)
		}
	}
	image, err := f.Build(ctx, b.store, b.options.tag, o)
	if err != nil {
		return nil, err
	}
	return image, b.writeDown(image, base, requirements.List{})
}

// errInside says that the build has been done by an inner process, which has said so.
var errInside = errors.New("done by the inner process")

// goInside builds in an inner process, where commands can be run.
func (b *builder) goInside(ctx context.Context, why string) error {
	kind, refused := namespaces.Supported(ctx)
	if kind == namespaces.None {
		return fmt.Errorf("%s: this machine allows no namespaces to run commands in: %w", why, refused)
	}
	if err := runOutside(ctx, kind, &doors{}); err != nil {
		return err
	}
	return errInside
}

// prepareRuns makes commands run, in the inner process.
func (b *builder) prepareRuns(ctx context.Context, o *dockerfile.Options) (finish func(), err error) {
	h, err := enter()
	if err != nil {
		return nil, err
	}
	_, file, _ := namespaces.Inside()
	dir, err := b.weir.path()
	if err != nil {
		return nil, err
	}
	release, err := b.store.Use()
	if err != nil {
		return nil, err
	}
	runner, err := step.New(ctx, step.Config{Dir: filepath.Join(imagesDir(dir), "builds"), Outside: file(h.Outside)})
	if err != nil {
		release()
		return nil, err
	}
	o.Runner = runner
	return func() {
		if err := runner.Close(); err != nil {
			b.say("%v", err)
		}
		release()
	}, nil
}
