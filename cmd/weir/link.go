package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
)

func newLinkCommand(f *folder) *cobra.Command {
	var user string
	c := &cobra.Command{
		Use:   "link",
		Short: "Print a link that signs you in to weir's pages, once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, s, err := f.running()
			if err != nil {
				return err
			}
			if s.Front.URL == "" {
				return errors.New("this weir has no front door: it was started --without gateway")
			}
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			secret, err := store.NewLink(cmd.Context(), identity.Subject{User: user}, linkLasts)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), gateway.Link(s.Front.URL, secret))
			return nil
		},
	}
	c.Flags().StringVar(&user, "user", owner, "whom it is for")
	return c
}
