package mpi_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/training/jobs"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A lab is a namespace on a real API server in which MPIJobs are run. There is
// no node: pods do what the test says.
type lab struct {
	*testing.T
	client    client.Client
	namespace string
}

// newLab starts the controllers, and what converts and checks jobs, for the
// length of a test.
func newLab(t *testing.T, namespace string) *lab {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := clustertest.REST(t)
	kept, err := admission.Keep(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var kinds []*apply.Kind
	for _, f := range install.Kinds() {
		k, err := apply.ReadKind(f.Data, func(definition map[string]any) error { return kept.Convert(definition, jobs.Conversions()...) })
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, k)
	}
	if err := apply.InstallKinds(t.Context(), config, kinds...); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, training.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.Setup(t.Context(), mgr, jobs.Options{}); err != nil {
		t.Fatal(err)
	}
	// Jobs that make no sense come in, and the controller speaks of them.
	server, err := admission.Setup(mgr, admission.Options{Kept: kept, Conversions: jobs.Conversions()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	select {
	case <-server.Ready():
	case <-time.After(2 * time.Minute):
		t.Fatal("waited two minutes for the API server to be told who converts")
	}

	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := c.Create(t.Context(), ns); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, client: c, namespace: namespace}
	l.until("the service account", func() bool { // Pods are admitted from then on.
		return c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{}) == nil
	})
	return l
}

// until waits for a fact.
func (l *lab) until(what string, fact func() bool) {
	l.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !fact(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.Fatalf("waited two minutes for %s", what)
		}
	}
}

// write creates an object from YAML, and returns it as it was written.
func (l *lab) write(text string) *unstructured.Unstructured {
	l.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		l.Fatal(err)
	}
	o.SetNamespace(l.namespace)
	if err := l.client.Create(l.Context(), o.DeepCopy()); err != nil {
		l.Fatal(err)
	}
	return o
}

// read reads a job as a version of itself.
func (l *lab) read(version, name string) *unstructured.Unstructured {
	l.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: "kubeflow.org", Version: version, Kind: "MPIJob"})
	// What has just been told who converts may answer for a moment that it starts anew.
	l.until("MPIJob "+name+" of "+version, func() bool { return l.get(name, o) == nil })
	return o
}

func (l *lab) get(name string, o client.Object) error {
	return l.client.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, o)
}

// job reads a job as its controller does.
func (l *lab) job(name string) *training.MPIJob {
	l.Helper()
	j := &training.MPIJob{}
	if err := l.get(name, j); err != nil {
		l.Fatal(err)
	}
	return j
}

// change edits a job.
func (l *lab) change(name string, edit func(*training.MPIJob)) {
	l.Helper()
	j := l.job(name)
	before := j.DeepCopy()
	edit(j)
	if err := l.client.Patch(l.Context(), j, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
}

// untilSaid waits for a condition, as Failed True MPIJobEvicted.
func (l *lab) untilSaid(name, want string) training.JobCondition {
	l.Helper()
	var found training.JobCondition
	l.until(name+" to be "+want, func() bool {
		for _, c := range l.job(name).Status.Conditions {
			if string(c.Type)+" "+string(c.Status)+" "+c.Reason == want {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// pod reads a pod once it is there.
func (l *lab) pod(name string) *corev1.Pod {
	l.Helper()
	p := &corev1.Pod{}
	l.until("pod "+name, func() bool { return l.get(name, p) == nil })
	return p
}

// podsOf are the pods of a job with a role or type.
func (l *lab) podsOf(job, label, value string) []corev1.Pod {
	l.Helper()
	var list corev1.PodList
	err := l.client.List(l.Context(), &list, client.InNamespace(l.namespace), client.MatchingLabels{training.LabelJobName: job, label: value})
	if err != nil {
		l.Fatal(err)
	}
	return list.Items
}

// is sets the phase of pods, which are ready if they run.
func (l *lab) is(phase corev1.PodPhase, reason string, names ...string) {
	l.Helper()
	for _, name := range names {
		p := l.pod(name)
		before := p.DeepCopy()
		p.Status.Phase, p.Status.Reason = phase, reason
		ready := corev1.ConditionFalse
		if phase == corev1.PodRunning {
			ready = corev1.ConditionTrue
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		if err := l.client.Status().Patch(l.Context(), p, client.MergeFrom(before)); err != nil {
			l.Fatal(err)
		}
	}
}

// An occurrence is an event as users see it.
type occurrence struct{ Type, Reason, Message string }

// events are a job's, said once however often they happened. What the scheduler
// says of having no node is left out.
func (l *lab) events(name string) map[occurrence]bool {
	l.Helper()
	var list corev1.EventList
	if err := l.client.List(l.Context(), &list, client.InNamespace(l.namespace)); err != nil {
		l.Fatal(err)
	}
	all := map[occurrence]bool{}
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == "MPIJob" && e.InvolvedObject.Name == name && e.Reason != "Unschedulable" {
			all[occurrence{e.Type, e.Reason, e.Message}] = true
		}
	}
	return all
}
