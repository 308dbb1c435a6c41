package mpi_test

import (
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/training/jobs"
	"github.com/weir-ml/weir/platform/training/stage"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A lab is a stage for MPIJobs.
type lab struct{ *stage.Stage }

// newLab starts the controllers, and what converts and checks jobs, for the
// length of a test.
func newLab(t *testing.T, namespace string) *lab {
	t.Helper()
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
	if err := apply.InstallKinds(t.Context(), clustertest.REST(t), kinds...); err != nil {
		t.Fatal(err)
	}
	l := newLabOf(t, namespace, nil)
	var server *admission.Server
	l.Play(func(mgr ctrl.Manager) (err error) {
		// Jobs that make no sense come in, and the controller speaks of them.
		if server, err = admission.Setup(mgr, admission.Options{Kept: kept, Conversions: jobs.Conversions()}); err != nil {
			return err
		}
		return jobs.Setup(t.Context(), mgr, jobs.Options{})
	})
	select {
	case <-server.Ready():
	case <-time.After(2 * time.Minute):
		t.Fatal("waited two minutes for the API server to be told who converts")
	}
	return l
}

// newLabOf is a lab without controllers, where kinds are served besides.
func newLabOf(t *testing.T, namespace string, kinds [][]byte) *lab {
	t.Helper()
	return &lab{stage.New(t, stage.Setting{
		Config: clustertest.REST(t), Kinds: kinds, Schemes: []func(*runtime.Scheme) error{training.AddToScheme}, Namespace: namespace, Named: true,
	})}
}

// in is the same lab, which another test uses.
func (l *lab) in(t *testing.T) *lab { return &lab{l.In(t)} }

// write creates an object from YAML, and returns it as it was written.
func (l *lab) write(text string) *unstructured.Unstructured {
	l.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		l.Fatal(err)
	}
	l.Create(o.DeepCopy())
	return o
}

// read reads a job as a version of itself.
func (l *lab) read(version, name string) *unstructured.Unstructured {
	l.Helper()
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Group: "kubeflow.org", Version: version, Kind: "MPIJob"})
	// What has just been told who converts may answer for a moment that it starts anew.
	l.Until("MPIJob "+name+" of "+version, func() bool { return l.Get(name, o) == nil })
	return o
}

// job reads a job as its controller does.
func (l *lab) job(name string) *training.MPIJob {
	l.Helper()
	j := &training.MPIJob{}
	if err := l.Get(name, j); err != nil {
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
	if err := l.Client.Patch(l.Context(), j, client.MergeFrom(before)); err != nil {
		l.Fatal(err)
	}
}

// untilSaid waits for a condition, as Failed True MPIJobEvicted.
func (l *lab) untilSaid(name, want string) training.JobCondition {
	l.Helper()
	var found training.JobCondition
	l.Until(name+" to be "+want, func() bool {
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

// role are the pods of a job with a role.
func (l *lab) role(job, role string) []corev1.Pod {
	l.Helper()
	return l.PodsOf(map[string]string{training.LabelJobName: job, training.LabelJobRole: role})
}

// is sets the phase of pods, which are ready if they run.
func (l *lab) is(phase corev1.PodPhase, reason string, names ...string) {
	l.Helper()
	ready := corev1.ConditionFalse
	if phase == corev1.PodRunning {
		ready = corev1.ConditionTrue
	}
	for _, name := range names {
		l.SetPod(name, func(s *corev1.PodStatus) {
			s.Phase, s.Reason = phase, reason
			s.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		})
	}
}
