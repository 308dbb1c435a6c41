package jobs_test

import (
	"context"
	"flag"
	"os"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/training/job"
	"github.com/weir-ml/weir/platform/training/jobs"
	"github.com/weir-ml/weir/platform/training/stage"
)

// Tests here wait more than they work, for real timers: all kinds are tried at
// once, however few processors there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(len(kinds))); err != nil {
		panic(err)
	}
	os.Exit(clustertest.Main(m))
}

// A lab is a stage for jobs of one kind.
type lab struct {
	*stage.Stage
	kind kind
	// deaf labs hear of no events.
	deaf bool
}

// of is the same lab, in which another test runs jobs of some kind.
func (l *lab) of(t *testing.T, k kind) *lab { return &lab{Stage: l.In(t), kind: k, deaf: l.deaf} }

// newLab starts the controllers for the length of a test, which is about TFJobs.
// The namespace is called something like that.
func newLab(t *testing.T, namespace string) *lab {
	t.Helper()
	return newLabWith(t, namespace, job.Options{})
}

func newLabWith(t *testing.T, namespace string, o job.Options, definitions ...[]byte) *lab {
	t.Helper()
	l := newBareLab(t, namespace, definitions...)
	l.Play(func(mgr ctrl.Manager) error { return jobs.Setup(t.Context(), mgr, jobs.Options{Options: o}) })
	return l
}

// newBareLab is a lab without controllers.
func newBareLab(t *testing.T, namespace string, definitions ...[]byte) *lab {
	t.Helper()
	for _, f := range install.Kinds() {
		definitions = append(definitions, f.Data)
	}
	return &lab{kind: kinds[0], Stage: stage.New(t, stage.Setting{
		Config: clustertest.REST(t), Kinds: definitions, Schemes: []func(*runtime.Scheme) error{training.AddToScheme},
		Namespace: namespace, Named: namespace == golden,
	})}
}

// manager is a manager of the controllers of all kinds, by a way of its own to
// the API server.
func (l *lab) manager(config *rest.Config, m ctrl.Options, o job.Options) (ctrl.Manager, error) {
	by := *l.Stage
	by.Config = config
	mgr, err := by.Manager(m)
	if err != nil {
		return nil, err
	}
	return mgr, jobs.Setup(context.Background(), mgr, jobs.Options{Options: o})
}

// job reads a job as it is now.
func (l *lab) job(name string) training.Job {
	l.Helper()
	o, err := l.Client.Scheme().New(training.GroupVersion.WithKind(l.kind.name))
	if err != nil {
		l.Fatal(err)
	}
	j := o.(training.Job)
	if err := l.Client.Get(l.Context(), client.ObjectKey{Namespace: l.Namespace, Name: name}, j); err != nil {
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
	if err := l.Client.Patch(l.Context(), j, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
}

// patch changes a job as kubectl patch --type merge does.
func (l *lab) patch(name, patch string) {
	l.Helper()
	if err := l.Client.Patch(l.Context(), l.job(name), client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		l.Fatal(err)
	}
}

// untilState waits until the last condition of a job is this one, and true or
// not.
func (l *lab) untilState(name string, t training.JobConditionType, status corev1.ConditionStatus) training.Job {
	l.Helper()
	var j training.Job
	l.Until(name+" to be "+string(t)+" "+string(status), func() bool {
		j = l.job(name)
		all := j.Report().Conditions
		return len(all) > 0 && all[len(all)-1].Type == t && all[len(all)-1].Status == status
	})
	return j
}

func (l *lab) pods(name string) []corev1.Pod {
	l.Helper()
	return l.PodsOf(map[string]string{training.LabelJobName: name})
}

func (l *lab) services(name string) []corev1.Service {
	l.Helper()
	var list corev1.ServiceList
	if err := l.Client.List(l.Context(), &list, client.InNamespace(l.Namespace), client.MatchingLabels{training.LabelJobName: name}); err != nil {
		l.Fatal(err)
	}
	return list.Items
}

// count counts pods or services without reading them whole.
func (l *lab) count(kind, name string) int {
	l.Helper()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
	if err := l.Client.List(l.Context(), list, client.InNamespace(l.Namespace), client.MatchingLabels{training.LabelJobName: name}); err != nil {
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
	l.Until("pods and services of "+name, func() bool { return len(l.pods(name)) == n && len(l.services(name)) == services })
}

// run sets pods running.
func (l *lab) run(names ...string) {
	l.Helper()
	for _, name := range names {
		l.SetPod(name, func(s *corev1.PodStatus) { s.Phase = corev1.PodRunning })
	}
}

// end has a pod's container exit with a code.
func (l *lab) end(name string, code int32) {
	l.Helper()
	l.SetPod(name, func(s *corev1.PodStatus) {
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

// untilReplaced waits until a pod has made room for another of its name.
func (l *lab) untilReplaced(old *corev1.Pod) {
	l.Helper()
	l.Until("another "+old.Name, func() bool { return l.Pod(old.Name).UID != old.UID })
}

// untilEvent waits for an event of a job.
func (l *lab) untilEvent(name string, want stage.Occurrence) {
	l.Helper()
	l.Until("event "+want.Message, func() bool { return l.deaf || l.Events(l.kind.name, name)[want] })
}
