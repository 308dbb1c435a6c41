package explain_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
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
	ofNamespace := "?apiVersion=v1&kind=Namespace&name=" + namespace
	for name, c := range map[string]struct {
		who, query string
		code       int
	}{
		"Viewer":   {"viewer", of, http.StatusOK},
		"Stranger": {"stranger", of, http.StatusForbidden},
		// What is said of a namespace stands in namespace default, where a viewer of one
		// has no role.
		"NamespaceViewer":   {"viewer", ofNamespace, http.StatusOK},
		"NamespaceStranger": {"stranger", ofNamespace, http.StatusForbidden},

		"NoName":     {"viewer", "?apiVersion=v1&kind=Pod", http.StatusBadRequest},
		"NoSuchKind": {"viewer", "?apiVersion=v1&kind=Boat&name=it", http.StatusBadRequest},
		"NoVersion":  {"viewer", "?apiVersion=a/b/c&kind=Pod&name=it", http.StatusBadRequest},
		"Gone":       {"viewer", "?apiVersion=v1&kind=Pod&namespace=" + namespace + "&name=gone", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			var said struct{ State, Sentence string }
			// The API server takes a moment to know of a new role.
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
				r := httptest.NewRequestWithContext(routes.WithCaller(ctx, &routes.Caller{Name: c.who}), "GET", "/weir/explain"+c.query, nil)
				w := httptest.NewRecorder()
				route.Handler.ServeHTTP(w, r)
				if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
					t.Fatal(err)
				}
				if w.Code == c.code {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("answer %d %s, want %d", w.Code, w.Body, c.code)
				}
			}
			if c.code == http.StatusOK && (said.State == "" || said.Sentence == "") {
				t.Errorf("said %+v", said)
			}
		})
	}
}
