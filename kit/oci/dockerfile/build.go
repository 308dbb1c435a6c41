package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/oci"
)

// Options say what to build, and of what.
type Options struct {
	Architecture string            // of the machines that it is for
	Target       string            // the stage to build; "" is the last
	Args         map[string]string // in place of what ARG says
	Context      []oci.Entry       // the folder's files, named from there
	Secrets      map[string][]byte // by their IDs
	// Base finds an image that a stage begins with, or that files are copied from, for
	// machines of an architecture.
	Base func(ctx context.Context, name, architecture string) (*oci.Image, error)
	// Progress is told in sentences what is done.
	Progress func(string)
	// Fetch fetches an address that has a checksum, as "sha256:…" or "", and returns the
	// file that holds it. A build asks for the same as its rehearsal.
	Fetch func(ctx context.Context, address, checksum string) (file string, err error)
	// Runner runs commands. It is not asked for by a Rehearsal.
	Runner Runner
	// Output is what commands say; nil drops it.
	Output io.Writer
	// Fresh runs commands that have run before.
	Fresh bool
}

// A Rehearsal says what a build is going to need.
type Rehearsal struct {
	// Runner is the first command that needs one, as "Dockerfile:3: RUN"; "" is none.
	Runner string
}

// Rehearse does all of a build but running commands and keeping files, so that what is
// wrong is known early, and the images that it begins with are there.
func (f *File) Rehearse(ctx context.Context, store *oci.Store, o Options) (Rehearsal, error) {
	f, err := Parse(f.name, f.text) // Its commands are changed by being done.
	if err != nil {
		return Rehearsal{}, err
	}
	b, target, err := f.begin(store, o)
	if err != nil {
		return Rehearsal{}, err
	}
	b.rehearsal = &Rehearsal{}
	_, err = b.stage(ctx, target)
	return *b.rehearsal, err
}

// Build builds the image of a Dockerfile, once, and gives it a name. It also returns
// the image that this one begins with; nil is none.
func (f *File) Build(ctx context.Context, store *oci.Store, name string, o Options) (image, from *oci.Image, err error) {
	b, target, err := f.begin(store, o)
	if err != nil {
		return nil, nil, err
	}
	done, err := b.stage(ctx, target)
	if err != nil {
		return nil, nil, err
	}
	image, err = store.Build(ctx, name, oci.Draft{Base: done.base, Config: done.config, Docker: done.docker, Layers: done.packed()})
	return image, done.from, err
}

// begin finds the stage that is wanted.
func (f *File) begin(store *oci.Store, o Options) (b *builder, target int, err error) {
	for arg := range o.Args {
		if !f.declares(arg) && !slices.Contains(proxies(), arg) {
			return nil, 0, fmt.Errorf("%s: no ARG is called %s", f.name, arg)
		}
	}
	b = &builder{File: f, Options: o, store: store, done: map[int]*stage{}}
	if o.Target == "" {
		return b, len(f.stages) - 1, nil
	}
	target, ok := instructions.HasStage(f.stages, o.Target)
	if !ok {
		return nil, 0, fmt.Errorf("%s: no stage is called %s", f.name, o.Target)
	}
	return b, target, nil
}

func (f *File) declares(name string) bool {
	is := func(a instructions.KeyValuePairOptional) bool { return a.Key == name }
	for _, a := range f.args {
		if slices.ContainsFunc(a.Args, is) {
			return true
		}
	}
	for _, s := range f.stages {
		for _, c := range s.Commands {
			if a, ok := c.(*instructions.ArgCommand); ok && slices.ContainsFunc(a.Args, is) {
				return true
			}
		}
	}
	return false
}

type builder struct {
	*File
	Options
	store     *oci.Store
	rehearsal *Rehearsal // nil when it is for real
	done      map[int]*stage

	// What is being done: a stage, and a command of it.
	at  int
	now instructions.Command
}

// canRun says whether the Runner is to be asked. A rehearsal notes that one is needed.
func (b *builder) canRun() (bool, error) {
	if b.rehearsal == nil {
		if b.Runner == nil {
			return false, errors.New("nothing is run here")
		}
		return true, nil
	}
	if b.rehearsal.Runner == "" {
		b.rehearsal.Runner = b.place(b.now)
	}
	return false, nil
}

func (b *builder) say(format string, args ...any) {
	if b.rehearsal == nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// A stage is what has become of one so far.
type stage struct {
	from      *oci.Image // that it begins with
	base      *oci.Image // whose layers lie below its own
	config    ocispec.Image
	docker    oci.Docker
	layers    []layer
	args      map[string]string // declared in it, and given or with a default
	commanded bool              // CMD was said in it
	folders   map[string]bool   // of the base, once they were needed
}

// A layer is one that is made.
type layer struct {
	entries []oci.Entry // what is known to be in it
	pack    oci.Layer
}

// add adds a layer of entries.
func (s *stage) add(entries []oci.Entry) {
	s.layers = append(s.layers, layer{entries, oci.Layers(entries)[0]})
}

func (s *stage) packed() []oci.Layer {
	var all []oci.Layer
	for _, l := range s.layers {
		all = append(all, l.pack)
	}
	return all
}

// predefined are the variables that are there for who declares them.
func (b *builder) predefined() map[string]string {
	all := map[string]string{}
	for side, arch := range map[string]string{"TARGET": b.Architecture, "BUILD": runtime.GOARCH} {
		all[side+"OS"], all[side+"ARCH"], all[side+"PLATFORM"], all[side+"VARIANT"] = "linux", arch, "linux/"+arch, ""
	}
	return all
}

// A getter looks variables up, the first one first.
type getter []map[string]string

// Get is shell's.
func (g getter) Get(name string) (string, bool) {
	for _, m := range g {
		if v, ok := m[name]; ok {
			return v, true
		}
	}
	return "", false
}

// Keys is shell's.
func (g getter) Keys() []string {
	var all []string
	for _, m := range g {
		all = slices.AppendSeq(all, maps.Keys(m))
	}
	return all
}

// global are the variables that are there before the first stage.
func (b *builder) global() (map[string]string, error) {
	all := b.predefined()
	for _, c := range b.args {
		for _, a := range c.Args {
			value, given := b.Args[a.Key]
			if !given && a.Value != nil {
				var err error
				if value, err = b.word(*a.Value, getter{all}); err != nil {
					return nil, b.on(&c, err)
				}
				given = true
			}
			if given {
				all[a.Key] = value
			}
		}
	}
	return all, nil
}

func (b *builder) word(text string, g getter) (string, error) {
	out, _, err := shell.NewLex(b.escape).ProcessWord(text, g)
	return out, err
}

// stage builds a stage, once, and those that it begins with.
func (b *builder) stage(ctx context.Context, n int) (*stage, error) {
	if s, ok := b.done[n]; ok {
		return s, nil
	}
	at, now := b.at, b.now
	defer func() { b.at, b.now = at, now }()
	b.at = n
	said := b.stages[n]
	global, err := b.global()
	if err != nil {
		return nil, err
	}
	s, err := b.from(ctx, said, global)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: FROM: %w", b.name, said.Location[0].Start.Line, err)
	}
	commands, err := b.triggered(s, said)
	if err != nil {
		return nil, err
	}
	for i, c := range append(commands, said.Commands...) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.say("%s", c)
		b.now = c
		err := b.do(ctx, s, c, global)
		if err != nil && i < len(commands) {
			return nil, fmt.Errorf("%s:%d: FROM: the image's ONBUILD %s: %w", b.name, said.Location[0].Start.Line, c, err)
		}
		if err != nil {
			return nil, b.on(c, err)
		}
	}
	b.done[n] = s
	return s, nil
}

// triggered are the commands that ONBUILD of the image has for those who begin with it.
func (b *builder) triggered(s *stage, said instructions.Stage) ([]instructions.Command, error) {
	var all []instructions.Command
	for _, text := range s.docker.OnBuild {
		failed := func(err error) error {
			return fmt.Errorf("%s:%d: FROM: the image's ONBUILD %s: %w", b.name, said.Location[0].Start.Line, text, err)
		}
		parsed, err := parser.Parse(strings.NewReader(text))
		if err != nil {
			return nil, failed(err)
		}
		if len(parsed.AST.Children) != 1 {
			return nil, failed(errors.New("it is not one instruction"))
		}
		c, err := instructions.ParseCommand(parsed.AST.Children[0])
		if err != nil {
			return nil, failed(err)
		}
		if why := refused(c); why != "" {
			return nil, failed(errors.New(why))
		}
		all = append(all, c)
	}
	s.docker.OnBuild = nil
	return all, nil
}

// from is what a stage begins with.
func (b *builder) from(ctx context.Context, said instructions.Stage, global map[string]string) (*stage, error) {
	name, err := b.word(said.BaseName, getter{global})
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, errors.New("it names no image")
	}
	architecture := b.Architecture
	if said.Platform != "" {
		platform, err := b.word(said.Platform, getter{global})
		if err != nil {
			return nil, err
		}
		if platform != "linux/"+b.Architecture && platform != "linux/"+runtime.GOARCH {
			return nil, fmt.Errorf("--platform=%s: the image is for linux/%s, and this machine a linux/%s", platform, b.Architecture, runtime.GOARCH)
		}
		architecture = strings.TrimPrefix(platform, "linux/")
	}
	s := &stage{args: map[string]string{}}
	below, isStage := instructions.HasStage(b.stages[:b.at], name)
	switch {
	case isStage:
		done, err := b.stage(ctx, below)
		if err != nil {
			return nil, err
		}
		s.from, s.base, s.config, s.docker, s.layers, s.folders = done.from, done.base, done.config, done.docker, slices.Clip(done.layers), done.folders
	case name == "scratch":
		s.config.OS, s.config.Architecture = "linux", architecture
	default:
		b.say("FROM %s", name)
		if s.base, err = b.Base(ctx, name, architecture); err != nil {
			return nil, err
		}
		s.from, s.config, s.docker = s.base, s.base.Config, s.base.Docker
		s.config.Created, s.config.History = nil, nil
	}
	c := &s.config.Config
	c.Volumes, c.Labels, c.ExposedPorts, c.Env = maps.Clone(c.Volumes), maps.Clone(c.Labels), maps.Clone(c.ExposedPorts), slices.Clone(c.Env)
	return s, nil
}

// do does one command.
func (b *builder) do(ctx context.Context, s *stage, c instructions.Command, global map[string]string) error {
	env := map[string]string{}
	for _, v := range s.config.Config.Env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	expand := func(word string) (string, error) { return b.word(word, getter{env, s.args}) }
	if e, ok := c.(instructions.SupportsSingleWordExpansion); ok {
		if err := e.Expand(expand); err != nil {
			return err
		}
	}
	config := &s.config.Config
	switch c := c.(type) {
	case *instructions.ArgCommand:
		for _, a := range c.Args {
			if value, ok := b.Args[a.Key]; ok {
				s.args[a.Key] = value
			} else if a.Value != nil {
				s.args[a.Key] = *a.Value
			} else if value, ok := global[a.Key]; ok {
				s.args[a.Key] = value
			}
		}
	case *instructions.EnvCommand:
		for _, v := range c.Env {
			config.Env = append(slices.DeleteFunc(config.Env, func(old string) bool { return strings.HasPrefix(old, v.Key+"=") }), v.Key+"="+v.Value)
		}
	case *instructions.LabelCommand:
		for _, l := range c.Labels {
			config.Labels = with(config.Labels, l.Key, l.Value)
		}
	case *instructions.MaintainerCommand:
		s.config.Author = c.Maintainer
	case *instructions.WorkdirCommand:
		config.WorkingDir = path.Join("/", s.within(c.Path))
	case *instructions.UserCommand:
		config.User = c.User
	case *instructions.StopSignalCommand:
		config.StopSignal = c.Signal
	case *instructions.VolumeCommand:
		for _, v := range c.Volumes {
			config.Volumes = with(config.Volumes, v, struct{}{})
		}
	case *instructions.ExposeCommand:
		return b.expose(config, c, getter{env, s.args})
	case *instructions.ShellCommand:
		s.docker.Shell = c.Shell
	case *instructions.CmdCommand:
		config.Cmd, s.commanded = s.commandLine(c.ShellDependantCmdLine), true
	case *instructions.EntrypointCommand:
		config.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
		if !s.commanded { // what the base says would be its arguments
			config.Cmd = nil
		}
	case *instructions.HealthCheckCommand:
		s.docker.Healthcheck = c.Health
	case *instructions.OnbuildCommand:
		s.docker.OnBuild = append(slices.Clone(s.docker.OnBuild), c.Expression)
	case *instructions.RunCommand:
		return b.run(ctx, s, c)
	case *instructions.CopyCommand:
		return b.copy(ctx, s, copying{
			SourcesAndDest: c.SourcesAndDest, from: c.From, owner: c.Chown, mode: c.Chmod, parents: c.Parents, exclude: c.ExcludePatterns,
		})
	case *instructions.AddCommand:
		return b.add(ctx, s, c)
	default:
		return errors.New("it is not known")
	}
	return nil
}

func with[V any](m map[string]V, key string, value V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}

func (b *builder) expose(config *ocispec.ImageConfig, c *instructions.ExposeCommand, g getter) error {
	for _, p := range c.Ports {
		words, err := shell.NewLex(b.escape).ProcessWords(p, g)
		if err != nil {
			return err
		}
		for _, w := range words {
			if !strings.Contains(w, "/") {
				w += "/tcp"
			}
			config.ExposedPorts = with(config.ExposedPorts, w, struct{}{})
		}
	}
	return nil
}

// commandLine is a command as containers start it.
func (s *stage) commandLine(c instructions.ShellDependantCmdLine) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	sh := s.docker.Shell
	if sh == nil {
		sh = []string{"/bin/sh", "-c"}
	}
	return append(slices.Clone(sh), strings.Join(c.CmdLine, " "))
}

// within is a path from the root, which may begin where the stage is.
func (s *stage) within(p string) string {
	if !path.IsAbs(p) {
		p = path.Join("/", s.config.Config.WorkingDir, p)
	}
	return strings.TrimPrefix(path.Clean(p), "/")
}
