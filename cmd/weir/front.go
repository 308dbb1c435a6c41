package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	rbac "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/packaging"
	"github.com/weir-ml/weir/ui"
)

// owner is the user whose weir this is.
const owner = "owner"

// linkLasts is how long a printed link waits to be opened.
const linkLasts = 24 * time.Hour

// A frontDoor is the gateway of a running weir.
type frontDoor struct {
	endpoint
	port     int
	rest     *rest.Config
	identity *identity.Store
	gateway  *gateway.Gateway
	listener net.Listener
	open     bool // to others than this machine
	settings *reread
	audit    *lumberjack.Logger
	members  []cluster.Probe
	secret   string // of the link that signs the owner in
}

// openFrontDoor makes the gateway of a weir. The token is the owner's of the
// last run, if there is one.
func openFrontDoor(ctx context.Context, dir string, k *cluster.Cluster, m *machine, s *state, people *identity.Store, buckets *storage, images *oci.Store) (*frontDoor, error) {
	f := &frontDoor{rest: k.REST, identity: people, endpoint: endpoint{Token: s.Front.Token}, open: len(m.names) > 0}
	f.port = m.front[0].Addr().(*net.TCPAddr).Port
	f.URL = fmt.Sprintf("http://127.0.0.1:%d", f.port)
	authority, certificate, err := certificateFor(dir, "front", append([]string{"localhost", "127.0.0.1", "::1", k.Address().String()}, m.names...)...)
	if err != nil {
		return nil, err
	}
	f.CAFile = authority.CertFile()
	if f.listener, err = m.withPods(m.front); err != nil {
		return nil, err
	}
	settings, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	f.settings = newReread(dir, settings)
	known, err := newCertificates(dir, certificate, f.settings.settings)
	if err != nil {
		return nil, err
	}
	f.audit = &lumberjack.Logger{Filename: filepath.Join(dir, "logs", "front-door.log"), MaxSize: 20, MaxBackups: 3}
	c := gateway.Config{
		REST: k.REST, Inside: k.Inside, Identity: f.identity, Pages: ui.Handler(), Audit: slog.New(slog.NewJSONHandler(f.audit, nil)),
		TLS: known.config(), SignIn: func() *gateway.SignIn { return &f.settings.settings().SignIn },
		Authority: func(host string) []byte {
			if known.names(host) {
				return nil
			}
			return authority.CertPEM()
		},
		Limits:  func() gateway.RequestLimits { return f.settings.settings().FrontDoor.Limits },
		Machine: func(ctx context.Context) any { return howItFares(ctx, k, dir, f.members) },
	}
	if buckets != nil {
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(authority.CertPEM())
		c.Storage = &gateway.Storage{
			URL: s.S3.URL, AccessKey: s.S3.AccessKey, SecretKey: s.S3.SecretKey, Region: s.S3.Region,
			TLS:  &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
			Dial: func(context.Context, string, string) (net.Conn, error) { return buckets.server.Dial() },
			Code: packaging.CodeBucket, Common: func() bool { return f.settings.settings().Storage.common() },
		}
	}
	if f.open { // Others hear what goes over the network, but not what stays in this machine.
		pods := k.Address()
		c.Plain = func(a net.Addr) bool {
			ip := a.(*net.TCPAddr).AddrPort().Addr().Unmap()
			return ip.IsLoopback() || m.kind != namespaces.None && ip == pods
		}
	}
	inside, err := core.NewForConfig(k.Inside)
	if err != nil {
		return nil, err
	}
	logs := logShelf{podlogs.View(cluster.KeptLogs(dir)), inside}
	f.gateway, err = gateway.New(c, append(slices.Concat(registryRoutes(ctx, images, inside), (&shelf{dir, images, f.settings}).routes(), logs.routes(), podFiles{k.Look}.routes(), machineRoutes(k, dir)), menuRoute(f.settings))...)
	return f, err
}

// serve keeps the door open until ctx ends.
func (f *frontDoor) serve(ctx context.Context) error { return f.gateway.Serve(ctx, f.listener) }

func (f *frontDoor) close() {
	_ = f.listener.Close()
	_ = f.audit.Close()
}

// link signs the owner in, once.
func (f *frontDoor) link() string { return gateway.Link(f.URL, f.secret) }

// admitOwner sees to it that the folder's owner has a user, all rights, a token
// and a link.
func (f *frontDoor) admitOwner(ctx context.Context) error {
	if err := makeOwner(ctx, f.rest, f.identity); err != nil {
		return err
	}
	if f.open && !f.settings.settings().SignIn.Elsewhere() {
		if err := f.mayOpen(ctx); err != nil {
			return err
		}
	}
	who := identity.Subject{User: owner}
	_, err := f.identity.Token(ctx, f.Token)
	if errors.Is(err, identity.ErrUnknown) {
		f.Token, _, err = f.identity.NewToken(ctx, who, "weir env", nil, 0)
	}
	if err != nil {
		return err
	}
	f.secret, err = f.identity.NewLink(ctx, who, linkLasts)
	return err
}

// mayOpen refuses to open the door to others while nobody has a password by which
// to come in from there, and nobody else signs them in.
func (f *frontDoor) mayOpen(ctx context.Context) error {
	users, err := f.identity.Users(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(users, func(u identity.User) bool { return u.Password }) {
		return errors.New("--listen: weir does not open to others while no user has a password; start it without --listen, say weir user password owner, and start it again")
	}
	return nil
}

// makeOwner makes the owner's user, and gives the owners all rights.
func makeOwner(ctx context.Context, config *rest.Config, store *identity.Store) error {
	if err := store.AddUser(ctx, owner, []string{identity.Owners}, ""); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	roles, err := rbac.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("give the owners their rights: %w", err)
	}
	_, err = roles.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: identity.Owners},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: identity.Owners}},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("give the owners their rights: %w", err)
	}
	return nil
}
