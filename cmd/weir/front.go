package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbac "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/ui"
)

// owner is the user whose weir this is.
const owner = "owner"

// linkLasts is how long a printed link waits to be opened.
const linkLasts = 24 * time.Hour

// A frontDoor is the gateway of a running weir.
type frontDoor struct {
	endpoint
	rest     *rest.Config
	identity *identity.Store
	gateway  *gateway.Gateway
	listener net.Listener
	audit    *lumberjack.Logger
	secret   string // of the link that signs the owner in
}

// openFrontDoor makes the gateway of a weir. The token is the owner's of the
// last run, if there is one.
func openFrontDoor(ctx context.Context, dir string, config *rest.Config, m *machine, token string) (*frontDoor, error) {
	f := &frontDoor{rest: config, endpoint: endpoint{Token: token}}
	f.URL = fmt.Sprintf("http://127.0.0.1:%d", m.front[0].Addr().(*net.TCPAddr).Port)
	if len(m.names) > 0 {
		f.URL = fmt.Sprintf("https://127.0.0.1:%d", m.front[0].Addr().(*net.TCPAddr).Port)
		authority, certificate, err := certificateFor(dir, "front", append([]string{"localhost", "127.0.0.1"}, m.names...)...)
		if err != nil {
			return nil, err
		}
		f.CAFile = authority.CertFile()
		for i, l := range m.front {
			m.front[i] = tls.NewListener(l, &tls.Config{
				Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
			})
		}
	}
	var err error
	if f.listener, err = m.withPods(m.front); err != nil {
		return nil, err
	}
	if f.identity, err = identity.New(ctx, config); err != nil {
		return nil, err
	}
	f.audit = &lumberjack.Logger{Filename: filepath.Join(dir, "logs", "front-door.log"), MaxSize: 20, MaxBackups: 3}
	f.gateway, err = gateway.New(gateway.Config{
		REST: config, Identity: f.identity, Pages: ui.Handler(), Audit: slog.New(slog.NewJSONHandler(f.audit, nil)),
	})
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
