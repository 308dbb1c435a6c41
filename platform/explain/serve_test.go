package explain_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/explain"
	"github.com/weir-ml/weir/platform/routes"
	"github.com/weir-ml/weir/test/program"
)

// Whoever may see an object is told why it does not move, and nobody else is.
func TestExplainedOverHTTP(t *testing.T) {
	config, ctx := clustertest.REST(t), t.Context()
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	const namespace = "explained-over-http"
	program.Namespace(t, core, namespace)
	if _, err := core.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "viewer"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "it"},
		Spec:       corev1.PodSpec{NodeSelector: map[string]string{"no": "such"}, Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
	if _, err := core.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Another namespace is deleted, and waits for an object that not everybody may list.
	const going = "explained-going"
	program.Namespace(t, core, going)
	held := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"example.com/archive"}}}
	if held, err = core.CoreV1().Secrets(going).Create(ctx, held, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		held.Finalizers = nil
		_, _ = core.CoreV1().Secrets(going).Update(context.Background(), held, metav1.UpdateOptions{})
	})
	if err := core.CoreV1().Namespaces().Delete(ctx, going, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]string{"auditor": "view", "root": "cluster-admin"} {
		_, err := core.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: going + "-" + name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, client)
	if err != nil {
		t.Fatal(err)
	}
	route := explain.Route(explain.Serving{REST: config, Scheme: scheme.Scheme, Mapper: mapper})

	of := "?apiVersion=v1&kind=Pod&namespace=" + namespace + "&name=it"
	ofNamespace := "?apiVersion=v1&kind=Namespace&name="
	for name, c := range map[string]struct {
		who, query string
		code       int
		says       string
	}{
		"Viewer":   {"viewer", of, http.StatusOK, "it"},
		"Stranger": {"stranger", of, http.StatusForbidden, ""},
		// What is said of a namespace stands in namespace default, where a viewer of one
		// has no role.
		"NamespaceViewer":   {"viewer", ofNamespace + namespace, http.StatusOK, namespace},
		"NamespaceStranger": {"stranger", ofNamespace + namespace, http.StatusForbidden, ""},
		// Who may not list Secrets is not told what they are called.
		"DeletedNamespaceRoot":     {"root", ofNamespace + going, http.StatusOK, "Secret held is deleted, but finalizer example.com/archive"},
		"DeletedNamespaceAuditor":  {"auditor", ofNamespace + going, http.StatusOK, "secrets. has 1 resource instances"},
		"DeletedNamespaceStranger": {"stranger", ofNamespace + going, http.StatusForbidden, ""},

		"NoName":     {"viewer", "?apiVersion=v1&kind=Pod", http.StatusBadRequest, ""},
		"NoSuchKind": {"viewer", "?apiVersion=v1&kind=Boat&name=it", http.StatusBadRequest, ""},
		"NoVersion":  {"viewer", "?apiVersion=a/b/c&kind=Pod&name=it", http.StatusBadRequest, ""},
		"Gone":       {"viewer", "?apiVersion=v1&kind=Pod&namespace=" + namespace + "&name=gone", http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var said struct{ State, Sentence string }
			// The API server takes a moment to know of a new role, and of what is left.
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
				r := httptest.NewRequestWithContext(routes.WithCaller(ctx, &routes.Caller{Name: c.who}), "GET", "/weir/explain"+c.query, nil)
				w := httptest.NewRecorder()
				route.Handler.ServeHTTP(w, r)
				if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
					t.Fatal(err)
				}
				if w.Code == c.code && strings.Contains(said.Sentence, c.says) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("answer %d %s, want %d %s", w.Code, w.Body, c.code, c.says)
				}
			}
			if c.code == http.StatusOK && (said.State == "" || said.Sentence == "") {
				t.Errorf("said %+v", said)
			}
		})
	}
}
