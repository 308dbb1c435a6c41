package step

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/network/outside"
	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/oci/dockerfile"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// addresses are those of commands, which are alone in their network.
var addresses = netip.MustParsePrefix("10.244.0.0/24")

// A Config says where and with what a Runner works.
type Config struct {
	// Dir has a folder for each Runner, and what is left of those that were killed
	// is removed from it.
	Dir string
	// Outside is this process's end of the way out: see outside.Pair. Nil is none.
	Outside *os.File
}

// A Runner runs commands, one after another.
type Runner struct {
	place      *place
	containers *container.Runtime
	network    *network.Network
	out        *outside.Gateway // nil is none
	number     int
}

var _ dockerfile.Runner = (*Runner)(nil)

// New makes a Runner in this process's namespaces, which should be its own. It works
// until ctx ends or it is closed.
func New(ctx context.Context, c Config) (*Runner, error) {
	p, err := takePlace(c.Dir)
	if err != nil {
		return nil, err
	}
	r := &Runner{place: p}
	if err := r.prepare(ctx, c); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Runner) prepare(ctx context.Context, c Config) (err error) {
	if r.containers, err = container.New(ctx, container.Config{Dir: filepath.Join(r.place.dir, "containers")}); err != nil {
		return err
	}
	if r.containers.Kind() != container.Full {
		return errors.New(strings.Join(r.containers.Missing(), " "))
	}
	if r.network, err = network.Start(ctx, network.Config{PodCIDR: addresses, Ready: 1}); err != nil {
		return err
	}
	if c.Outside == nil {
		return nil
	}
	r.out, err = outside.Connect(ctx, c.Outside, r.network.Gateway())
	return err
}

// Missing says in sentences what commands go without on this machine.
func (r *Runner) Missing() []string { return r.containers.Missing() }

// Close ends what runs, and removes what it leaves.
func (r *Runner) Close() error {
	var errs []error
	if r.containers != nil {
		errs = append(errs, r.containers.Close())
	}
	if r.out != nil {
		errs = append(errs, r.out.Close())
	}
	return errors.Join(append(errs, r.place.leave())...)
}

// Run is dockerfile.Runner's.
func (r *Runner) Run(ctx context.Context, c dockerfile.Command, output io.Writer, keep func(oci.Layer) error) error {
	r.number++
	id := "step-" + strconv.Itoa(r.number)
	w, err := r.lay(id, c)
	if err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	attached, err := r.network.Attach(ctx, id, nil)
	if err != nil {
		return err
	}
	defer r.network.Detach(id) //nolint:errcheck // It says of every id that it is gone.
	namespaces, err := r.containers.NewNamespaces(ctx, container.NamespaceOptions{
		Hostname: "build", Network: attached.Namespace,
		Sysctls: map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"},
	})
	if err != nil {
		return err
	}
	defer namespaces.Close()
	spec, err := r.spec(id, c, w)
	if err != nil {
		return err
	}
	spec.Namespaces = namespaces
	run, err := r.start(ctx, spec, output)
	if err != nil {
		return err
	}
	err = run.end(ctx)
	if err == nil {
		upper := run.container.Changes()
		err = keep(func(out io.Writer) error { return layers.Pack(out, upper, c.Root, w.mounted) })
	}
	return errors.Join(err, run.container.Remove())
}

// spec is the container of a command.
func (r *Runner) spec(id string, c dockerfile.Command, w *work) (container.Spec, error) {
	image := w.image(c)
	accounts, err := image.Accounts()
	if err != nil {
		return container.Spec{}, err
	}
	who, err := accounts.Whose(c.User)
	if err != nil {
		return container.Spec{}, err
	}
	usual, err := container.Capabilities(nil, nil)
	if err != nil {
		return container.Spec{}, err
	}
	s := container.Spec{
		ID: id, Image: image, Mounts: w.mounts, Hostname: "build", ResolvConf: r.resolvConf(),
		Argv: c.Argv, Env: c.Env, Dir: c.Dir,
		UID: who.UID, GID: who.GID, Groups: who.Groups,
		Capabilities: usual, FilterCalls: true,
	}
	return s, nil
}

func (r *Runner) resolvConf() []byte {
	if r.out == nil {
		return []byte{}
	}
	return []byte("nameserver " + r.out.DNS.String() + "\n")
}

// A running command, whose output is passed on.
type running struct {
	container *container.Container
	said      chan error // once all it says has been passed on
}

func (r *Runner) start(ctx context.Context, s container.Spec, output io.Writer) (*running, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c, err := r.containers.Start(ctx, s, container.Stdio{Stdout: to, Stderr: to})
	to.Close()
	if err != nil {
		from.Close()
		return nil, err
	}
	run := &running{container: c, said: make(chan error, 1)}
	go func() {
		defer from.Close()
		_, err := io.Copy(output, from)
		run.said <- err
	}()
	return run, nil
}

// end waits for the command's end, and hastens it when ctx ends.
func (r *running) end(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = r.container.Kill() })
	defer stop()
	exit := r.container.Wait()
	said := <-r.said
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case exit.Code != 0:
		return &dockerfile.ExitError{Code: exit.Code}
	case said != nil:
		return fmt.Errorf("pass on what it says: %w", said)
	}
	return nil
}

// A work is what there is for a command besides its image.
type work struct {
	dir     string
	empty   string          // a folder below the image, where what is mounted has a place
	mounted map[string]bool // those places, by their names below the root
	mounts  []container.Mount
}

// lay lays out what a command needs.
func (r *Runner) lay(id string, c dockerfile.Command) (*work, error) {
	w := &work{dir: filepath.Join(r.place.dir, id), mounted: map[string]bool{}}
	w.empty = filepath.Join(w.dir, "empty")
	for _, folder := range []string{"proc", "sys", "dev"} {
		if err := w.makeFolder(c, folder); err != nil {
			return w, err
		}
	}
	for _, file := range []string{"etc/hostname", "etc/resolv.conf"} {
		if err := w.makeFile(c, file); err != nil {
			return w, err
		}
	}
	return w, w.write(c.Scripts)
}

// place is where something is mounted, in the folder that lies below the image: who
// looks there finds it, and nothing is made for it that would be in the layer.
func (w *work) place(c dockerfile.Command, name string) string {
	to := strings.TrimPrefix(layers.Resolve(c.Root, name), "/")
	w.mounted[to] = true
	return filepath.Join(w.empty, to)
}

func (w *work) makeFolder(c dockerfile.Command, name string) error {
	return os.MkdirAll(w.place(c, name), 0o755)
}

func (w *work) makeFile(c dockerfile.Command, name string) error {
	file := w.place(c, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, nil, 0o644)
}

// write writes the scripts of a command.
func (w *work) write(scripts []dockerfile.Script) error {
	if len(scripts) == 0 {
		return nil
	}
	dir := filepath.Join(w.dir, "scripts")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, s := range scripts {
		file := filepath.Join(dir, path.Base(s.Name))
		if err := os.WriteFile(file, s.Text, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(file, 0o755); err != nil { // the umask had its say
			return err
		}
	}
	w.mounts = append(w.mounts, container.Mount{Source: dir, Target: dockerfile.ScriptFolder, ReadOnly: true})
	return nil
}

// image is the root of a command.
func (w *work) image(c dockerfile.Command) *rootfs.Image {
	return &rootfs.Image{
		Reference: "of this step", Packed: &oci.Image{}, Variables: map[string]string{},
		Layers: append(append([]string{}, c.Root...), w.empty),
	}
}
