package tensorboard_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/routes"
	"github.com/weir-ml/weir/platform/tensorboard"
	"github.com/weir-ml/weir/platform/training/stage"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A lab is a stage for Tensorboards, with the door that leads to them.
type lab struct {
	*stage.Stage
	door http.Handler
	open http.Handler
}

func newLab(t *testing.T, o tensorboard.Options) *lab {
	t.Helper()
	var kinds [][]byte
	for _, f := range install.Kinds() {
		if strings.Contains(f.Name, "tensorboard") {
			kinds = append(kinds, f.Data)
		}
	}
	l := &lab{Stage: stage.New(t, stage.Setting{
		Config: clustertest.REST(t), Kinds: kinds, Schemes: []func(*runtime.Scheme) error{v1alpha1.AddToScheme}, Namespace: "tensorboard",
	})}
	l.Play(func(mgr ctrl.Manager) error {
		door, open := http.NewServeMux(), http.NewServeMux()
		r := tensorboard.DoorRoute(mgr.GetClient(), mgr.GetAPIReader())
		door.Handle(r.Pattern, r.Handler)
		r = tensorboard.OpenRoute(tensorboard.Opening{REST: mgr.GetConfig(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
		open.Handle(r.Pattern, r.Handler)
		l.door, l.open = door, open
		return tensorboard.Setup(mgr, o)
	})
	return l
}

func (l *lab) make(name, logspath string) *v1alpha1.Tensorboard {
	l.Helper()
	t := &v1alpha1.Tensorboard{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: name}, Spec: v1alpha1.TensorboardSpec{LogsPath: logspath}}
	if err := l.Client.Create(l.Context(), t); err != nil {
		l.Fatal(err)
	}
	return t
}

// get reads an object of a name; it is empty if there is none.
func get[T client.Object](l *lab, name string, o T) T {
	l.Helper()
	if err := l.Client.Get(l.Context(), client.ObjectKey{Namespace: l.Namespace, Name: name}, o); client.IgnoreNotFound(err) != nil {
		l.Fatal(err)
	}
	return o
}

func (l *lab) says(name, message string) {
	l.Helper()
	clustertest.Until(l, name+" says: "+message, func() bool {
		return strings.Contains(get(l, name, &v1alpha1.Tensorboard{}).Status.Message, message)
	})
}

func (l *lab) replicas(name string, want int32) *appsv1.Deployment {
	l.Helper()
	var d *appsv1.Deployment
	clustertest.Until(l, "the Deployment has its replicas", func() bool {
		d = get(l, name, &appsv1.Deployment{})
		return d.Spec.Replicas != nil && *d.Spec.Replicas == want
	})
	return d
}

func (l *lab) visit(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(l.Context(), http.MethodGet, "http://weir.test"+path, nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Cookie", "weir=secret")
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	l.door.ServeHTTP(w, r)
	return w
}

// A Tensorboard over S3, from its creation to what somebody sees.
func TestOneIsLookedAt(t *testing.T) {
	l := newLab(t, tensorboard.Options{})
	l.make("mnist", "s3://runs/mnist")
	d := l.replicas("mnist", 1)
	pod := d.Spec.Template
	if c := pod.Spec.Containers[0]; c.Image != "python:3" || !strings.Contains(strings.Join(c.Args, " "), "--logdir=s3://runs/mnist --bind_all --path_prefix=/tensorboard/"+l.Namespace+"/mnist") {
		t.Errorf("the container has image %s and arguments %q", c.Image, c.Args)
	}
	if pod.Labels[admission.LabelS3] != "true" || !strings.Contains(pod.Annotations[admission.Packages], "tensorboard") {
		t.Errorf("the pod asks for neither S3 nor packages: labels %v, annotations %v", pod.Labels, pod.Annotations)
	}
	if s := get(l, "mnist", &corev1.Service{}); s.Spec.Ports[0].Port != 80 || s.Spec.Ports[0].TargetPort.IntValue() != 6006 {
		t.Errorf("the service has ports %v", s.Spec.Ports)
	}
	l.says("mnist", "Its pod finds no place: ") // There is no node.
	clustertest.Until(t, "the door says so too, once it has seen it", func() bool {
		w := l.visit(tensorboard.Path(l.Namespace, "mnist"))
		return w.Code == http.StatusServiceUnavailable && strings.Contains(w.Body.String(), "Its pod finds no place")
	})

	told := make(chan http.Header, 1)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.77:6006")
	if err != nil {
		t.Fatal(err)
	}
	inPod := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // A test sends its headers at once.
		told <- r.Header.Clone()
		w.Header().Set("Set-Cookie", "weir=mine")
		w.Header().Set("Content-Security-Policy", "default-src *")
		_, _ = io.WriteString(w, "scalars at "+r.URL.Path)
	})}}
	inPod.Start()
	defer inPod.Close()
	l.answers("mnist", "127.0.0.77")

	path := tensorboard.Path(l.Namespace, "mnist") + "data/runs"
	var w *httptest.ResponseRecorder
	clustertest.Until(t, "the pod is known to answer", func() bool { w = l.visit(path); return w.Code == http.StatusOK })
	if h := <-told; h.Get("Cookie") != "" || h.Get("Authorization") != "" {
		t.Errorf("the pod is told who asks: %v", h)
	}
	if got, want := w.Body.String(), "scalars at "+path; got != want {
		t.Errorf("the answer is %q, want %q", got, want)
	}
	security := w.Header().Get("Content-Security-Policy")
	if want := "connect-src http://weir.test/tensorboard/" + l.Namespace + "/mnist/ ws://weir.test/tensorboard/" + l.Namespace + "/mnist/ data: blob:;"; !strings.Contains(security, want) || strings.Contains(security, "'self' ") || strings.Contains(security, "allow-popups") {
		t.Errorf("the policy is %q, want in it %q", security, want)
	}
	if w.Header().Get("Set-Cookie") != "" {
		t.Error("the pod sets a cookie")
	}
}

// answers has the pod of a Tensorboard be at an address, as a node would say.
func (l *lab) answers(name, ip string) {
	l.Helper()
	var pods corev1.PodList
	clustertest.Until(l, "there is a pod", func() bool {
		err := l.Client.List(l.Context(), &pods, client.InNamespace(l.Namespace), client.MatchingLabels{tensorboard.Label: name})
		return err == nil && len(pods.Items) > 0
	})
	pod := &pods.Items[0]
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, ip, []corev1.PodIP{{IP: ip}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := l.Client.Status().Update(l.Context(), pod); err != nil {
		l.Fatal(err)
	}
}

// One that nobody looks at sleeps, and a visit is written down, which wakes it.
func TestOneSleepsAndWakes(t *testing.T) {
	l := newLab(t, tensorboard.Options{Idle: time.Second})
	made := l.make("quiet", "s3://runs")
	l.says("quiet", "it sleeps; who opens it wakes it")
	l.replicas("quiet", 0)
	if w := l.visit(tensorboard.Path(l.Namespace, "quiet")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("the door says %d", w.Code)
	}
	visited := func() string { return get(l, "quiet", &v1alpha1.Tensorboard{}).Annotations[v1alpha1.AnnotationVisited] }
	if at, err := time.Parse(time.RFC3339, visited()); err != nil || at.Before(made.CreationTimestamp.Time) {
		t.Errorf("visited %q: %v", visited(), err)
	}
	// As if somebody looked on and on.
	change := `{"metadata": {"annotations": {"` + v1alpha1.AnnotationVisited + `": "` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}}}`
	if err := l.Client.Patch(t.Context(), made, client.RawPatch("application/merge-patch+json", []byte(change))); err != nil {
		t.Fatal(err)
	}
	l.replicas("quiet", 1)
}

// What only a person can put right stands in the status.
func TestOneThatMakesNoSense(t *testing.T) {
	l := newLab(t, tensorboard.Options{})
	l.make("wrong", "/logs")
	l.says("wrong", `logspath "/logs" is no place of event files`)

	theirs := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: "taken"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}}
	if err := l.Client.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	l.make("taken", "s3://runs")
	l.says("taken", "Service taken belongs to another")
}

// A job or a folder is opened twice, and is one Tensorboard.
func TestOpening(t *testing.T) {
	l := newLab(t, tensorboard.Options{})
	open := func(body string) (int, string) {
		ctx := routes.WithCaller(context.WithoutCancel(t.Context()), &routes.Caller{Name: "admin", Groups: []string{"system:masters"}})
		w := httptest.NewRecorder()
		l.open.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, tensorboard.OpenPath(l.Namespace), strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		body string
		code int
		says string
	}{
		{`{"logspath": "s3://runs/Mnist_1/"}`, 200, `"name":"tensorboard-runs-mnist-1","logspath":"s3://runs/Mnist_1"`},
		{`{"logspath": "s3://runs/Mnist_1"}`, 200, `"name":"tensorboard-runs-mnist-1","logspath":"s3://runs/Mnist_1"`},
		{`{"logspath": "s3://runs/mnist.1"}`, 200, `"name":"tensorboard-runs-mnist-1-`},
		{`{"logspath": "s3://runs/mnist.1"}`, 200, `"name":"tensorboard-runs-mnist-1-`},
		{`{"logspath": "ftp://runs"}`, 400, "is no place of event files"},
		{`{"kind": "Deployment"}`, 400, "say what is to be looked at"},
		{`{"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}`, 404, "not found"},
		{`{"apiVersion": "apps/v1", "kind": "Deployment", "name": "tensorboard-runs-mnist-1"}`, 200, `"logspath":"s3://runs/Mnist_1"`},
		{`{"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt"}`, 422, "configmap/kube-root-ca.crt does not say where it writes"},
		{`{`, 400, "cannot be read"},
	} {
		var code int
		var body string
		clustertest.Until(t, c.body+" is answered", func() bool { code, body = open(c.body); return code == c.code || code != 404 })
		if code != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, %s; want %d, %s", c.body, code, body, c.code, c.says)
		}
	}
	var all v1alpha1.TensorboardList
	if err := l.Client.List(t.Context(), &all, client.InNamespace(l.Namespace)); err != nil || len(all.Items) != 3 {
		t.Errorf("there are %d Tensorboards, want 3 (%v)", len(all.Items), err)
	}
}
