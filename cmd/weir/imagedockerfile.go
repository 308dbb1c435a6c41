package main

import (
	"cmp"
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
	secrets, err := secretsOf(b.options.given)
	if err != nil {
		return nil, err
	}
	fetched, err := b.fetches()
	if err != nil {
		return nil, err
	}
	defer fetched.remove()
	o := dockerfile.Options{
		Architecture: b.architecture, Target: b.options.target, Args: args, Secrets: secrets, Context: entriesBelow("", program),
		Base:     b.named,
		Progress: func(text string) { b.say("%s", text) },
		Fetch:    fetched.fetch,
		Output:   b.said, Fresh: b.options.fresh,
	}
	if _, _, inside := namespaces.Inside(); inside {
		runner, err := b.newRunner(ctx)
		if err != nil {
			return nil, err
		}
		defer runner.close()
		o.Runner = runner
	} else {
		needs, err := f.Rehearse(ctx, b.store, o)
		if err != nil {
			return nil, err
		}
		if needs.Runner != "" {
			return nil, b.goInside(ctx, needs.Runner)
		}
	}
	image, from, err := f.Build(ctx, b.store, b.options.tag, o)
	if r, ok := o.Runner.(*buildRunner); ok && errors.As(err, new(*dockerfile.ExitError)) {
		for _, m := range r.Missing() {
			b.say("%s", m)
		}
	}
	if err != nil {
		return nil, err
	}
	return image, b.writeDown(image, from, requirements.List{})
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

// A buildRunner runs commands in the inner process, and keeps unpacked layers meanwhile.
type buildRunner struct {
	*step.Runner
	close func()
}

// buildsDir is where builds have what they work with.
func buildsDir(dir string) string { return filepath.Join(imagesDir(dir), "builds") }

func (b *builder) newRunner(ctx context.Context) (*buildRunner, error) {
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
	runner, err := step.New(ctx, step.Config{Dir: buildsDir(dir), Outside: file(h.Outside)})
	if err != nil {
		release()
		return nil, err
	}
	return &buildRunner{runner, func() {
		if err := runner.Close(); err != nil {
			b.say("%v", err)
		}
		release()
	}}, nil
}

// secretsOf reads id=NAME,src=FILE and id=NAME,env=VARIABLE.
func secretsOf(flags []string) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, f := range flags {
		fields := map[string]string{}
		for part := range strings.SplitSeq(f, ",") {
			key, value, _ := strings.Cut(part, "=")
			fields[key] = value
		}
		id, file := fields["id"], cmp.Or(fields["src"], fields["source"])
		value, isSet := os.LookupEnv(cmp.Or(fields["env"], id))
		switch {
		case id == "":
			return nil, fmt.Errorf("--secret %s: write it as id=NAME,src=FILE or id=NAME,env=VARIABLE", f)
		case file != "":
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("--secret %s: %w", f, err)
			}
			all[id] = content
		case isSet:
			all[id] = []byte(value)
		default:
			return nil, fmt.Errorf("--secret %s: there is no variable %s", f, cmp.Or(fields["env"], id))
		}
	}
	return all, nil
}
