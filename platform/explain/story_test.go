package explain

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

var (
	podKind        = corev1.SchemeGroupVersion.WithKind("Pod")
	namespaceKind  = corev1.SchemeGroupVersion.WithKind("Namespace")
	claimKind      = corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")
	deploymentKind = appsv1.SchemeGroupVersion.WithKind("Deployment")
)

// A Deployment's pods are refused to its ReplicaSet; the Deployment says why.
func TestDeploymentOverItsQuota(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	c.create(&corev1.ResourceQuota{
		ObjectMeta: c.named("few"),
		Spec:       corev1.ResourceQuotaSpec{Hard: list("pods", "0")},
	})
	c.poll("the quota is counted", func() bool {
		q := &corev1.ResourceQuota{}
		c.get("few", q)
		return len(q.Status.Hard) > 0
	})
	c.create(c.deployment("web"))
	e := c.explained(deploymentKind, "web", "QuotaExceeded")
	if !strings.HasPrefix(e.Sentence, `Deployment web cannot create its pods: quota "few" is used up (requested: pods=1`) {
		t.Errorf("sentence: %q", e.Sentence)
	}
}

// A pod asks for more than the node has; the figures are the node's.
func TestPodThatNoNodeCanHold(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	c.node("big", "4")
	pod := c.pod("greedy")
	pod.Spec.Containers[0].Resources.Requests = list("cpu", "64")
	pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	c.create(pod)
	e := c.explained(podKind, "greedy", "NotEnoughCPU")
	if want := "Pod greedy asks for 64 cpu; node big has 4 free, of 4 in all."; e.Sentence != want {
		t.Errorf("sentence: %q, want %q", e.Sentence, want)
	}
}

func TestClaimOfClassThatDoesNotExist(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	c.create(&corev1.PersistentVolumeClaim{
		ObjectMeta: c.named("data"),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: ptr.To("fast"),
			Resources:        corev1.VolumeResourceRequirements{Requests: list("storage", "1Gi")},
		},
	})
	c.explained(claimKind, "data", "StorageClassNotFound")
}

// A namespace is deleted while an object in it has a finalizer: the object and
// its finalizer are found.
func TestNamespaceHeldUpByAFinalizer(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	held := &corev1.ConfigMap{ObjectMeta: c.named("held")}
	held.Finalizers = []string{"example.com/archive"}
	c.create(held)
	t.Cleanup(func() {
		held.Finalizers = nil
		_ = c.client.Update(context.Background(), held)
	})
	if err := c.client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.namespace}}); err != nil {
		t.Fatal(err)
	}
	c.poll("the object is found", func() bool {
		e, err := Of(t.Context(), c.source, namespaceKind, "", c.namespace)
		if err != nil {
			t.Fatal(err)
		}
		return e.Reason == "FinalizerBlocks" && strings.Contains(e.Sentence, "ConfigMap held is deleted, but finalizer example.com/archive")
	})
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(held), held); err != nil {
		t.Fatal(err)
	}
}

// A pod of a Deployment misses a ConfigMap. The Deployment and the pod say so,
// once, however often the kubelet tries again; and another sentence is another
// event.
func TestEventOnTheOwner(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	c.controller()
	c.create(c.deployment("web"))
	var pod corev1.Pod
	c.poll("a pod is created", func() bool {
		var pods corev1.PodList
		c.list(&pods)
		if len(pods.Items) == 0 {
			return false
		}
		pod = pods.Items[0]
		return true
	})
	bind := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: "weir"}}
	if err := c.client.SubResource("binding").Create(t.Context(), &pod, bind); err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{`configmap "settings" not found`, `configmap "settings" not found `, `configmap "settings" not found`} {
		c.wait(&pod, message)
	}
	c.poll("the Deployment and the pod say it", func() bool { return len(c.said("Deployment")) == 1 && len(c.said("Pod")) == 1 })
	if got, want := c.said("Deployment")[0], `needs ConfigMap "settings", which does not exist. Create it`; !strings.Contains(got, want) {
		t.Errorf("event: %q, want %q in it", got, want)
	}
	c.wait(&pod, `secret "keys" not found`)
	c.poll("the next reason is said too", func() bool { return len(c.said("Deployment")) == 2 && len(c.said("Pod")) == 2 })
}

// Some events do not say in which namespace their object is, as upstream's on
// Endpoints. There is nothing to look at, now or later.
func TestEventThatDoesNotSayWhere(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	s := subject{corev1.SchemeGroupVersion.WithKind("Endpoints"), client.ObjectKey{Name: "web"}}
	r := &Reconciler{source: c.source, writer: c.client, clock: clock.RealClock{}, seen: map[subject]sighting{s: {since: time.Now().Add(-time.Hour)}}}
	if result, err := r.Reconcile(t.Context(), s); err != nil || result != (ctrl.Result{}) {
		t.Errorf("got %v, %v; want that it is left alone", result, err)
	}
}

// A claim that is in use is deleted: it stays, and says why.
func TestEventOnAClaimInUse(t *testing.T) {
	t.Parallel()
	c := clusterOf(t)
	c.controller()
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: c.named("data"),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: list("storage", "1Gi")},
		},
	}
	c.create(claim)
	pod := c.pod("reader")
	pod.Spec.NodeName = "weir"
	pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: claimed("data")}}
	c.create(pod)
	if err := c.client.Delete(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	c.poll("the claim says by whom it is used", func() bool {
		said := c.said("PersistentVolumeClaim")
		return len(said) == 1 && strings.Contains(said[0], "in use by reader")
	})
}

// testCluster is the real API server, with a namespace for one test.
type testCluster struct {
	t         *testing.T
	client    client.Client
	source    Source
	namespace string
}

func clusterOf(t *testing.T) *testCluster {
	t.Helper()
	c, err := client.New(clustertest.REST(t), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "explain-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), ns) })
	tc := &testCluster{t, c, Source{Reader: c, Mapper: c.RESTMapper()}, ns.Name}
	tc.poll("the namespace takes pods", func() bool {
		err := c.Get(t.Context(), client.ObjectKey{Namespace: ns.Name, Name: "default"}, &corev1.ServiceAccount{})
		return err == nil
	})
	return tc
}

// controller runs the controller for the time of the test, with no rights but
// those it has on a cluster.
func (c *testCluster) controller() {
	c.t.Helper()
	c.grant()
	limited := clustertest.REST(c.t)
	limited.Impersonate = rest.ImpersonationConfig{UserName: "weir-controllers", Groups: []string{"system:authenticated"}}
	mgr, err := ctrl.NewManager(limited, ctrl.Options{
		Scheme:         scheme.Scheme,
		Metrics:        server.Options{BindAddress: "0"},
		Controller:     config.Controller{SkipNameValidation: ptr.To(true)}, // one for each test
		MapperProvider: apiutil.NewDynamicRESTMapper,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := Setup(mgr, nil); err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	c.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
	})
}

// grant gives the user weir-controllers the role that is installed.
func (c *testCluster) grant() {
	c.t.Helper()
	name := metav1.ObjectMeta{Name: "weir-controllers"}
	role := &rbacv1.ClusterRole{}
	for _, f := range install.Rights() {
		if err := yaml.Unmarshal(f.Data, role); err != nil {
			c.t.Fatal(err)
		}
		if role.Name == name.Name {
			break
		}
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: name,
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name.Name}},
		RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", APIGroup: rbacv1.GroupName, Name: name.Name},
	}
	for _, o := range []client.Object{role, binding} {
		if err := c.client.Create(c.t.Context(), o); err != nil && !apierrors.IsAlreadyExists(err) {
			c.t.Fatal(err)
		}
	}
}

func (c *testCluster) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: c.namespace, Name: name}
}

func (c *testCluster) create(o client.Object) {
	c.t.Helper()
	if err := c.client.Create(c.t.Context(), o); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testCluster) get(name string, o client.Object) {
	c.t.Helper()
	if err := c.client.Get(c.t.Context(), client.ObjectKey{Namespace: c.namespace, Name: name}, o); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testCluster) list(l client.ObjectList) {
	c.t.Helper()
	if err := c.client.List(c.t.Context(), l, client.InNamespace(c.namespace)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testCluster) pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: c.named(name), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "python:3.11"}}}}
}

func (c *testCluster) deployment(name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: c.named(name),
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: c.pod("").Spec},
		},
	}
}

// node adds a node that is ready, though nobody runs its pods.
func (c *testCluster) node(name, cpu string) {
	c.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Spec.Taints = []corev1.Taint{{Key: "test", Effect: corev1.TaintEffectNoSchedule}} // against pods of other tests
	c.create(n)
	c.t.Cleanup(func() { _ = c.client.Delete(context.Background(), n) })
	room := corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse("8Gi"), "pods": resource.MustParse("110")}
	for {
		n.Status.Capacity, n.Status.Allocatable = room, room
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}}
		err := c.client.Status().Update(c.t.Context(), n)
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) {
			c.t.Fatal(err)
		}
		if err := c.client.Get(c.t.Context(), client.ObjectKeyFromObject(n), n); err != nil {
			c.t.Fatal(err)
		}
	}
}

// wait makes a pod's container wait, as the kubelet would.
func (c *testCluster) wait(pod *corev1.Pod, message string) {
	c.t.Helper()
	c.get(pod.Name, pod)
	before := pod.DeepCopy()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name:  pod.Spec.Containers[0].Name,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: message}},
	}}
	if err := c.client.Status().Patch(c.t.Context(), pod, client.MergeFrom(before)); err != nil {
		c.t.Fatal(err)
	}
}

// said returns what our events say about objects of a kind.
func (c *testCluster) said(kind string) []string {
	c.t.Helper()
	var events corev1.EventList
	c.list(&events)
	var said []string
	for _, e := range events.Items {
		if e.Source.Component == component && e.InvolvedObject.Kind == kind {
			said = append(said, e.Message)
		}
	}
	return said
}

// explained waits until an object is explained by a reason.
func (c *testCluster) explained(kind schema.GroupVersionKind, name, reason string) Explanation {
	c.t.Helper()
	var e Explanation
	c.poll(name+" is explained by "+reason, func() bool {
		var err error
		if e, err = Of(c.t.Context(), c.source, kind, c.namespace, name); err != nil {
			c.t.Fatal(err)
		}
		return e.Reason == reason
	})
	return e
}

func (c *testCluster) poll(what string, is func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(deadline) {
			c.t.Fatalf("after a minute it is still not so that %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
