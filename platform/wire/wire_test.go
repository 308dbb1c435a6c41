package wire_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/wire"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

var (
	services = corev1.SchemeGroupVersion.WithResource("services")
	tfjobs   = schema.GroupVersionResource{Group: "kubeflow.org", Version: "v1", Resource: "tfjobs"}
)

// newWriter is a writer, and a client that reads what it wrote.
func newWriter(t *testing.T) (*wire.Writer, kubernetes.Interface) {
	t.Helper()
	config := clustertest.REST(t)
	by, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := wire.New(config, by)
	if err != nil {
		t.Fatal(err)
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return w, core
}

func newService(name string) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"of": "wire"}},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"job": name}},
	}
}

// What is created is there as it was sent, and what was sent then says who it is.
func TestCreate(t *testing.T) {
	w, core := newWriter(t)
	sent := newService("created")
	if err := w.Create(t.Context(), services, sent); err != nil {
		t.Fatal(err)
	}
	there, err := core.CoreV1().Services("default").Get(t.Context(), "created", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if sent.UID != there.UID || sent.ResourceVersion != there.ResourceVersion || !sent.CreationTimestamp.Equal(&there.CreationTimestamp) {
		t.Errorf("sent: uid %s, version %s, of %s; there: %s, %s, %s", sent.UID, sent.ResourceVersion, sent.CreationTimestamp, there.UID, there.ResourceVersion, there.CreationTimestamp)
	}
	if there.Labels["of"] != "wire" || there.Spec.Selector["job"] != "created" || there.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Errorf("not all of it arrived: %v, %v", there.Labels, there.Spec)
	}
}

// The API server's refusals are told apart as those that client-go's clients return.
func TestRefusals(t *testing.T) {
	w, _ := newWriter(t)
	if err := w.Create(t.Context(), services, newService("twice")); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(t.Context(), services, newService("twice")); !apierrors.IsAlreadyExists(err) || err.Error() != `services "twice" already exists` {
		t.Errorf("a name that is taken: %v", err)
	}
	bad := newService("not.a.label")
	if err := w.Create(t.Context(), services, bad); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), `metadata.name: Invalid value: "not.a.label"`) {
		t.Errorf("a bad name: %v", err)
	}
	lost := newService("lost")
	lost.Namespace = "nowhere"
	if err := w.Create(t.Context(), services, lost); !apierrors.IsNotFound(err) {
		t.Errorf("a namespace that is not there: %v", err)
	}
	if _, err := w.PatchStatus(t.Context(), services, "default", "nobody", types.MergePatchType, []byte(`{}`)); !apierrors.IsNotFound(err) {
		t.Errorf("a status of nothing: %v", err)
	}
}

// Kinds that have no protobuf, as all that a cluster was taught, have their
// statuses written too.
func TestPatchStatus(t *testing.T) {
	w, _ := newWriter(t)
	config := clustertest.REST(t)
	for _, f := range install.Kinds() {
		kind, err := apply.ReadKind(f.Data, func(map[string]any) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := apply.InstallKinds(t.Context(), config, kind); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	jobs := objects.Resource(tfjobs).Namespace("default")
	made, err := jobs.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "metadata": map[string]any{"name": "written"},
		"spec": map[string]any{"tfReplicaSpecs": map[string]any{"Worker": map[string]any{
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "tensorflow", "image": "i"}}}},
		}}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	patch := fmt.Sprintf(`[{"op":"replace","path":"/metadata/resourceVersion","value":%q},{"op":"add","path":"/status","value":{"startTime":"2026-01-02T03:04:05Z"}}]`, made.GetResourceVersion())
	version, err := w.PatchStatus(t.Context(), tfjobs, "default", "written", types.JSONPatchType, []byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	there, err := jobs.Get(t.Context(), "written", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if began, _, _ := unstructured.NestedString(there.Object, "status", "startTime"); version != there.GetResourceVersion() || began != "2026-01-02T03:04:05Z" {
		t.Errorf("version %s and start %q, want version %s", there.GetResourceVersion(), began, version)
	}
	if _, err := w.PatchStatus(t.Context(), tfjobs, "default", "written", types.JSONPatchType, []byte(patch)); !apierrors.IsConflict(err) {
		t.Errorf("a patch of a version that is gone: %v", err)
	}
}

// An event is written once, and counted when it is said again.
func TestEvents(t *testing.T) {
	w, core := newWriter(t)
	told := w.Events(t.Context())
	recorder := told.NewRecorder(scheme.Scheme, "tester")
	about := newService("told")
	about.UID = "u"
	said := func(n int) {
		recorder.Eventf(about, nil, corev1.EventTypeNormal, "Said", "Say", "This is said for the %d. time.", n)
	}
	said(1)
	clustertest.Until(t, "the event is there", func() bool { return len(eventsOf(t, core)) == 1 })
	said(2)
	clustertest.Until(t, "the event is counted", func() bool {
		series := eventsOf(t, core)[0].Series
		return series != nil && series.Count == 2
	})
	all := eventsOf(t, core)
	if len(all) != 1 || all[0].Reason != "Said" || all[0].Note != "This is said for the 1. time." || all[0].Regarding.UID != "u" {
		t.Errorf("the events are %+v", all)
	}

	said(3)
	told.Recount()
	counted := func(n int32) func() bool {
		return func() bool {
			all := eventsOf(t, core)
			return len(all) == 1 && all[0].Series != nil && all[0].Series.Count == n
		}
	}
	clustertest.Until(t, "the event is counted once more", counted(3))

	// Events do not stay for ever: one that is said all the time comes back.
	if err := core.EventsV1().Events("default").Delete(t.Context(), all[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	said(4)
	told.Recount()
	clustertest.Until(t, "the event is back", counted(4))
}

// eventsOf are those about what was told.
func eventsOf(t *testing.T, core kubernetes.Interface) (about []eventsv1.Event) {
	t.Helper()
	all, err := core.EventsV1().Events("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all.Items {
		if e.Regarding.Name == "told" {
			about = append(about, e)
		}
	}
	return about
}
