package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbac "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
)

// identities are the users and tokens of the weir that runs on the folder, or of
// another cluster.
func (f *folder) identities(ctx context.Context) (*identity.Store, error) {
	config, err := f.rest()
	if err != nil {
		return nil, err
	}
	return identity.New(ctx, config)
}

func newUserCommand(f *folder) *cobra.Command {
	c := &cobra.Command{Use: "user", Short: "Add, list, change and remove those who may sign in", Args: cobra.NoArgs}
	c.AddCommand(newUserAddCommand(f), newUserListCommand(f), newUserPasswordCommand(f), newUserGroupsCommand(f), newUserRemoveCommand(f))
	for _, one := range c.Commands() {
		f.orAnother(one.Flags())
	}
	return c
}

func newUserAddCommand(f *folder) *cobra.Command {
	var groups, grants []string
	var none bool
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long: `Add a user, who may do nothing yet but what --role says, or what a RoleBinding of
theirs or of one of their groups does. The password is asked for, or read from
standard input when that is no terminal. A user without one signs in by the link
that "weir link --user NAME" prints.`,
		Example: `  weir user add ada --role edit:team-a --role view:team-b
  weir user add root --group weir:owners`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bindings, err := bindingsOf(args[0], grants)
			if err != nil {
				return err
			}
			config, err := f.rest()
			if err != nil {
				return err
			}
			store, err := identity.New(cmd.Context(), config)
			if err != nil {
				return err
			}
			var password string
			if !none {
				if password, err = readPassword(cmd); err != nil {
					return err
				}
			}
			if err := store.AddUser(cmd.Context(), args[0], groups, password); err != nil {
				return err
			}
			if err := bind(cmd.Context(), config, bindings); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "user %s is added\n", args[0])
			return nil
		},
	}
	c.Flags().StringArrayVar(&groups, "group", nil, "group that the user is in; may be repeated; weir:owners may do everything")
	c.Flags().StringArrayVar(&grants, "role", nil, "what the user may do, as ROLE:NAMESPACE with view, edit or admin; may be repeated")
	c.Flags().BoolVar(&none, "no-password", false, "let the user sign in by links alone")
	return c
}

// bindingsOf are the RoleBindings that words such as edit:team-a ask for.
func bindingsOf(user string, grants []string) ([]*rbacv1.RoleBinding, error) {
	var all []*rbacv1.RoleBinding
	for _, g := range grants {
		role, namespace, ok := strings.Cut(g, ":")
		if !ok || namespace == "" || (role != "view" && role != "edit" && role != "admin") {
			return nil, fmt.Errorf("--role %s: say view, edit or admin, a colon and a namespace, as edit:team-a", g)
		}
		all = append(all, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "weir-" + role + "-", Namespace: namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		})
	}
	return all, nil
}

func bind(ctx context.Context, config *rest.Config, all []*rbacv1.RoleBinding) error {
	roles, err := rbac.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("give roles: %w", err)
	}
	for _, b := range all {
		_, err := roles.RoleBindings(b.Namespace).Create(ctx, b, metav1.CreateOptions{})
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("give role %s: there is no namespace %s; make it with: weir kubectl create namespace %[2]s", b.RoleRef.Name, b.Namespace)
		}
		if err != nil {
			return fmt.Errorf("give role %s in %s: %w", b.RoleRef.Name, b.Namespace, err)
		}
	}
	return nil
}

// readPassword asks for a password, twice, or reads a line of it.
func readPassword(cmd *cobra.Command) (string, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.New("read the password: standard input has none; give one there, or say --no-password")
		}
		return line, nil
	}
	var said [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		data, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		said[i] = string(data)
	}
	if said[0] != said[1] {
		return "", errors.New("the two passwords differ")
	}
	return said[0], nil
}

func newUserListCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			users, err := store.Users(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 3, ' ', 0)
			fmt.Fprintln(w, "NAME\tGROUPS\tPASSWORD")
			for _, u := range users {
				fmt.Fprintf(w, "%s\t%s\t%v\n", u.Name, strings.Join(u.Groups, ","), map[bool]string{true: "yes", false: "no"}[u.Password])
			}
			return w.Flush()
		},
	}
}

func newUserPasswordCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use: "password NAME", Short: "Give a user a new password", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			return store.ChangeUser(cmd.Context(), args[0], nil, &password)
		},
	}
}

func newUserGroupsCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use: "groups NAME [GROUP…]", Short: "Put a user into these groups and no others", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			groups := args[1:]
			return store.ChangeUser(cmd.Context(), args[0], &groups, nil)
		},
	}
}

func newUserRemoveCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a user, and end their sessions and tokens", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			return store.RemoveUser(cmd.Context(), args[0])
		},
	}
}

func newTokenCommand(f *folder) *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Make, list and take back tokens for the front door", Args: cobra.NoArgs}
	c.AddCommand(newTokenCreateCommand(f), newTokenListCommand(f), newTokenRevokeCommand(f))
	for _, one := range c.Commands() {
		f.orAnother(one.Flags())
	}
	return c
}

func newTokenCreateCommand(f *folder) *cobra.Command {
	var user, lasts string
	var scopes []string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and print it, this once",
		Example: `  weir token create ci --scope kubernetes --lasts 90d
  kubectl --server https://127.0.0.1:8080 --token "$(weir token create look --scope read)" get tfjobs`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := gateway.CheckScopes(scopes); err != nil {
				return fmt.Errorf("--scope: %w", err)
			}
			d, err := gateway.Lasting(lasts, time.Now())
			if err != nil {
				return fmt.Errorf("--lasts: %w", err)
			}
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			secret, _, err := store.NewToken(cmd.Context(), identity.Subject{User: user}, args[0], scopes, d)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), secret)
			return nil
		},
	}
	c.Flags().StringVar(&user, "user", owner, "whose it is")
	c.Flags().StringVar(&lasts, "lasts", "30d", "how long it lasts, as 12h or 30d, or its last day, as 2027-01-31; 0 is for ever")
	c.Flags().StringSliceVar(&scopes, "scope", nil, "what it is good for: "+strings.Join(gateway.Scopes, ", ")+"; none is everything")
	return c
}

func newTokenListCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List tokens", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			tokens, err := store.Tokens(cmd.Context(), "")
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 3, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tUSER\tSCOPES\tMADE\tEXPIRES")
			for _, t := range tokens {
				expires := "never"
				if !t.Expires.IsZero() {
					expires = t.Expires.Local().Format(time.DateTime)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Title, t.User, strings.Join(t.Scopes, ","), t.Made.Local().Format(time.DateTime), expires)
			}
			return w.Flush()
		},
	}
}

func newTokenRevokeCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Take a token back, at once; weir token list shows IDs", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := f.identities(cmd.Context())
			if err != nil {
				return err
			}
			return store.RevokeToken(cmd.Context(), args[0])
		},
	}
}
