package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
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
	// Base finds an image that a stage begins with; nil is none.
	Base func(ctx context.Context, name string) (*oci.Image, error)
	// Progress is told in sentences what is done.
	Progress func(string)
	// Runner runs commands. It is not asked for by a Rehearsal.
	Runner Runner
	// Output is what commands say; nil drops it.
	Output io.Writer
	// Fresh runs commands that have run before.
	Fresh bool
}

// A Rehearsal says what a build is going to need.
type Rehearsal struct {
	Runs string // the first command that is run, as "Dockerfile:3: RUN"; "" is none
}

// Rehearse does all of a build but running commands and keeping files, so that what is
// wrong is known early, and the images that it begins with are there.
func (f *File) Rehearse(ctx context.Context, store *oci.Store, o Options) (Rehearsal, error) {
	b, target, err := f.begin(store, o)
	if err != nil {
		return Rehearsal{}, err
	}
	b.rehearsal = &Rehearsal{}
	_, err = b.stage(ctx, target)
	return *b.rehearsal, err
}

// Build builds the image of a Dockerfile, and gives it a name.
func (f *File) Build(ctx context.Context, store *oci.Store, name string, o Options) (*oci.Image, error) {
	b, target, err := f.begin(store, o)
	if err != nil {
		return nil, err
	}
	done, err := b.stage(ctx, target)
	if err != nil {
		return nil, err
	}
	return store.Build(ctx, name, oci.Draft{Base: done.base, Config: done.config, Layers: oci.Layers(done.layers...)})
}

// begin finds the stage that is wanted.
func (f *File) begin(store *oci.Store, o Options) (b *builder, target int, err error) {
	for arg := range o.Args {
		if !f.declares(arg) {
			return nil, 0, fmt.Errorf("%s: no ARG is called %s", f.name, arg)
		}
	}
	b = &builder{File: f, Options: o, store: store}
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
}

func (b *builder) say(format string, args ...any) {
	if b.rehearsal == nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// A stage is what has become of one so far.
type stage struct {
	base      *oci.Image
	config    ocispec.Image
	layers    [][]oci.Entry
	shell     []string
	args      map[string]string // declared in it, and given or with a default
	commanded bool              // CMD was said in it
	folders   map[string]bool   // of the base, once they were needed
}

// predefined are the variables that are there for who declares them.
func (b *builder) predefined() map[string]string {
	all := map[string]string{}
	for _, side := range []string{"TARGET", "BUILD"} {
		all[side+"OS"], all[side+"ARCH"], all[side+"PLATFORM"], all[side+"VARIANT"] = "linux", b.Architecture, "linux/"+b.Architecture, ""
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
					return nil, b.at(&c, err)
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

// stage builds a stage, and those that it begins with.
func (b *builder) stage(ctx context.Context, n int) (*stage, error) {
	said := b.stages[n]
	line := said.Location[0].Start.Line
	global, err := b.global()
	if err != nil {
		return nil, err
	}
	name, err := b.word(said.BaseName, getter{global})
	if err == nil && name == "" {
		err = errors.New("it names no image")
	}
	if err == nil && said.Platform != "" {
		var platform string
		if platform, err = b.word(said.Platform, getter{global}); err == nil && platform != "linux/"+b.Architecture {
			err = fmt.Errorf("--platform=%s: the image is for linux/%s", platform, b.Architecture)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: FROM: %w", b.name, line, err)
	}
	s := &stage{args: map[string]string{}}
	if below, ok := instructions.HasStage(b.stages[:n], name); ok {
		done, err := b.stage(ctx, below)
		if err != nil {
			return nil, err
		}
		s.base, s.config, s.layers, s.shell, s.folders = done.base, done.config, done.layers, done.shell, done.folders
	} else if name != "scratch" {
		b.say("FROM %s", name)
		if s.base, err = b.Base(ctx, name); err != nil {
			return nil, fmt.Errorf("%s:%d: FROM: %w", b.name, line, err)
		}
	}
	if s.config.OS == "" {
		s.config.OS, s.config.Architecture = "linux", b.Architecture
		if s.base != nil {
			s.config = s.base.Config
			s.config.Created, s.config.History = nil, nil
		}
	}
	s.config.Config.Volumes, s.config.Config.Labels = maps.Clone(s.config.Config.Volumes), maps.Clone(s.config.Config.Labels)
	s.config.Config.ExposedPorts, s.config.Config.Env = maps.Clone(s.config.Config.ExposedPorts), slices.Clone(s.config.Config.Env)
	s.layers = slices.Clip(s.layers)
	for _, c := range said.Commands {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.say("%s", c)
		if err := b.do(ctx, s, c, global); err != nil {
			return nil, b.at(c, err)
		}
	}
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
		s.shell = c.Shell
	case *instructions.CmdCommand:
		config.Cmd, s.commanded = s.commandLine(c.ShellDependantCmdLine), true
	case *instructions.EntrypointCommand:
		config.Entrypoint = s.commandLine(c.ShellDependantCmdLine)
		if !s.commanded { // what the base says would be its arguments
			config.Cmd = nil
		}
	case *instructions.HealthCheckCommand:
		b.say("HEALTHCHECK is left out: Kubernetes asks by probes, which pods name")
	case *instructions.RunCommand:
		return b.run(ctx, s, c)
	case *instructions.CopyCommand:
		return b.copy(s, copying{c.SourcesAndDest, c.Chown, c.Chmod, false})
	case *instructions.AddCommand:
		return b.copy(s, copying{c.SourcesAndDest, c.Chown, c.Chmod, true})
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
	sh := s.shell
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
