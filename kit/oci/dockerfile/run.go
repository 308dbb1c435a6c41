package dockerfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
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
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/oci"
)

// A Runner runs commands in roots of images.
type Runner interface {
	// Run runs a command to its end, and then gives keep what that has changed, for as
	// long as that works. The error is an *ExitError when the command fails. Nothing of
	// the command is left when Run returns.
	Run(ctx context.Context, c Command, output io.Writer, keep func(Changes) error) error
	// Whose looks up in a root, of which these are the folders of the layers, who is
	// called so, as "name" or "name:group".
	Whose(root []string, name string) (user, group int, err error)
}

// Changes are what a command has changed.
type Changes interface {
	// Pack is an oci.Layer.
	Pack(io.Writer) error
	// Unpacked is, after Pack, the folder with what was packed, as overlays have it,
	// which who asks may move, and how many bytes it holds; "" is none.
	Unpacked() (folder string, size int64)
}

// A Command is one to be run.
type Command struct {
	Root   []string // the folders of the root's layers, the topmost first
	Argv   []string
	Env    []string
	Dir    string // made if missing
	User   string // as in a Dockerfile: a name or a number, with :GROUP or without
	Mounts []Mount
	Alone  bool `json:",omitempty"` // reaches nothing outside
	// Proxies are further variables, on which what the command makes does not depend.
	Proxies []string `json:"-"`
}

// scriptFolder is where a command finds its script, as docker has it.
const scriptFolder = "/dev/pipes"

// An ExitError says how a command ended that failed.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("it ended with exit code %d", e.Code) }

// refusedRun says why a RUN cannot be done, or nothing.
func refusedRun(c *instructions.RunCommand) string {
	if err := c.Expand(func(word string) (string, error) { return word, nil }); err != nil { // else mounts have no type yet
		return err.Error()
	}
	for _, m := range instructions.GetMounts(c) {
		if why := refusedMount(m); why != "" {
			return why
		}
	}
	if n := instructions.GetNetwork(c); n != instructions.NetworkDefault && n != instructions.NetworkNone {
		return fmt.Sprintf("--network=%s is not known: commands have a network of their own that leads out, or with --network=none does not", n)
	}
	if instructions.GetSecurity(c) != instructions.SecuritySandbox {
		return "--security=insecure is not known: nothing is run with the machine's rights"
	}
	if len(instructions.GetDevices(c)) > 0 {
		return "--device is not known"
	}
	return ""
}

// run runs a command, or takes what it made when it ran last.
func (b *builder) run(ctx context.Context, s *stage, c *instructions.RunCommand) error {
	if arch := s.config.Architecture; arch != runtime.GOARCH {
		return fmt.Errorf("this machine is a linux/%s and runs no programs for linux/%s: build on one of those, or take a base that has what it makes", runtime.GOARCH, arch)
	}
	command, err := s.command(c)
	if err != nil {
		return err
	}
	for _, m := range instructions.GetMounts(c) {
		mount, err := b.mount(ctx, s, m)
		if err != nil {
			return err
		}
		if mount != nil {
			command.Mounts = append(command.Mounts, *mount)
		}
	}
	if can, err := b.canRun(); !can {
		return err
	}
	for _, name := range proxies() {
		if value, ok := b.Args[name]; ok {
			command.Proxies = append(command.Proxies, name+"="+value)
		}
	}
	base, err := b.commit(ctx, s)
	if err != nil {
		return err
	}
	step := stepOf(base, command)
	made, err := b.store.Step(step)
	if err != nil {
		return err
	}
	if made == nil || b.Fresh {
		if made, err = b.execute(ctx, step, base, command); err != nil {
			return err
		}
	} else {
		b.say("it has run before: what it made then is taken")
	}
	s.base, s.layers, s.folders = made, nil, nil
	return nil
}

func (b *builder) execute(ctx context.Context, step oci.Step, base *oci.Image, command Command) (made *oci.Image, err error) {
	if command.Root, _, err = b.root(ctx, &stage{base: base}); err != nil {
		return nil, err
	}
	said := &lastLines{to: b.Output}
	err = b.Runner.Run(ctx, command, said, func(c Changes) error {
		made, err = b.store.BuildStep(ctx, step, oci.Draft{Base: base, Config: base.Config, Layers: []oci.Layer{c.Pack}})
		if err != nil {
			return err
		}
		if folder, size := c.Unpacked(); folder != "" {
			return b.store.Adopt(ctx, made, folder, size)
		}
		return nil
	})
	if errors.As(err, new(*ExitError)) {
		err = said.after(err)
	}
	return made, err
}

// command is what a RUN runs, as the stage is now.
func (s *stage) command(c *instructions.RunCommand) (Command, error) {
	command := Command{
		User: s.config.Config.User, Dir: path.Join("/", s.config.Config.WorkingDir),
		Alone: instructions.GetNetwork(c) == instructions.NetworkNone,
	}
	// What the image says counts more than an ARG of the same name.
	command.Env = append(command.Env, sorted(s.args)...)
	command.Env = append(command.Env, s.config.Config.Env...)
	line := c.ShellDependantCmdLine
	if len(c.Files) > 0 {
		if len(line.CmdLine) != 1 || !line.PrependShell {
			return command, errors.New("a here-document is for commands of a shell, and not for lists of words")
		}
		heredoc, err := parser.ParseHeredoc(line.CmdLine[0])
		if err != nil {
			return command, err
		}
		text := documentOf(c.Files[0])
		switch {
		case heredoc != nil && strings.HasPrefix(text, "#!"):
			script := oci.Entry{Name: c.Files[0].Name, Mode: 0o755, Content: []byte(text), Size: int64(len(text))}
			command.Mounts = []Mount{{Target: scriptFolder, ReadOnly: true, Entries: []oci.Entry{script}, Holds: digest.FromString(text)}}
			line.CmdLine = []string{path.Join(scriptFolder, script.Name)}
		case heredoc != nil:
			line.CmdLine = []string{text}
		default: // The shell is to see them.
			whole := line.CmdLine[0]
			for _, f := range c.Files {
				whole += "\n" + f.Data + f.Name
			}
			line.CmdLine = []string{whole}
		}
	}
	command.Argv = s.commandLine(line)
	if len(command.Argv) == 0 {
		return command, errors.New("it names no command")
	}
	return command, nil
}

// proxies are arguments that need not be declared, as docker has it.
func proxies() []string {
	var all []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"} {
		all = append(all, name, strings.ToLower(name))
	}
	return all
}

func documentOf(f instructions.ShellInlineFile) string {
	if f.Chomp {
		return parser.ChompHeredocContent(f.Data)
	}
	return f.Data
}

func sorted(variables map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, name+"="+variables[name])
	}
	return all
}

// commit makes an image of what a stage is so far, for its layers to be unpacked. It is
// called by what it holds, so what has not changed since is made once.
func (b *builder) commit(ctx context.Context, s *stage) (*oci.Image, error) {
	if s.base != nil && len(s.layers) == 0 {
		return s.base, nil
	}
	var diffs []digest.Digest
	if s.base != nil {
		diffs = slices.Clone(s.base.Config.RootFS.DiffIDs)
	}
	layers := s.packed()
	for _, l := range layers {
		sum := digest.Canonical.Digester()
		if err := l(sum.Hash()); err != nil {
			return nil, err
		}
		diffs = append(diffs, sum.Digest())
	}
	step := stepFrom("files", identity.ChainID(diffs).String(), s.config.Architecture)
	made, err := b.store.Step(step)
	if err != nil || made != nil {
		return made, err
	}
	var config ocispec.Image
	config.OS, config.Architecture = s.config.OS, s.config.Architecture
	return b.store.BuildStep(ctx, step, oci.Draft{Base: s.base, Config: config, Layers: layers})
}

// stepOf is what a command makes what it makes of: all that it can see that does not
// change by itself.
func stepOf(base *oci.Image, c Command) oci.Step {
	return stepFrom("run", identity.ChainID(base.Config.RootFS.DiffIDs).String(), base.Config.Architecture, c)
}

func stepFrom(parts ...any) oci.Step {
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // of strings and numbers
	}
	return oci.Step(fmt.Sprintf("%x", sha256.Sum256(text)))
}

// lastLines passes output on, and keeps its end.
type lastLines struct {
	to   io.Writer
	kept []byte
}

const keptBytes, keptLines = 4 << 10, 5

// Write is an io.Writer's.
func (l *lastLines) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p...)
	if over := len(l.kept) - keptBytes; over > 0 {
		l.kept = append(l.kept[:0], l.kept[over:]...)
	}
	if l.to == nil {
		return len(p), nil
	}
	return l.to.Write(p)
}

// after adds to an error what was said last.
func (l *lastLines) after(err error) error {
	lines := bytes.Split(bytes.TrimSpace(l.kept), []byte("\n"))
	lines = lines[max(0, len(lines)-keptLines):]
	if len(lines[len(lines)-1]) == 0 {
		return err
	}
	return fmt.Errorf("%w; it said last:\n  %s", err, bytes.Join(lines, []byte("\n  ")))
}
