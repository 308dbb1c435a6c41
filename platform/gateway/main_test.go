package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/cert"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/kit/s3"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/gateway/identity"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A door is a front door over the tests' API server and an S3 of its own.
type door struct {
	url     string // without TLS
	gateway *gateway.Gateway
	users   *identity.Store
	core    kubernetes.Interface
	audit   *said
	keys    gateway.Storage
	closed  atomic.Bool // to pods: the buckets of no namespace
	limits  atomic.Pointer[gateway.RequestLimits]
}

// codeBucket is that of the code that runs bring.
const codeBucket = "runs-code"

// said is what a log took.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newDoor opens a door. Two of them know the same people.
func newDoor(t *testing.T) *door {
	t.Helper()
	return newDoorWith(t, func() *gateway.SignIn { return &gateway.SignIn{} })
}

// newDoorWith opens one at which people sign in as settings say.
func newDoorWith(t *testing.T, settings func() *gateway.SignIn) *door {
	t.Helper()
	config := clustertest.REST(t)
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	users, err := identity.New(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{users: users, core: core, audit: &said{}, keys: storage(t, users)}
	d.keys.Code, d.keys.Common = codeBucket, func() bool { return !d.closed.Load() }
	d.limits.Store(&gateway.RequestLimits{})
	d.gateway, err = gateway.New(gateway.Config{
		REST: config, Identity: users, Audit: slog.New(slog.NewJSONHandler(d.audit, nil)), Authority: func(string) []byte { return certificate }, Storage: &d.keys,
		TLS:     &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		Pages:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }),
		Machine: func(context.Context) any { return map[string]string{"version": "test"} },
		SignIn:  settings, Limits: func() gateway.RequestLimits { return *d.limits.Load() },
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.url = "http://" + l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- d.gateway.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// storage is an S3 that serves while the test runs.
func storage(t *testing.T, users *identity.Store) gateway.Storage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := gateway.Storage{URL: "http://" + l.Addr().String(), AccessKey: "access", SecretKey: "secret-of-the-door", Region: "us-east-1"}
	server, err := s3.Start(ctx, s3.Config{
		Dir: t.TempDir(), Listeners: []net.Listener{l}, AccessKey: k.AccessKey, SecretKey: k.SecretKey, Region: k.Region, Accounts: users.S3Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Dial = func(context.Context, string, string) (net.Conn, error) { return server.Dial() }
	t.Cleanup(func() {
		cancel()
		<-server.Done()
	})
	return k
}

// A person is somebody who asks. The zero person is no one.
type person struct {
	name   string
	cookie string // of a session
	token  string
}

// The namespaces of the tests: people have roles in the first and none in the second.
const (
	theirs = "team"
	others = "other"
)

// people makes those that every route is tried with. Those whom it makes stay,
// since all tests of the package may use them.
func (d *door) people(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	for _, ns := range []string{theirs, others} {
		_, err := d.core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
		there(t, err)
	}
	d.user(t, "stranger")
	for name, role := range map[string]string{"viewer": "view", "editor": "edit", "admin": "admin"} {
		d.user(t, name)
		_, err := d.core.RbacV1().RoleBindings(theirs).Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		}, metav1.CreateOptions{})
		there(t, err)
	}
	d.user(t, "owner", identity.Owners)
	_, err := d.core.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: identity.Owners},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: identity.Owners}},
	}, metav1.CreateOptions{})
	there(t, err)
	for _, role := range []struct {
		name, to string
		verbs    []string
	}{{"weir-storage-view", "view", []string{"get", "list"}}, {"weir-storage-edit", "edit", []string{"create", "update", "delete"}}} {
		_, err := d.core.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: role.name, Labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-" + role.to: "true"}},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"weir-ml.github.io"}, Resources: []string{"buckets"}, Verbs: role.verbs}},
		}, metav1.CreateOptions{})
		there(t, err)
	}
	// The API server takes a moment to know of new roles.
	owner, editor := d.signIn(t, "owner"), d.signIn(t, "editor")
	clustertest.Until(t, "the owner may list nodes", func() bool { return d.ask(t, owner, "GET", "/api/v1/nodes", "").code == 200 })
	d.ask(t, owner, "PUT", "/weir/s3/"+theirs+"-data", "")
	d.ask(t, owner, "PUT", "/weir/s3/"+others+"-data", "")
	clustertest.Until(t, "the editor may write to the bucket", func() bool {
		return d.ask(t, editor, "PUT", "/weir/s3/"+theirs+"-data/there", "x").code == 200
	})
}

func there(t *testing.T, err error) {
	t.Helper()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

func (d *door) user(t *testing.T, name string, groups ...string) {
	t.Helper()
	there(t, d.users.AddUser(t.Context(), name, groups, ""))
}

// signIn is somebody with a session.
func (d *door) signIn(t *testing.T, name string) person {
	t.Helper()
	secret, _, err := d.users.StartSession(t.Context(), identity.Subject{User: name}, "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return person{name: name, cookie: secret}
}

// withToken is somebody with a token.
func (d *door) withToken(t *testing.T, name string, scopes ...string) person {
	t.Helper()
	secret, _, err := d.users.NewToken(t.Context(), identity.Subject{User: name}, "test", scopes, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return person{name: name, token: secret}
}

// An answer is what the door said.
type answer struct {
	code   int
	body   string
	header http.Header
}

// ask asks as somebody, as their browser or program would. Headers are pairs.
func (d *door) ask(t *testing.T, who person, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return d.send(t, who, r, headers...)
}

func (d *door) send(t *testing.T, who person, r *http.Request, headers ...string) answer {
	t.Helper()
	d.sign(who, r)
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	client := http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.StatusCode == http.StatusSwitchingProtocols {
		return answer{code: a.StatusCode, header: a.Header}
	}
	said, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{a.StatusCode, string(said), a.Header}
}

func (d *door) sign(who person, r *http.Request) {
	if who.token != "" {
		r.Header.Set("Authorization", "Bearer "+who.token)
	}
	if who.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "weir-session-" + r.URL.Port(), Value: who.cookie})
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
}

func socketToken(token string) string {
	return "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(token))
}
