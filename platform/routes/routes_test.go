package routes_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/routes"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// Each route is for those who may do what it says, and for nobody else.
func TestEveryRouteHasItsCallers(t *testing.T) {
	core, err := kubernetes.NewForConfig(clustertest.REST(t))
	if err != nil {
		t.Fatal(err)
	}
	namespace := "default"
	monitor := account(t, core, namespace, "monitor", "system:monitoring")
	viewer := account(t, core, namespace, "viewer", "view")
	url := serve(t, routes.Metrics(), routes.Route{
		Pattern: "GET /of/{pod}",
		Rule: routes.May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
			return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
				Verb: "get", Resource: "pods", Namespace: namespace, Name: r.PathValue("pod"),
			}}
		}),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "of "+r.PathValue("pod")) }),
	})

	for name, c := range map[string]struct {
		path, token string
		code        int
		says        string
	}{
		"Metrics":           {"/metrics", monitor, 200, "go_goroutines"},
		"MetricsOfOthers":   {"/metrics", viewer, 403, "system:serviceaccount:default:viewer may not get /metrics; a role of the cluster can allow it"},
		"Object":            {"/of/a", viewer, 200, "of a"},
		"ObjectOfOthers":    {"/of/a", monitor, 403, "system:serviceaccount:default:monitor may not get pods default/a; a role of the cluster can allow it"},
		"NoToken":           {"/metrics", "", 401, "no token that the cluster knows; get one with kubectl create token, and send it as Authorization: Bearer TOKEN"},
		"TokenOfNobody":     {"/metrics", "abc", 401, "no token that the cluster knows"},
		"NothingOfThatName": {"/secrets", monitor, 404, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := get(t, url+c.path, c.token)
			// The API server takes a moment to know of a new role.
			for deadline := time.Now().Add(2 * time.Minute); code != c.code && time.Now().Before(deadline); {
				code, body = get(t, url+c.path, c.token)
			}
			if code != c.code || !strings.Contains(body, c.says) {
				t.Errorf("answer %d, %q, want %d, %q", code, body, c.code, c.says)
			}
		})
	}
}

// serve has a manager serve routes while the test runs.
func serve(t *testing.T, all ...routes.Route) string {
	t.Helper()
	mgr, err := ctrl.NewManager(clustertest.REST(t), ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := routes.Setup(mgr, l, all...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// account makes an account that has a role in the whole cluster, and returns a
// token of it.
func account(t *testing.T, core kubernetes.Interface, namespace, name, role string) string {
	t.Helper()
	ctx := t.Context()
	accounts := core.CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := core.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := accounts.CreateToken(ctx, name, &authentication.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}
