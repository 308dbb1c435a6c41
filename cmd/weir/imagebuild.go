package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/requirements"
	"github.com/weir-ml/weir/kit/sbom"
	"github.com/weir-ml/weir/platform/packaging"
)

// A buildOptions is what weir image build is told.
type buildOptions struct {
	tag, base, command, workdir, user, platform string
	env, secrets                                []string
	file, target                                string
	args, given                                 []string
	fresh                                       bool
}

func newImageBuildCommand(f *folder) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build DIR --tag NAME",
		Short: "Build an image of a folder, without a daemon",
		Long: `Build an image of a folder: a base, and the folder's files over it. Without --base
that is a Python with the packages that the folder declares, as for weir run. The
same folder makes the same image, byte for byte. A folder with a Dockerfile is built
as that says, unless --base or --command say how.

What .dockerignore, .gitignore and .weirignore name stays out, and so do environments
and caches of Python, and files that look like secrets. The image starts with what a
Procfile or a script of pyproject.toml says, or --command.`,
		Example: `  weir image build . --tag ada/mnist:v1 --command "python3 train.py"
  weir image build . --tag ada/mnist:v1 --base tensorflow/tensorflow:2.16.1
  weir image build . --tag ada/tools:v1 --base scratch --command /app/tool --platform linux/arm64`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := newBuilder(f, o, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			image, err := b.build(cmd.Context(), args[0])
			if errors.Is(err, errInside) {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "built %s\n", image.Name.Familiar())
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.tag, "tag", "t", "", "what to call the image")
	flags.StringVar(&o.base, "base", "", "image, name of an environment, archive of an image, or scratch")
	flags.StringVar(&o.command, "command", "", "what runs in it, in place of what the folder or the base says")
	flags.StringVar(&o.workdir, "workdir", "/app", "where the files are in the image")
	flags.StringVar(&o.user, "user", "", "who runs it: a name or a number, in place of the base's")
	flags.StringArrayVar(&o.env, "env", nil, "variable, as KEY=VALUE; may be repeated")
	flags.StringArrayVar(&o.secrets, "with-secret", nil, "file to take along though it looks like a secret; may be repeated")
	flags.StringVar(&o.platform, "platform", "linux/"+runtime.GOARCH, "machines that it is for: linux/amd64 or linux/arm64")
	flags.StringVarP(&o.file, "file", "f", "", "Dockerfile, in place of DIR/Dockerfile")
	flags.StringVar(&o.target, "target", "", "stage of the Dockerfile to build, in place of its last")
	flags.StringArrayVar(&o.args, "build-arg", nil, "value of an ARG of the Dockerfile, as KEY=VALUE; may be repeated")
	flags.StringArrayVar(&o.given, "secret", nil, "secret for RUN --mount=type=secret, as id=NAME,src=FILE or id=NAME,env=VARIABLE; may be repeated")
	flags.BoolVar(&o.fresh, "no-cache", false, "run the commands of the Dockerfile that have run before")
	cobra.CheckErr(cmd.MarkFlagRequired("tag"))
	return cmd
}

// A builder makes images of folders.
type builder struct {
	options      buildOptions
	architecture string
	weir         *folder
	store        *oci.Store
	said         io.Writer
}

func newBuilder(f *folder, o buildOptions, said io.Writer) (*builder, error) {
	b := &builder{options: o, weir: f, said: said}
	if _, err := oci.ParseName(o.tag); err != nil {
		return nil, err
	}
	var linux bool
	if b.architecture, linux = strings.CutPrefix(o.platform, "linux/"); !linux || b.architecture != "amd64" && b.architecture != "arm64" {
		return nil, fmt.Errorf("--platform %s: images are for linux/amd64 or linux/arm64", o.platform)
	}
	if !path.IsAbs(o.workdir) || path.Clean(o.workdir) == "/" {
		return nil, fmt.Errorf("--workdir %s: name a folder from the root, as /app", o.workdir)
	}
	for _, v := range o.env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return nil, fmt.Errorf("--env %s: write it as KEY=VALUE", v)
		}
	}
	var err error
	b.store, err = openImages(f)
	return b, err
}

func (b *builder) say(format string, args ...any) {
	fmt.Fprintf(b.said, "weir: "+format+"\n", args...)
}

// build builds the image of a folder, by its Dockerfile if there is one.
func (b *builder) build(ctx context.Context, dir string) (*oci.Image, error) {
	file := b.options.file
	if file == "" && b.options.base == "" && b.options.command == "" {
		if _, err := os.Stat(filepath.Join(dir, "Dockerfile")); err == nil {
			file = filepath.Join(dir, "Dockerfile")
		}
	}
	if file != "" {
		return b.dockerfile(ctx, dir, file)
	}
	if b.options.target != "" || len(b.options.args) > 0 {
		return nil, errors.New("--target and --build-arg are about a Dockerfile, and there is none: name one with --file")
	}
	return b.folder(ctx, dir)
}

// read reads the files of a folder, and says what stays out.
func (b *builder) read(dir string, o packaging.Options) (*packaging.Folder, error) {
	o.Secrets = b.options.secrets
	program, err := packaging.Read(dir, o)
	if err != nil {
		return nil, err
	}
	for _, s := range program.Secrets {
		b.say("%s stays out: it %s; --with-secret %[1]s takes it along", s.Name, s.Why)
	}
	return program, nil
}

// folder builds the image of a folder.
func (b *builder) folder(ctx context.Context, dir string) (*oci.Image, error) {
	program, err := b.read(dir, packaging.Options{Image: true})
	if err != nil {
		return nil, err
	}
	declared, err := requirements.Find(dir, "")
	if err != nil {
		return nil, err
	}
	for _, n := range declared.Notes {
		b.say("%s", n)
	}
	command, err := b.command(dir)
	if err != nil {
		return nil, err
	}
	base, err := b.base(ctx, declared)
	if err != nil {
		return nil, err
	}
	d := oci.Draft{Base: base, Layers: oci.Layers(b.code(program)...)}
	d.Config.OS, d.Config.Architecture = "linux", b.architecture
	if base != nil {
		d.Config = base.Config
		d.Config.Created, d.Config.Author, d.Config.History = nil, "", nil // which are about the base alone
	}
	b.configure(&d.Config.Config, command, program)
	image, err := b.store.Build(ctx, b.options.tag, d)
	if err != nil {
		return nil, err
	}
	return image, b.writeDown(image, base, declared)
}

// command is what the image starts with, nil for what the base does.
func (b *builder) command(dir string) ([]string, error) {
	if b.options.command != "" {
		return packaging.Words(b.options.command), nil
	}
	command, from, err := packaging.Entry(dir)
	if err == nil && command != nil {
		b.say("it runs what %s says: %s", from, strings.Join(command, " "))
	}
	return command, err
}

// configure says what a container of the image is like.
func (b *builder) configure(c *ocispec.ImageConfig, command []string, program *packaging.Folder) {
	c.Env = slices.Clone(c.Env)
	at := path.Clean(b.options.workdir)
	c.WorkingDir = at
	if command != nil {
		c.Entrypoint, c.Cmd = nil, command
	}
	if b.options.user != "" {
		c.User = b.options.user
	}
	modules := at
	for _, f := range program.Files {
		if strings.HasPrefix(f.Name, "src/") {
			modules += ":" + path.Join(at, "src")
			break
		}
	}
	setVariable(c, "PYTHONPATH", modules)
	for _, v := range b.options.env {
		name, value, _ := strings.Cut(v, "=")
		setVariable(c, name, value)
	}
}

func setVariable(c *ocispec.ImageConfig, name, value string) {
	c.Env = append(slices.DeleteFunc(c.Env, func(v string) bool { return strings.HasPrefix(v, name+"=") }), name+"="+value)
}

// code are the program's files, parted into layers.
func (b *builder) code(program *packaging.Folder) [][]oci.Entry {
	at := strings.TrimPrefix(path.Clean(b.options.workdir), "/")
	return oci.Split(at, entriesBelow(at, program))
}

// entriesBelow are a program's files, below a folder of an image.
func entriesBelow(at string, program *packaging.Folder) []oci.Entry {
	var files []oci.Entry
	for _, f := range program.Files {
		e := oci.Entry{Name: path.Join(at, f.Name), Mode: f.Mode | 0o644, Link: f.Link, Size: f.Size, Source: filepath.Join(program.Dir, f.Name)}
		if f.Mode&0o100 != 0 {
			e.Mode |= 0o755
		}
		files = append(files, e)
	}
	return files
}

// writeDown keeps with an image the list of the packages in it: those of its base, as
// far as they are known, and what the folder declares where the base is somebody
// else's.
func (b *builder) writeDown(image, base *oci.Image, declared requirements.List) error {
	packages := declared.Packages
	if base != nil {
		list, err := b.store.Attached(base, sbom.MediaType)
		if err != nil {
			return err
		}
		if list != nil {
			if packages, err = sbom.Read(list); err != nil {
				return err
			}
		}
	}
	list, err := sbom.Write(image.Name.Familiar(), packages)
	if err != nil {
		return err
	}
	return b.store.Attach(image, sbom.MediaType, list)
}

// base finds the image that lies below, or makes it; nil is none.
func (b *builder) base(ctx context.Context, declared requirements.List) (*oci.Image, error) {
	name := b.options.base
	switch {
	case name == "scratch":
		return nil, nil
	case name == "":
		return b.declaredBase(ctx, declared)
	case isArchive(name):
		return b.archive(ctx, name)
	}
	image, err := b.named(ctx, name, b.architecture)
	if err == nil && len(declared.Packages) > 0 {
		b.say("the packages of %s are not installed into %s: it has to have them", declared.From, name)
	}
	return image, err
}

// named is the image that a name means, as for a pod, for machines of an architecture.
func (b *builder) named(ctx context.Context, name, architecture string) (*oci.Image, error) {
	image, err := b.store.FindFor(name, architecture)
	if errors.As(err, new(*oci.NotFoundError)) || errors.As(err, new(*oci.BrokenError)) { // here, but for others
		return b.absentBase(ctx, name, architecture)
	}
	return image, err
}

// isArchive tells a file or a folder from the name of an image.
func isArchive(name string) bool {
	_, err := os.Stat(name)
	return err == nil && (strings.Contains(filepath.Base(name), ".tar") || strings.HasPrefix(name, ".") || filepath.IsAbs(name))
}

func (b *builder) archive(ctx context.Context, file string) (*oci.Image, error) {
	names, err := load(ctx, b.store, nil, file, "")
	if err != nil {
		return nil, fmt.Errorf("--base %s: %w", file, err)
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("--base %s: there are %d images in it: load it with weir image load, and name one", file, len(names))
	}
	return b.store.FindFor(names[0].String(), b.architecture)
}

// absentBase makes an image of an environment, or takes one from its registry.
func (b *builder) absentBase(ctx context.Context, name, architecture string) (*oci.Image, error) {
	environments, err := openRecipes(b.weir)
	if err != nil {
		return nil, err
	}
	if recipe, ok := environments.Find(name); ok && architecture == runtime.GOARCH {
		image, err := b.environment(ctx, environments, recipe, architecture)
		if over := new(environment.BuildError); errors.As(err, &over) && over.Cause == environment.NoBase {
			if image, failed := b.store.Find(rootfs.NameOver(recipe)); failed == nil {
				return image, nil
			}
		}
		return image, err
	}
	image, err := b.store.Pull(ctx, name, oci.Remote{Architecture: architecture, Progress: func(text string) { b.say("%s", text) }})
	if err != nil {
		return nil, fmt.Errorf("image %s: none for linux/%s is in weir's folder or in the catalogue of environments, and its registry does not give it: %w; weir image pull takes a name and a password", name, architecture, err)
	}
	if image.Config.Architecture != architecture {
		return nil, fmt.Errorf("image %s: its registry has it for linux/%s, not linux/%s", name, image.Config.Architecture, architecture)
	}
	return image, nil
}

// declaredBase is a Python with the packages that the folder declares.
func (b *builder) declaredBase(ctx context.Context, declared requirements.List) (*oci.Image, error) {
	environments, err := openRecipes(b.weir)
	if err != nil {
		return nil, err
	}
	name := "python:" + cmp.Or(declared.Python, "3")
	if len(declared.Packages) > 0 {
		b.say("%s from %s", count(len(declared.Packages), "package"), declared.From)
		if name, err = environments.Keep(declared.Python, declared.Packages); err != nil {
			return nil, err
		}
	}
	recipe, ok := environments.Find(name)
	if !ok {
		return nil, fmt.Errorf("no environment is called %s", name)
	}
	return b.environment(ctx, environments, recipe, b.architecture)
}

// variablesIn are those of an environment, with the path of its programs.
func variablesIn(all map[string]string, first []string) []string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		words = append(words, name+"="+all[name])
	}
	programs := append(slices.Clone(first), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	return append(words, "PATH="+strings.Join(programs, ":"))
}

func newImagePackagesCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "packages NAME",
		Short: "Print which packages an image that weir built has, as SPDX",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, i, err := findImage(f, args[0])
			if err != nil {
				return err
			}
			list, err := store.Attached(i, sbom.MediaType)
			if err == nil && list == nil {
				err = fmt.Errorf("image %s: nobody has written down its packages, as weir image build does", i.Name.Familiar())
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", list)
			return err
		},
	}
}
