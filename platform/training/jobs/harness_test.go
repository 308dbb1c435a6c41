package jobs_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/go-logr/logr"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/training/job"
	"github.com/weir-ml/weir/platform/training/jobs"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A lab is a namespace on a real API server in which jobs of one kind are run.
// There is no node: pods do what the test says.
type lab struct {
	*testing.T
	client    client.Client
	namespace string
	kind      kind
	// deaf labs hear of no events.
	deaf bool
}

// of is the same lab, in which another test runs jobs of some kind.
func (l *lab) of(t *testing.T, k kind) *lab {
	return &lab{T: t, client: l.client, namespace: l.namespace, kind: k, deaf: l.deaf}
}

// newLab starts the controllers for the length of a test, which is about TFJobs.
// The namespace is called something like that.
func newLab(t *testing.T, namespace string) *lab {
	t.Helper()
	return newLabWith(t, namespace, job.Options{})
}

func newLabWith(t *testing.T, namespace string, o job.Options, definitions ...[]byte) *lab {
	t.Helper()
	l := newBareLab(t, namespace, definitions...)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	mgr, err := l.manager(clustertest.REST(t), ctrl.Options{}, o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	return l
}

// newBareLab is a lab without controllers.
func newBareLab(t *testing.T, namespace string, definitions ...[]byte) *lab {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	config := clustertest.REST(t)
	for _, f := range install.Kinds() {
		definitions = append(definitions, f.Data)
	}
	if err := apply.Kinds(t.Context(), config, definitions...); err != nil {
		t.Fatal(err)
	}

	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: namespace + "-"}}
	if namespace == golden {
		ns.GenerateName, ns.Name = "", golden
	}
	if err := c.Create(t.Context(), ns); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	namespace = ns.Name
	l := &lab{T: t, client: c, namespace: namespace, kind: kinds[0]}
	// Pods are admitted once the namespace has its service account.
	l.until("the service account", func() bool {
		return c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{}) == nil
	})
	return l
}

// newScheme knows Kubernetes' kinds and ours. Each manager has its own: while
// one is set up it is written.
func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	return s, errors.Join(clientgoscheme.AddToScheme(s), training.AddToScheme(s))
}

// manager is a manager of the controllers of all kinds.
func (l *lab) manager(config *rest.Config, m ctrl.Options, o job.Options) (ctrl.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	m.Scheme, m.Metrics = scheme, metricsserver.Options{BindAddress: "0"}
	mgr, err := ctrl.NewManager(config, m)
	if err != nil {
		return nil, err
	}
	return mgr, jobs.Setup(context.Background(), mgr, jobs.Options{Options: o})
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

func (l *lab) create(o client.Object) {
	l.Helper()
	o.SetNamespace(l.namespace)
	if err := l.client.Create(l.Context(), o); err != nil {
		l.Fatal(err)
	}
}

// job reads a job as it is now.
func (l *lab) job(name string) training.Job {
	l.Helper()
	o, err := l.client.Scheme().New(training.GroupVersion.WithKind(l.kind.name))
	if err != nil {
		l.Fatal(err)
	}
	j := o.(training.Job)
	if err := l.client.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, j); err != nil {
		l.Fatal(err)
	}
	return j
}

// change edits a TFJob.
func (l *lab) change(name string, edit func(*training.TFJob)) {
	l.Helper()
	j := l.job(name).(*training.TFJob)
	before := j.DeepCopy()
	edit(j)
	if err := l.client.Patch(l.Context(), j, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
}

// patch changes a job as kubectl patch --type merge does.
func (l *lab) patch(name, patch string) {
	l.Helper()
	if err := l.client.Patch(l.Context(), l.job(name), client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		l.Fatal(err)
	}
}

// untilState waits until the last condition of a job is this one, and true or
// not.
func (l *lab) untilState(name string, t training.JobConditionType, status corev1.ConditionStatus) training.Job {
	l.Helper()
	var j training.Job
	l.until(name+" to be "+string(t)+" "+string(status), func() bool {
		j = l.job(name)
		all := j.Report().Conditions
		return len(all) > 0 && all[len(all)-1].Type == t && all[len(all)-1].Status == status
	})
	return j
}

func (l *lab) pods(name string) []corev1.Pod {
	l.Helper()
	var list corev1.PodList
	if err := l.client.List(l.Context(), &list, client.InNamespace(l.namespace), client.MatchingLabels{training.LabelJobName: name}); err != nil {
		l.Fatal(err)
	}
	return list.Items
}

func (l *lab) services(name string) []corev1.Service {
	l.Helper()
	var list corev1.ServiceList
	if err := l.client.List(l.Context(), &list, client.InNamespace(l.namespace), client.MatchingLabels{training.LabelJobName: name}); err != nil {
		l.Fatal(err)
	}
	return list.Items
}

// count counts pods or services without reading them whole.
func (l *lab) count(kind, name string) int {
	l.Helper()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
	if err := l.client.List(l.Context(), list, client.InNamespace(l.namespace), client.MatchingLabels{training.LabelJobName: name}); err != nil {
		l.Fatal(err)
	}
	return len(list.Items)
}

// untilPods waits for so many pods, and as many services.
func (l *lab) untilPods(name string, n int) {
	l.Helper()
	services := n
	if l.kind.unserved {
		services = 0
	}
	l.until("pods and services of "+name, func() bool { return len(l.pods(name)) == n && len(l.services(name)) == services })
}

// pod reads a pod once it is there.
func (l *lab) pod(name string) *corev1.Pod {
	l.Helper()
	p := &corev1.Pod{}
	l.until("pod "+name, func() bool {
		return l.client.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, p) == nil
	})
	return p
}

// run sets pods running.
func (l *lab) run(names ...string) {
	l.Helper()
	for _, name := range names {
		l.set(name, func(s *corev1.PodStatus) { s.Phase = corev1.PodRunning })
	}
}

// end has a pod's container exit with a code.
func (l *lab) end(name string, code int32) {
	l.Helper()
	l.set(name, func(s *corev1.PodStatus) {
		s.Phase = corev1.PodSucceeded
		if code != 0 {
			s.Phase = corev1.PodFailed
		}
		s.ContainerStatuses = []corev1.ContainerStatus{{
			Name: l.kind.container, Image: "x", ImageID: "x",
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}},
		}}
	})
}

func (l *lab) set(name string, edit func(*corev1.PodStatus)) {
	l.Helper()
	p := l.pod(name)
	before := p.DeepCopy()
	edit(&p.Status)
	if err := l.client.Status().Patch(l.Context(), p, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
}

// untilReplaced waits until a pod has made room for another of its name.
func (l *lab) untilReplaced(old *corev1.Pod) {
	l.Helper()
	l.until("another "+old.Name, func() bool { return l.pod(old.Name).UID != old.UID })
}

// An occurrence is an event as users see it.
type occurrence struct{ Type, Reason, Message string }

// events are those of a job, said once however often they happened. What the
// scheduler says of having no node is left out.
func (l *lab) events(name string) map[occurrence]bool {
	l.Helper()
	var list corev1.EventList
	if err := l.client.List(l.Context(), &list, client.InNamespace(l.namespace)); err != nil {
		l.Fatal(err)
	}
	all := map[occurrence]bool{}
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == l.kind.name && e.InvolvedObject.Name == name && e.Reason != "Unschedulable" {
			all[occurrence{e.Type, e.Reason, e.Message}] = true
		}
	}
	return all
}

// untilEvent waits for an event of a job.
func (l *lab) untilEvent(name string, want occurrence) {
	l.Helper()
	l.until("event "+want.Message, func() bool { return l.deaf || l.events(name)[want] })
}
