package step

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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
	// Site is somebody's with whom commands are run, in place of one of their own.
	Site *Site
}

// A Site has what commands need to be run.
type Site struct {
	Containers *container.Runtime
	Network    Network
	Nameserver netip.Addr // of commands; none is nobody
}

// A Network gives commands an address: a network.Network.
type Network interface {
	Attach(ctx context.Context, id string, ports []network.PortMapping) (*network.Attachment, error)
	Detach(id string) error
}

// A Runner runs commands, one after another.
type Runner struct {
	place  *place
	site   Site
	own    []io.Closer // to be closed with the Runner
	number int
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
	if c.Site == nil {
		if r.site.Containers, err = container.New(ctx, container.Config{Dir: filepath.Join(r.place.dir, "containers")}); err != nil {
			return err
		}
		r.own = append(r.own, r.site.Containers)
	} else {
		r.site = *c.Site
	}
	if r.site.Containers.Kind() != container.Full {
		return errors.New(strings.Join(r.site.Containers.Missing(), " "))
	}
	if c.Site != nil {
		return nil
	}
	n, err := network.Start(ctx, network.Config{PodCIDR: addresses, Ready: 1})
	if err != nil {
		return err
	}
	r.site.Network = n
	if c.Outside == nil {
		return nil
	}
	out, err := outside.Connect(ctx, c.Outside, n.Gateway())
	if err != nil {
		return err
	}
	r.own, r.site.Nameserver = append(r.own, out), out.DNS
	return nil
}

// Missing says in sentences what commands go without on this machine.
func (r *Runner) Missing() []string { return r.site.Containers.Missing() }

// Close ends what runs, and removes what it leaves.
func (r *Runner) Close() error {
	var errs []error
	for _, o := range r.own {
		errs = append(errs, o.Close())
	}
	return errors.Join(append(errs, r.place.leave())...)
}

// Run is dockerfile.Runner's.
func (r *Runner) Run(ctx context.Context, c dockerfile.Command, output io.Writer, keep func(dockerfile.Changes) error) error {
	r.number++
	id := "step-" + strconv.Itoa(r.number)
	w := newWork(r.place, id, c)
	defer w.remove()
	if err := w.lay(ctx); err != nil {
		return err
	}
	net, leave, err := r.attach(ctx, id, c)
	if err != nil {
		return err
	}
	defer leave()
	namespaces, err := r.site.Containers.NewNamespaces(ctx, container.NamespaceOptions{
		Hostname: "build", Network: net,
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
		if upper == "" {
			return errors.Join(errors.New("what a command changes cannot be told, since no overlay can be mounted here: have weir's folder on a disk with ext4 or xfs"), run.container.Remove())
		}
		err = keep(&changes{folder: upper, work: w})
	}
	return errors.Join(err, run.container.Remove())
}

// changes are what a command wrote over its root.
type changes struct {
	folder string
	work   *work
	packed layers.Packed
}

// Pack is dockerfile.Changes's.
func (c *changes) Pack(out io.Writer) (err error) {
	c.packed, err = layers.Pack(out, c.folder, c.work.command.Root, c.work.mounted)
	return err
}

// Unpacked is dockerfile.Changes's.
func (c *changes) Unpacked() (folder string, size int64) {
	if !c.packed.Whole {
		return "", 0
	}
	return c.folder, c.packed.Bytes
}

// attach is the network namespace of a command, which is there until it leaves.
func (r *Runner) attach(ctx context.Context, id string, c dockerfile.Command) (namespace *os.File, leave func(), err error) {
	if c.Alone {
		file, err := network.Alone()
		return file, func() { file.Close() }, err
	}
	attached, err := r.site.Network.Attach(ctx, id, nil)
	if err != nil {
		return nil, nil, err
	}
	return attached.Namespace, func() { _ = r.site.Network.Detach(id) }, nil // It says of every id that it is gone.
}

// spec is the container of a command.
func (r *Runner) spec(id string, c dockerfile.Command, w *work) (container.Spec, error) {
	image := imageOf(append(slices.Clone(c.Root), w.empty))
	who, err := whose(image, c.User)
	if err != nil {
		return container.Spec{}, err
	}
	usual, err := container.Capabilities(nil, nil)
	if err != nil {
		return container.Spec{}, err
	}
	s := container.Spec{
		ID: id, Image: image, Mounts: w.mounts, Hostname: "build", ResolvConf: r.resolvConf(),
		Argv: c.Argv, Env: append(slices.Clone(c.Proxies), c.Env...), Dir: c.Dir,
		UID: who.UID, GID: who.GID, Groups: who.Groups,
		Capabilities: usual, FilterCalls: true,
	}
	return s, nil
}

func (r *Runner) resolvConf() []byte {
	if !r.site.Nameserver.IsValid() {
		return []byte{}
	}
	return []byte("nameserver " + r.site.Nameserver.String() + "\n")
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
	c, err := r.site.Containers.Start(ctx, s, container.Stdio{Stdout: to, Stderr: to})
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

// imageOf is an image with a root.
func imageOf(root []string) *rootfs.Image {
	return &rootfs.Image{Reference: "of this step", Packed: &oci.Image{}, Variables: map[string]string{}, Layers: root}
}

func whose(image *rootfs.Image, name string) (rootfs.Person, error) {
	accounts, err := image.Accounts()
	if err != nil {
		return rootfs.Person{}, err
	}
	return accounts.Whose(name)
}

// Whose is dockerfile.Runner's.
func (r *Runner) Whose(root []string, name string) (user, group int, err error) {
	who, err := whose(imageOf(root), name)
	return int(who.UID), int(who.GID), err
}
