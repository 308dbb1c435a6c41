package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
)

func newLinkCommand(f *folder) *cobra.Command {
	var user, at string
	c := &cobra.Command{
		Use:   "link",
		Short: "Print a link that signs you in to weir's pages, once",
		Long: `Print a link that signs somebody in to weir's pages, once, within a day. To a front
door before another cluster it leads with --kubeconfig and --at.`,
		Example: `  weir link --user ada
  weir link --user ada --kubeconfig ~/.kube/config --at https://weir.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := f.doorAt(at)
			if err != nil {
				return err
			}
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			secret, err := store.NewLink(cmd.Context(), identity.Subject{User: user}, linkLasts)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), gateway.Link(to, secret))
			return nil
		},
	}
	c.Flags().StringVar(&user, "user", owner, "whom it is for")
	c.Flags().StringVar(&at, "at", "", "where people find the front door, as https://weir.example.com; that of the weir in the folder if empty")
	f.orAnother(c.Flags())
	return c
}

// doorAt is where a front door is: as somebody says, or that of the weir that runs
// on the folder.
func (f *folder) doorAt(said string) (string, error) {
	if said != "" {
		u, err := url.Parse(said)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
			return "", fmt.Errorf("--at %q: say scheme and host of the front door, as https://weir.example.com", said)
		}
		return u.Scheme + "://" + u.Host, nil
	}
	if f.kubeconfig != "" {
		return "", errors.New("--at is missing: a cluster does not say where people find its front door; name it, as --at https://weir.example.com")
	}
	_, s, err := f.running()
	if err != nil {
		return "", err
	}
	if s.Front.URL == "" {
		return "", errors.New("this weir has no front door: it was started --without gateway")
	}
	return s.Front.URL, nil
}
