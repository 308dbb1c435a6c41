package trainjob_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	"sigs.k8s.io/yaml"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/training/jobset"
	"github.com/weir-ml/weir/platform/training/stage"
	"github.com/weir-ml/weir/platform/training/trainjob"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A lab is a stage for TrainJobs.
type lab struct{ *stage.Stage }

// newLab starts the controllers and their admission for the length of a test.
func newLab(t *testing.T) *lab {
	t.Helper()
	var kinds [][]byte
	for _, f := range install.Kinds() {
		if strings.Contains(f.Name, "trainer") || strings.Contains(f.Name, "jobset") {
			kinds = append(kinds, f.Data)
		}
	}
	l := &lab{stage.New(t, stage.Setting{
		Config: clustertest.REST(t), Kinds: kinds, Schemes: []func(*runtime.Scheme) error{trainer.AddToScheme, jobsetv1alpha2.AddToScheme}, Namespace: "trainjob",
	})}
	var server *admission.Server
	l.Play(func(mgr ctrl.Manager) (err error) {
		if err := jobset.Setup(t.Context(), mgr); err != nil {
			return err
		}
		if err := trainjob.Setup(mgr, trainjob.Options{}); err != nil {
			return err
		}
		server, err = admission.Setup(mgr, admission.Options{}, append(jobset.Rules(), trainjob.Rules(mgr.GetAPIReader())...)...)
		return err
	})
	select {
	case <-server.Ready():
	case <-time.After(2 * time.Minute):
		t.Fatal("waited two minutes for the API server to be told who checks")
	}
	l.create(l.read(runtimeNode, &trainer.TrainingRuntime{}))
	return l
}

// runtimeNode is a runtime of jobs of one container.
const runtimeNode = `
metadata: {name: plain, labels: {trainer.kubeflow.org/framework: plain}}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: node, image: x}]}}}
`

func (l *lab) read(manifest string, into client.Object) client.Object {
	l.Helper()
	if err := yaml.UnmarshalStrict([]byte(manifest), into); err != nil {
		l.Fatal(err)
	}
	into.SetNamespace(l.Namespace)
	return into
}

func (l *lab) create(o client.Object) {
	l.Helper()
	// The API server takes a moment to know of its webhooks.
	l.Until("admission", func() bool {
		err := l.Client.Create(l.Context(), o)
		if err != nil && !apierrors.IsInternalError(err) {
			l.Fatal(err)
		}
		return err == nil
	})
}

// train makes a TrainJob by the runtime plain, or whatever the spec says.
func (l *lab) train(name, spec string) *trainer.TrainJob {
	l.Helper()
	j := l.jobOf(name, spec)
	l.create(j)
	return j
}

func (l *lab) jobOf(name, spec string) *trainer.TrainJob {
	l.Helper()
	j := &trainer.TrainJob{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &j.Spec); err != nil {
		l.Fatal(err)
	}
	if j.Spec.RuntimeRef.Name == "" {
		j.Spec.RuntimeRef = trainer.RuntimeRef{Name: "plain", Kind: new(trainer.TrainingRuntimeKind)}
	}
	return j
}

func (l *lab) get(name string, o client.Object) bool {
	l.Helper()
	err := l.Client.Get(l.Context(), client.ObjectKey{Namespace: l.Namespace, Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		l.Fatal(err)
	}
	return err == nil
}

func (l *lab) job(name string) *trainer.TrainJob {
	l.Helper()
	j := &trainer.TrainJob{}
	l.get(name, j)
	return j
}

// change edits a TrainJob.
func (l *lab) change(name string, edit func(*trainer.TrainJob)) error {
	l.Helper()
	j := l.job(name)
	before := j.DeepCopy()
	edit(j)
	return l.Client.Patch(l.Context(), j, client.MergeFrom(before))
}

// untilCondition waits for a condition, and returns it as reason and message.
func (l *lab) untilCondition(name, of string, status metav1.ConditionStatus) string {
	l.Helper()
	var c *metav1.Condition
	l.Until(fmt.Sprintf("%s to be %s %s", name, of, status), func() bool {
		c = meta.FindStatusCondition(l.job(name).Status.Conditions, of)
		return c != nil && c.Status == status
	})
	return c.Reason + ": " + c.Message
}

func (l *lab) untilJobSet(name string) *jobsetv1alpha2.JobSet {
	l.Helper()
	js := &jobsetv1alpha2.JobSet{}
	l.Until("JobSet "+name, func() bool { return l.get(name, js) })
	return js
}

// pods are those of a JobSet's group that have not ended.
func (l *lab) pods(name, group string) []corev1.Pod {
	l.Helper()
	var list corev1.PodList
	of := client.MatchingLabels{jobsetv1alpha2.JobSetNameKey: name, jobsetv1alpha2.ReplicatedJobNameKey: group}
	if err := l.Client.List(l.Context(), &list, client.InNamespace(l.Namespace), of); err != nil {
		l.Fatal(err)
	}
	var all []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			all = append(all, p)
		}
	}
	return all
}

// untilPods waits until a group has so many pods.
func (l *lab) untilPods(name, group string, n int) []corev1.Pod {
	l.Helper()
	var all []corev1.Pod
	l.Until(fmt.Sprintf("%d pods of %s %s", n, name, group), func() bool {
		all = l.pods(name, group)
		return len(all) == n
	})
	return all
}

// end has pods come to an end.
func (l *lab) end(pods []corev1.Pod, phase corev1.PodPhase) {
	l.Helper()
	for i := range pods {
		p := &pods[i]
		before := p.DeepCopy()
		p.Status.Phase = phase
		if err := l.Client.Status().Patch(l.Context(), p, client.MergeFrom(before)); err != nil {
			l.Fatal(err)
		}
	}
}

// events are what was said of a TrainJob.
func (l *lab) events(name string) []string {
	l.Helper()
	var list corev1.EventList
	if err := l.Client.List(l.Context(), &list, client.InNamespace(l.Namespace)); err != nil {
		l.Fatal(err)
	}
	var all []string
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == trainer.TrainJobKind && e.InvolvedObject.Name == name {
			all = append(all, e.Reason+": "+e.Message)
		}
	}
	return all
}

// A TrainJob from its creation to its end.
func TestRunsToItsEnd(t *testing.T) {
	l := newLab(t)
	l.train("t", `{trainer: {numNodes: 2}}`)
	js := l.untilJobSet("t")
	if !metav1.IsControlledBy(js, l.job("t")) || js.Spec.ReplicatedJobs[0].Template.Spec.CompletionMode == nil {
		t.Errorf("JobSet: %+v", js)
	}
	if m := js.ManagedFields; len(m) == 0 || m[0].Manager != "trainer" {
		t.Errorf("written by %v", m)
	}
	pods := l.untilPods("t", "node", 2)
	l.Until("the job to be counted", func() bool {
		return cmp.Equal(l.job("t").Status.JobsStatus, []trainer.JobStatus{{Name: "node", Active: 1}})
	})
	if c := l.job("t").Status.Conditions; len(c) > 0 {
		t.Errorf("a job that runs has conditions: %v", c)
	}
	l.end(pods, corev1.PodSucceeded)
	if got, want := l.untilCondition("t", trainer.TrainJobComplete, metav1.ConditionTrue), "AllJobsCompleted: jobset completed successfully"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	l.Until("the job to be counted", func() bool {
		return cmp.Equal(l.job("t").Status.JobsStatus, []trainer.JobStatus{{Name: "node", Succeeded: 1}})
	})

	// A JobSet that goes when it has ended is not made again.
	if err := l.Client.Delete(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	l.Until("the JobSet to go", func() bool { return !l.get("t", &jobsetv1alpha2.JobSet{}) })
	if err := l.change("t", func(j *trainer.TrainJob) { j.Labels = map[string]string{"seen": "again"} }); err != nil {
		t.Fatal(err)
	}
	l.train("other", `{}`)
	l.untilJobSet("other") // By now the first has been looked at.
	if l.get("t", &jobsetv1alpha2.JobSet{}) || l.job("t").Status.Conditions[0].Type != trainer.TrainJobComplete {
		t.Errorf("it has begun again: %+v", l.job("t").Status)
	}
}

func TestFails(t *testing.T) {
	l := newLab(t)
	l.train("t", `{}`)
	l.end(l.untilPods("t", "node", 1), corev1.PodFailed)
	if got, want := l.untilCondition("t", trainer.TrainJobFailed, metav1.ConditionTrue), "FailedJobs: jobset failed due to one or more job failures"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// By a runtime's failure policy all nodes begin again when one fails.
func TestWholeJobRestart(t *testing.T) {
	l := newLab(t)
	manifest := strings.Replace(runtimeNode, "      replicatedJobs:", "      failurePolicy: {maxRestarts: 1}\n      replicatedJobs:", 1)
	l.create(l.read(strings.Replace(manifest, "name: plain", "name: again", 1), &trainer.TrainingRuntime{}))
	l.train("t", `{runtimeRef: {name: again, kind: TrainingRuntime}, trainer: {numNodes: 2}}`)
	first := l.untilPods("t", "node", 2)
	l.end(first[:1], corev1.PodFailed)
	l.Until("new pods", func() bool {
		now := l.pods("t", "node")
		return len(now) == 2 && now[0].UID != first[0].UID && now[0].UID != first[1].UID && now[1].UID != first[0].UID && now[1].UID != first[1].UID
	})
	l.end(l.pods("t", "node"), corev1.PodSucceeded)
	l.untilCondition("t", trainer.TrainJobComplete, metav1.ConditionTrue)
}

// The annotation has them do so where the runtime says nothing of it, as often
// as it says.
func TestWholeJobRestartByAnnotation(t *testing.T) {
	l := newLab(t)
	j := l.jobOf("t", `{trainer: {numNodes: 2}}`)
	j.Annotations = map[string]string{training.AnnotationRestart: training.RestartJob, training.AnnotationRestartLimit: "1"}
	l.create(j)
	first := l.untilPods("t", "node", 2)
	l.end(first[:1], corev1.PodFailed)
	var second []corev1.Pod
	l.Until("all new pods", func() bool {
		second = l.pods("t", "node")
		return len(second) == 2 && !slices.ContainsFunc(second, func(p corev1.Pod) bool { return p.UID == first[0].UID || p.UID == first[1].UID })
	})
	l.end(second[1:], corev1.PodFailed)
	if got, want := l.untilCondition("t", trainer.TrainJobFailed, metav1.ConditionTrue), "ReachedMaxRestarts: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s…", got, want)
	}
	if n := l.untilJobSet("t").Status.Restarts; n != 1 {
		t.Errorf("%d restarts", n)
	}
}

// podGroups is as much of a scheduler's kind as a controller sees.
const podGroups = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: podgroups.GROUP
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-sigs/scheduler-plugins/pull/52"}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: PodGroup, listKind: PodGroupList, plural: podgroups, singular: podgroup}
  versions:
  - name: VERSION
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// A runtime has its pods started together by a scheduler that knows how; a job
// waits until the cluster has it.
func TestPodGroup(t *testing.T) {
	l := newLab(t)
	for policy, tc := range map[string]struct {
		group, version, who string
		want                map[string]any
		member              func(*corev1.Pod) bool
	}{
		"coscheduling": {
			group: "scheduling.x-k8s.io", version: "v1alpha1", who: "Kubernetes' scheduler plugins",
			want:   map[string]any{"minMember": int64(2), "minResources": map[string]any{"cpu": "2"}, "scheduleTimeoutSeconds": int64(60)},
			member: func(p *corev1.Pod) bool { return p.Labels["scheduling.x-k8s.io/pod-group"] == "coscheduling" },
		},
		"volcano": {
			group: "scheduling.volcano.sh", version: "v1beta1", who: "Volcano",
			want: map[string]any{"minMember": int64(2), "minResources": map[string]any{"cpu": "2"}},
			member: func(p *corev1.Pod) bool {
				return p.Annotations["scheduling.k8s.io/group-name"] == "volcano" && p.Spec.SchedulerName == "volcano"
			},
		},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			l := &lab{l.In(t)}
			manifest := strings.Replace(runtimeNode, "mlPolicy: {numNodes: 1}", "podGroupPolicy: {"+policy+": {}}\n  mlPolicy: {numNodes: 1}", 1)
			l.create(l.read(strings.Replace(manifest, "name: plain", "name: "+policy, 1), &trainer.TrainingRuntime{}))
			l.train(policy, `{runtimeRef: {name: `+policy+`, kind: TrainingRuntime}, trainer: {numNodes: 2, resourcesPerNode: {requests: {cpu: 1}}}}`)
			want := fmt.Sprintf("Invalid: the runtime has its pods started together by %s, whose PodGroups (%s) this cluster does not have", tc.who, tc.group)
			if got := l.untilCondition(policy, trainer.TrainJobResourcesCreated, metav1.ConditionFalse); !strings.HasPrefix(got, want) {
				t.Errorf("got %s, want %s…", got, want)
			}

			l.kinds([]byte(strings.NewReplacer("GROUP", tc.group, "VERSION", tc.version).Replace(podGroups)))
			pods := l.untilPods(policy, "node", 2)
			if p := &pods[0]; !tc.member(p) {
				t.Errorf("pod %+v, scheduler %q", p.ObjectMeta, p.Spec.SchedulerName)
			}
			group := &unstructured.Unstructured{}
			group.SetGroupVersionKind(schema.GroupVersionKind{Group: tc.group, Version: tc.version, Kind: "PodGroup"})
			if !l.get(policy, group) || !metav1.IsControlledBy(group, l.job(policy)) {
				t.Fatalf("group: %v", group)
			}
			if diff := cmp.Diff(tc.want, group.Object["spec"]); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if c := l.job(policy).Status.Conditions; len(c) > 0 {
				t.Errorf("conditions: %v", c)
			}

			first := group.GetUID()
			if err := l.Client.Delete(t.Context(), group); err != nil {
				t.Fatal(err)
			}
			l.Until("another group", func() bool { return l.get(policy, group) && group.GetUID() != first })
			if diff := cmp.Diff(tc.want, group.Object["spec"]); diff != "" {
				t.Errorf("a group that was deleted came back: -want, +got:\n%s", diff)
			}
		})
	}
}

// kinds installs kinds for the length of a test.
func (l *lab) kinds(manifests ...[]byte) {
	l.Helper()
	config := clustertest.REST(l.T)
	config.ContentType = ""
	if err := apply.Kinds(l.Context(), config, manifests...); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		for _, m := range manifests {
			objects, err := apply.Parse(m)
			for i := 0; err == nil && i < len(objects); i++ {
				err = l.Client.Delete(context.Background(), objects[i])
			}
			if err != nil {
				l.Error(err)
			}
		}
	})
}

// Nodes wait until what they need has been fetched.
func TestInitializerComesFirst(t *testing.T) {
	l := newLab(t)
	l.create(l.read(`
metadata: {name: fetching}
spec:
  template:
    spec:
      volumeClaimPolicies: [{templates: [{metadata: {name: initializer}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}]
      replicatedJobs:
      - name: dataset-initializer
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: dataset-initializer}}
          spec: {template: {spec: {containers: [{name: dataset-initializer, image: x, volumeMounts: [{name: initializer, mountPath: /workspace}]}]}}}
      - name: node
        dependsOn: [{name: dataset-initializer, status: Complete}]
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec: {template: {spec: {containers: [{name: node, image: x, volumeMounts: [{name: initializer, mountPath: /workspace}]}]}}}
`, &trainer.TrainingRuntime{}))
	l.train("t", `{runtimeRef: {name: fetching, kind: TrainingRuntime}, initializer: {dataset: {storageUri: "s3://b/k"}}}`)
	fetching := l.untilPods("t", "dataset-initializer", 1)
	if n := l.pods("t", "node"); len(n) > 0 {
		t.Errorf("the nodes did not wait: %v", n)
	}
	if v := fetching[0].Spec.Volumes[0].PersistentVolumeClaim; v == nil || v.ClaimName != "initializer-t" || !l.get("initializer-t", &corev1.PersistentVolumeClaim{}) {
		t.Errorf("volume: %+v", fetching[0].Spec.Volumes)
	}
	l.end(fetching, corev1.PodSucceeded)
	l.end(l.untilPods("t", "node", 1), corev1.PodSucceeded)
	l.untilCondition("t", trainer.TrainJobComplete, metav1.ConditionTrue)
	if got := l.job("t").Status.JobsStatus; len(got) != 2 || got[0].Name != "dataset-initializer" {
		t.Errorf("jobs in another order than the runtime's: %v", got)
	}
}

func TestSuspend(t *testing.T) {
	l := newLab(t)
	l.train("t", `{suspend: true}`)
	js := l.untilJobSet("t")
	if !*js.Spec.Suspend {
		t.Error("the JobSet is not suspended")
	}
	if got, want := l.untilCondition("t", trainer.TrainJobSuspended, metav1.ConditionTrue), "Suspended: TrainJob is suspended"; got != want {
		t.Errorf("got %s", got)
	}
	// While it is suspended, a queue may choose where it runs.
	err := l.change("t", func(j *trainer.TrainJob) {
		j.Spec.RuntimePatches = []trainer.RuntimePatch{{Manager: "kueue.x-k8s.io/manager", TrainingRuntimeSpec: patchNode(map[string]string{"zone": "a"})}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.job("t").Spec.RuntimePatches[0].Time == nil {
		t.Error("the patch has no time")
	}
	l.Until("the JobSet to be patched", func() bool {
		return l.untilJobSet("t").Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.NodeSelector["zone"] == "a"
	})
	if err := l.change("t", func(j *trainer.TrainJob) { j.Spec.Suspend = new(false) }); err != nil {
		t.Fatal(err)
	}
	if got, want := l.untilCondition("t", trainer.TrainJobSuspended, metav1.ConditionFalse), "Resumed: TrainJob is resumed"; got != want {
		t.Errorf("got %s", got)
	}
	pods := l.untilPods("t", "node", 1)
	if pods[0].Spec.NodeSelector["zone"] != "a" {
		t.Errorf("pod: %v", pods[0].Spec.NodeSelector)
	}
	err = l.change("t", func(j *trainer.TrainJob) { j.Spec.RuntimePatches = nil })
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.runtimePatches: Forbidden: it can only be changed while the TrainJob is suspended") {
		t.Errorf("a change while it runs: %v", err)
	}
	if err := l.change("t", func(j *trainer.TrainJob) { j.Spec.Suspend = new(true) }); err != nil {
		t.Fatal(err)
	}
	l.untilPods("t", "node", 0)
}

func patchNode(selector map[string]string) *trainer.TrainingRuntimeSpecPatch {
	return &trainer.TrainingRuntimeSpecPatch{Template: &trainer.JobSetTemplatePatch{Spec: &trainer.JobSetSpecPatch{
		ReplicatedJobs: []trainer.ReplicatedJobPatch{{Name: "node", Template: &trainer.JobTemplatePatch{Spec: &trainer.JobSpecPatch{
			Template: &trainer.PodTemplatePatch{Spec: &trainer.PodSpecPatch{NodeSelector: selector}},
		}}}},
	}}}
}

func TestDeadlinePasses(t *testing.T) {
	l := newLab(t)
	l.train("t", `{activeDeadlineSeconds: 1}`)
	if got, want := l.untilCondition("t", trainer.TrainJobFailed, metav1.ConditionTrue), "DeadlineExceeded: TrainJob exceeded its active deadline"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	l.Until("the JobSet to go", func() bool { return !l.get("t", &jobsetv1alpha2.JobSet{}) })
}

// A TrainJob that somebody else looks after is left alone.
func TestManagedBy(t *testing.T) {
	l := newLab(t)
	l.train("theirs", `{managedBy: kueue.x-k8s.io/multikueue}`)
	l.train("ours", `{}`)
	l.untilJobSet("ours")
	if l.get("theirs", &jobsetv1alpha2.JobSet{}) || len(l.job("theirs").Status.Conditions) > 0 {
		t.Error("it was touched")
	}
}

// A TrainJob goes on by its copy of the runtime.
func TestSnapshotIsKept(t *testing.T) {
	l := newLab(t)
	l.train("t", `{}`)
	js := l.untilJobSet("t")
	if !l.get("t-runtime-snapshot", &corev1.ConfigMap{}) {
		t.Error("there is no copy")
	}
	by := &trainer.TrainingRuntime{}
	l.get("plain", by)
	by.Spec.Template.Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.Containers[0].Image = "another"
	if err := l.Client.Update(t.Context(), by); err != nil {
		t.Fatal(err)
	}
	if err := l.Client.Delete(t.Context(), js); err != nil {
		t.Fatal(err)
	}
	l.Until("another JobSet", func() bool {
		now := &jobsetv1alpha2.JobSet{}
		return l.get("t", now) && now.UID != js.UID
	})
	if image := l.untilJobSet("t").Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.Containers[0].Image; image != "x" {
		t.Errorf("image %s", image)
	}
}

// What keeps a TrainJob from being made is said in a condition and one event,
// and gone when it is gone.
func TestTroubleIsSaid(t *testing.T) {
	l := newLab(t)
	taken := &jobsetv1alpha2.JobSet{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: "t"}, Spec: jobsetv1alpha2.JobSetSpec{
		Suspend: new(true),
		ReplicatedJobs: []jobsetv1alpha2.ReplicatedJob{{Name: "a", Replicas: 1, Template: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "x"}}}},
		}}}},
	}}
	l.create(taken)
	l.train("t", `{}`)
	want := `NameTaken: JobSet "t" belongs to another: delete it, or give the TrainJob another name`
	if got := l.untilCondition("t", trainer.TrainJobResourcesCreated, metav1.ConditionFalse); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	event := `TrainJobResourcesCreationFailed: TrainJob resources reconciliation failed: JobSet "t" belongs to another: delete it, or give the TrainJob another name`
	l.Until("the event", func() bool { return cmp.Equal(l.events("t"), []string{event}) })
	if err := l.Client.Delete(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	l.Until("the TrainJob's own", func() bool {
		now := &jobsetv1alpha2.JobSet{}
		return l.get("t", now) && metav1.IsControlledBy(now, l.job("t"))
	})
	l.Until("the condition to go", func() bool { return len(l.job("t").Status.Conditions) == 0 })
}

// What is refused on the way in, in which words.
func TestRefused(t *testing.T) {
	l := newLab(t)
	l.create(l.read(strings.Replace(strings.Replace(runtimeNode, "name: plain", "name: torch", 1), "numNodes: 1", "torch: {}", 1), &trainer.TrainingRuntime{}))
	const torch = `runtimeRef: {name: torch, kind: TrainingRuntime}`
	cases := map[string]struct{ name, spec, want string }{
		"Name":         {"1t", `{}`, "use lower-case letters, digits and '-', beginning with a letter"},
		"NoRuntime":    {"t", `{runtimeRef: {name: none}}`, `spec.runtimeRef.name: Invalid value: "none": there is no ClusterTrainingRuntime "none": create it, or name another in spec.runtimeRef`},
		"RuntimeKind":  {"t", `{runtimeRef: {name: x, kind: Recipe}}`, `spec.runtimeRef.kind: Invalid value: "Recipe.trainer.kubeflow.org": unsupported runtime: use ClusterTrainingRuntime or TrainingRuntime of trainer.kubeflow.org`},
		"Reserved":     {"t", `{` + torch + `, trainer: {env: [{name: PET_NNODES, value: "3"}]}}`, `spec.trainer.env: Invalid value: "PET_NNODES": must not have reserved envs, invalid envs configured: [PET_NNODES]: the runtime sets them, so leave them out`},
		"NoDataset":    {"t", `{initializer: {dataset: {storageUri: "s3://a/b"}}}`, `spec.runtimeRef.name: Invalid value: "plain": the runtime has no job named dataset-initializer: name a runtime that fetches it, or leave spec.initializer out`},
		"URI":          {"t", `{initializer: {dataset: {storageUri: "a/b"}}}`, "storageUri may be empty, or it must be a valid URI (scheme://...)"},
		"Processes":    {"t", `{trainer: {numProcPerNode: 0}}`, "numProcPerNode must be 1 or more, or auto, cpu or gpu"},
		"Word":         {"t", `{trainer: {numProcPerNode: many}}`, "numProcPerNode must be 1 or more, or auto, cpu or gpu"},
		"WordElse":     {"t", `{trainer: {numProcPerNode: auto}}`, `spec.trainer.numProcPerNode: Invalid value: "auto": only torch counts processors by itself: give a number`},
		"Deadline":     {"t", `{activeDeadlineSeconds: 0}`, "should be greater than or equal to 1"},
		"Manager":      {"t", `{managedBy: me}`, "ManagedBy must be trainer.kubeflow.org/trainjob-controller or kueue.x-k8s.io/multikueue if set"},
		"PatchManager": {"t", `{runtimePatches: [{manager: me}]}`, `spec.runtimePatches[0].manager: Invalid value: "me": must be a domain-prefixed path`},
		"PatchJob": {"t", `{runtimePatches: [{manager: a.io/b, trainingRuntimeSpec: {template: {spec: {replicatedJobs: [{name: other}]}}}}]}`,
			`"other": must not have replicated job that doesn't exist in the runtime job template: it has node`},
		"PatchContainer": {"t", `{podSpecOverrides: [{targetJobs: [{name: node}], containers: [{name: other}]}]}`, `"other": must not have container that doesn't exist in the runtime job node`},
		"PatchEnv": {"t", `{podTemplateOverrides: [{targetJobs: [{name: node}], spec: {containers: [{name: node, env: [{name: A, value: b}]}]}}]}`,
			`must not have envs for the dataset-initializer, model-initializer, node containers: set them in spec.trainer.env or spec.initializer`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := l.Client.Create(l.Context(), l.jobOf(tc.name, tc.spec))
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}

	l.train("t", `{}`)
	for field, edit := range map[string]func(*trainer.TrainJob){
		"spec.trainer":               func(j *trainer.TrainJob) { j.Spec.Trainer = &trainer.Trainer{NumNodes: new(int32(2))} },
		"spec.runtimeRef":            func(j *trainer.TrainJob) { j.Spec.RuntimeRef.Name = "torch" },
		"spec.managedBy":             func(j *trainer.TrainJob) { j.Spec.ManagedBy = new(trainer.ManagerMultiKueue) },
		"spec.activeDeadlineSeconds": func(j *trainer.TrainJob) { j.Spec.ActiveDeadlineSeconds = new(int64(5)) },
	} {
		l.untilJobSet("t")
		if err := l.change("t", edit); (err == nil) != (field == "spec.trainer" || field == "spec.activeDeadlineSeconds") {
			// Fields that were not there may be set: CEL sees no change of what was not.
			t.Errorf("%s: %v", field, err)
		}
	}

	bad := l.read(strings.Replace(strings.Replace(runtimeNode, "name: plain", "name: bad", 1), "containers: [{name: node", "containers: [{name: main", 1), &trainer.TrainingRuntime{})
	if err := l.Client.Create(t.Context(), bad); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "must contain the required container for the ancestor: trainer: name it node") {
		t.Errorf("a runtime without the container: %v", err)
	}
}
