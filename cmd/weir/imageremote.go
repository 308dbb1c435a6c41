package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/kit/oci"
)

// A remoteFlags is what a user may say about another registry.
type remoteFlags struct {
	username string
	stdin    bool
	plain    bool
}

func (f *remoteFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.username, "username", "", "who asks, where the registry wants to know")
	flags.BoolVar(&f.stdin, "password-stdin", false, "read the password, or a token, from the standard input")
	flags.BoolVar(&f.plain, "plain-http", false, "do without TLS; registries on this machine are asked so anyway")
}

func (f *remoteFlags) remote(cmd *cobra.Command) (oci.Remote, error) {
	o := oci.Remote{Username: f.username, Plain: f.plain, Progress: func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }}
	if (f.username != "") != f.stdin {
		return o, errors.New("--username and --password-stdin go together")
	}
	if !f.stdin {
		return o, nil
	}
	const maxPassword = 64 << 10
	password, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPassword))
	o.Password = strings.TrimRight(string(password), "\r\n")
	return o, err
}

func newImagePullCommand(f *folder) *cobra.Command {
	var r remoteFlags
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Take an image from the registry that its name begins with",
		Long: `Take an image from the registry that its name begins with, Docker Hub where it
begins with none. What a pull that was broken off has taken is not taken again.`,
		Example: `  weir image pull registry.example/ada/mnist:v1
  weir image pull registry.example/ada/mnist:v1 --username ada --password-stdin < token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			o, err := r.remote(cmd)
			if err != nil {
				return err
			}
			i, err := store.Pull(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "pulled %s\n", i.Name.Familiar())
			return nil
		},
	}
	r.add(cmd)
	return cmd
}

func newImagePushCommand(f *folder) *cobra.Command {
	var r remoteFlags
	cmd := &cobra.Command{
		Use:   "push NAME [NEW-NAME]",
		Short: "Give an image to the registry that its name, or the new one, begins with",
		Example: `  weir image push registry.example/ada/mnist:v1
  weir image push weir.local/ada/mnist:v1 registry.example/ada/mnist:v1`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			o, err := r.remote(cmd)
			if err != nil {
				return err
			}
			as := ""
			if len(args) > 1 {
				as = args[1]
			}
			to, err := store.Push(cmd.Context(), args[0], as, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "pushed %s\n", to.Familiar())
			return nil
		},
	}
	r.add(cmd)
	return cmd
}
