package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/cluster/namespaces"
)

// upOptions are what a user may say to weir up.
type upOptions struct {
	detach  bool
	listen  string
	port    int // of the front door, where --listen names one; 0 is the first that is free
	share   []string
	without []string
}

func newUpCommand(f *folder) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start Kubernetes and the platform in this process",
		Long: `Start Kubernetes and the platform in this process, and stop them on Ctrl-C.
Objects, volumes, buckets and logs stay in the folder for the next time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := f.path()
			if err != nil {
				return err
			}
			if err := o.settle(dir, cmd.Flags().Changed("listen")); err != nil {
				return err
			}
			if _, _, inside := namespaces.Inside(); inside {
				return runInside(cmd.Context(), dir, o, cmd.OutOrStdout())
			}
			if o.detach {
				return detach(cmd.Context(), dir, o, cmd.OutOrStdout())
			}
			return up(cmd.Context(), dir, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.detach, "detach", false, "return once weir is ready, and leave it running")
	flags.StringVar(&o.listen, "listen", "127.0.0.1", "address to listen on, and with a colon the front door's port; anything but a loopback opens weir to the network, with TLS and sign-in")
	flags.StringArrayVar(&o.share, "share", nil, "folder of this machine that pods may mount by hostPath, PATH or PATH:ro; may be repeated")
	flags.StringSliceVar(&o.without, "without", nil, "parts to leave out: controllers, node, s3, metrics, gateway")
	return cmd
}

// parts are what --without may name.
var parts = []string{"controllers", "node", "s3", "metrics", "gateway"}

func (o *upOptions) has(part string) bool { return !slices.Contains(o.without, part) }

// up is the outer process: it holds the folder, listens, and starts the inner
// process, which is weir.
func up(ctx context.Context, dir string, o upOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	held, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer held.release()

	doors, err := openDoors(dir, o)
	if err != nil {
		return err
	}
	if !o.has("node") { // no pods, so nothing to keep apart
		return runHere(ctx, dir, o, doors, nil)
	}
	kind, refused := namespaces.Supported(ctx)
	if kind == namespaces.None {
		return runHere(ctx, dir, o, doors, refused)
	}
	return runOutside(ctx, kind, doors)
}

// settle fills in what weir.yaml says and no flag does.
func (o *upOptions) settle(dir string, said bool) error {
	s, err := readSettings(dir)
	if err != nil {
		return err
	}
	if !said && s.FrontDoor.Listen != "" {
		o.listen = s.FrontDoor.Listen
	}
	address, port, err := parseListen(o.listen)
	if err != nil {
		return fmt.Errorf("--listen %w", err)
	}
	o.listen, o.port = address.String(), port
	return nil
}

func (o *upOptions) check() error {
	for _, w := range o.without {
		if !slices.Contains(parts, w) {
			return fmt.Errorf("--without %s: there is no such part; there are %s", w, strings.Join(parts, ", "))
		}
	}
	return nil
}
