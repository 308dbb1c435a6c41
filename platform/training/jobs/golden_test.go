package jobs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/stage"
)

// golden is the namespace that the captures were made in, and speak of.
const golden = "golden"

// A capture is what upstream's operator made of a job, and what it said.
type capture struct {
	Job    map[string]any
	Owned  []json.RawMessage
	Events []stage.Occurrence
}

// drives are the jobs whose pods did something while they were captured.
var drives = map[string]func(l *lab, name string){
	"tf-full": func(l *lab, name string) {
		l.untilPods(name, 6)
		l.run("tf-full-chief-0", "tf-full-evaluator-0", "tf-full-ps-0", "tf-full-ps-1", "tf-full-worker-0", "tf-full-worker-1")
		l.untilState(name, training.JobRunning, corev1.ConditionTrue)
		first := l.Pod("tf-full-worker-0")
		l.end("tf-full-worker-0", 130)
		l.untilReplaced(first)
		l.run("tf-full-worker-0")
		l.untilState(name, training.JobRunning, corev1.ConditionTrue)
		l.end("tf-full-worker-1", 1)
		l.untilState(name, training.JobFailed, corev1.ConditionTrue)
	},
	"pytorch-dist-basic-sendrecv": func(l *lab, name string) {
		l.run(name + "-master-0")
		l.untilState(name, training.JobRunning, corev1.ConditionTrue)
		first := l.Pod(name + "-worker-0")
		l.end(name+"-worker-0", 1)
		l.untilReplaced(first)
		l.untilState(name, training.JobRunning, corev1.ConditionTrue)
	},
	"pytorch-simple": func(l *lab, name string) {
		l.run(name + "-master-0")
		l.untilState(name, training.JobRunning, corev1.ConditionTrue)
		l.patch(name, `{"spec": {"runPolicy": {"suspend": true}}}`)
		l.untilPods(name, 0)
		l.patch(name, `{"spec": {"runPolicy": {"suspend": false}}}`)
		l.untilPods(name, 2)
	},
	"pt-suspend": func(l *lab, name string) {
		l.untilState(name, training.JobSuspended, corev1.ConditionTrue)
	},
	"pt-deadline": func(l *lab, name string) {
		l.untilState(name, training.JobFailed, corev1.ConditionTrue)
	},
	"xgboost-dist-iris-test-train": func(l *lab, name string) {
		l.run(name + "-master-0")
		l.untilState(name, training.JobRunning, corev1.ConditionTrue)
		l.end(name+"-worker-0", 1)
		l.untilState(name, training.JobFailed, corev1.ConditionTrue)
	},
}

// amendments are where weir differs on purpose from what was captured.
var amendments = map[string]func(*capture){
	// The operator that was captured took the pods away whatever the job said;
	// here it says so. And 15 seconds are long.
	"pt-deadline": func(c *capture) {
		policy := c.Job["spec"].(map[string]any)["runPolicy"].(map[string]any)
		policy["cleanPodPolicy"], policy["activeDeadlineSeconds"] = "All", float64(1)
	},
	// A failed job has a completion time, and does not say that it restarts.
	"xgboost-dist-iris-test-train": func(c *capture) {
		c.Job["status"].(map[string]any)["completionTime"] = "<time>"
		c.Events = slices.DeleteFunc(c.Events, func(o stage.Occurrence) bool { return o.Reason == "XGBoostJobRestarting" })
	},
	// Of a job that makes no sense the operator that was captured says so at every
	// look, and in no status.
	"mpi-bad": func(c *capture) {
		const why = "spec.mpiReplicaSpecs[Launcher]: Required value: must be present: it runs mpirun, so give one"
		c.Events = []stage.Occurrence{stage.Warning("MPIJobFailedValidation", why)}
		condition := func(t, reason, message string) any {
			return map[string]any{"type": t, "status": "True", "reason": reason, "message": message, "lastTransitionTime": "<time>", "lastUpdateTime": "<time>"}
		}
		c.Job["status"] = map[string]any{"completionTime": "<time>", "conditions": []any{
			condition("Created", "MPIJobCreated", "MPIJob mpi-bad is created."), condition("Failed", "MPIJobFailedValidation", why),
		}}
	},
	"tensorflow-mnist":         lookedTwice,
	"tensorflow-mnist-elastic": lookedTwice,
}

// lookedTwice leaves out what was said by a look that did not see what the one
// before had made.
func lookedTwice(c *capture) {
	c.Events = slices.DeleteFunc(c.Events, func(o stage.Occurrence) bool { return strings.HasPrefix(o.Message, "launcher pod created failed: ") })
}

// Every capture of a job is made again, and compared.
func TestGolden(t *testing.T) {
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		t.Skip("WEIR_SHARED names no folder with golden/training in it, the captures to compare with")
	}
	l := newLab(t, golden)
	for _, k := range kinds {
		files, err := filepath.Glob(filepath.Join(shared, "golden", "training", k.name+"-*.json"))
		if err != nil || len(files) == 0 && k.name != training.MXJobKind {
			t.Fatalf("captures of %ss in %s: %v, %v", k.name, shared, files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want capture
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			name := want.Job["metadata"].(map[string]any)["name"].(string)
			t.Run(k.name+"/"+name, func(t *testing.T) { compare(l.of(t, k), name, want) })
		}
	}
}

func compare(l *lab, name string, want capture) {
	if amend := amendments[name]; amend != nil {
		amend(&want)
	}
	j := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": want.Job["apiVersion"], "kind": want.Job["kind"],
		"metadata": map[string]any{"name": name}, "spec": want.Job["spec"],
	}}
	l.Create(j.DeepCopy())
	defer l.clear(name)
	owned := factsOf(l, want.Owned)
	if drive := drives[name]; drive != nil {
		drive(l, name)
	}
	l.Until("its pods", func() bool {
		return len(l.pods(name)) == len(owned.Pods) && len(l.services(name)) == len(owned.Services)
	})
	said := map[stage.Occurrence]bool{}
	for _, o := range want.Events {
		said[o] = true
	}
	defer func() { // also if they never come
		if diff := cmp.Diff(said, l.Events(l.kind.name, name)); diff != "" {
			l.Errorf("events: -want, +got:\n%s", diff)
		}
	}()
	l.Until("the events", func() bool {
		return cmp.Equal(said, l.Events(l.kind.name, name)) || len(l.Events(l.kind.name, name)) > len(said)
	})
	got := &unstructured.Unstructured{}
	got.SetGroupVersionKind(training.GroupVersion.WithKind(l.kind.name))
	l.Until("the status", func() bool {
		if err := l.Client.Get(l.Context(), client.ObjectKey{Namespace: l.Namespace, Name: name}, got); err != nil {
			l.Fatal(err)
		}
		return cmp.Equal(want.Job["status"], timeless(got.Object["status"])) || len(l.job(name).Report().ReplicaStatuses) > 0
	})
	if diff := cmp.Diff(want.Job["spec"], timeless(got.Object["spec"])); diff != "" {
		l.Errorf("the spec is not read back as it was written: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(want.Job["status"], timeless(got.Object["status"])); diff != "" {
		l.Errorf("status: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(owned, l.belongings(name, owned.Others)); diff != "" {
		l.Errorf("what belongs to it: -want, +got:\n%s", diff)
	}
}

// belongings are what belongs to a job, as far as a controller decides it.
type belongings struct {
	Pods        map[string]podFacts
	Services    map[string]serviceFacts
	Autoscalers map[string]autoscalerFacts
	// Others are what else it keeps, by kind and name.
	Others map[string]map[string]any
}

func newBelongings() belongings {
	return belongings{map[string]podFacts{}, map[string]serviceFacts{}, map[string]autoscalerFacts{}, map[string]map[string]any{}}
}

// factsOf reads what belonged to a captured job.
func factsOf(l *lab, owned []json.RawMessage) belongings {
	l.Helper()
	all := newBelongings()
	for _, raw := range owned {
		var kind metav1.TypeMeta
		decode(l, raw, &kind)
		switch kind.Kind {
		case "Pod":
			var p corev1.Pod
			decode(l, raw, &p)
			all.Pods[p.Name] = factsOfPod(p)
		case "Service":
			var s corev1.Service
			decode(l, raw, &s)
			all.Services[s.Name] = factsOfService(s)
		case "HorizontalPodAutoscaler":
			var h autoscalingv2.HorizontalPodAutoscaler
			decode(l, raw, &h)
			all.Autoscalers[h.Name] = autoscalerFacts{owners(h.OwnerReferences), h.Spec}
		default:
			o := &unstructured.Unstructured{}
			decode(l, raw, &o.Object)
			all.Others[kind.APIVersion+" "+kind.Kind+" "+o.GetName()] = factsOfOther(o)
		}
	}
	return all
}

// belongings reads what belongs to a job; of what else it keeps, what is there of
// some.
func (l *lab) belongings(name string, others map[string]map[string]any) belongings {
	l.Helper()
	all := newBelongings()
	for _, p := range l.pods(name) {
		all.Pods[p.Name] = factsOfPod(p)
	}
	for _, s := range l.services(name) {
		all.Services[s.Name] = factsOfService(s)
	}
	var autoscalers autoscalingv2.HorizontalPodAutoscalerList
	if err := l.Client.List(l.Context(), &autoscalers, client.InNamespace(l.Namespace)); err != nil {
		l.Fatal(err)
	}
	for _, h := range autoscalers.Items {
		if h.Name == name {
			all.Autoscalers[h.Name] = autoscalerFacts{owners(h.OwnerReferences), h.Spec}
		}
	}
	for which := range others {
		words := strings.Fields(which)
		o := &unstructured.Unstructured{}
		o.SetAPIVersion(words[0])
		o.SetKind(words[1])
		if err := l.Get(words[2], o); err != nil {
			l.Error(err)
			continue
		}
		all.Others[which] = factsOfOther(o)
	}
	return all
}

// clear leaves nothing of a job, so that the test can run again. The garbage
// collector would take what belongs to the job, but it looks for new kinds only
// every half a minute.
func (l *lab) clear(name string) {
	l.Helper()
	if err := l.Client.Delete(l.Context(), l.job(name)); err != nil {
		l.Fatal(err)
	}
	in, of := client.InNamespace(l.Namespace), client.MatchingLabels{training.LabelJobName: name}
	l.Until("nothing to be left of "+name, func() bool {
		if err := l.Client.DeleteAllOf(l.Context(), &corev1.Pod{}, in, of, client.GracePeriodSeconds(0)); err != nil {
			l.Fatal(err)
		}
		for _, s := range l.services(name) {
			if err := l.Client.Delete(l.Context(), &s); client.IgnoreNotFound(err) != nil {
				l.Fatal(err)
			}
		}
		return len(l.pods(name)) == 0 && len(l.services(name)) == 0
	})
	if err := l.Client.DeleteAllOf(l.Context(), &corev1.Event{}, in); err != nil {
		l.Fatal(err)
	}
}

func decode(l *lab, data []byte, into any) {
	l.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		l.Fatal(err)
	}
}

// timeless puts a word for every time, as the captures do.
func timeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = timeless(value)
			if strings.HasSuffix(key, "Time") {
				out[key] = "<time>"
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = timeless(v[i])
		}
		return out
	case int64:
		return float64(v)
	}
	return v
}

// podFacts are what a controller decides of a pod. The rest is the API
// server's, and differs from one version to the next.
type podFacts struct {
	Labels     map[string]string
	Owners     []metav1.OwnerReference
	Phase      corev1.PodPhase
	Restart    corev1.RestartPolicy
	Account    string
	Init       []corev1.Container
	Containers []corev1.Container
	Volumes    []corev1.Volume
}

func factsOfPod(p corev1.Pod) podFacts {
	f := podFacts{Labels: p.Labels, Owners: owners(p.OwnerReferences), Phase: p.Status.Phase, Restart: p.Spec.RestartPolicy}
	if p.Spec.ServiceAccountName != "default" { // which captures leave out
		f.Account = p.Spec.ServiceAccountName
	}
	token := func(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
	own := func(all []corev1.Container) []corev1.Container {
		for i, c := range all {
			c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return token(m.Name) })
			if len(c.VolumeMounts) == 0 {
				c.VolumeMounts = nil
			}
			all[i] = c
		}
		return all
	}
	f.Init, f.Containers = own(p.Spec.InitContainers), own(p.Spec.Containers)
	for _, v := range p.Spec.Volumes {
		if !token(v.Name) {
			f.Volumes = append(f.Volumes, v)
		}
	}
	return f
}

type serviceFacts struct {
	Labels    map[string]string
	Owners    []metav1.OwnerReference
	ClusterIP string
	Selector  map[string]string
	Ports     []corev1.ServicePort
}

func factsOfService(s corev1.Service) serviceFacts {
	return serviceFacts{s.Labels, owners(s.OwnerReferences), s.Spec.ClusterIP, s.Spec.Selector, s.Spec.Ports}
}

type autoscalerFacts struct {
	Owners []metav1.OwnerReference
	Spec   autoscalingv2.HorizontalPodAutoscalerSpec
}

// factsOfOther are what a controller decides of an object of whatever kind.
func factsOfOther(o *unstructured.Unstructured) map[string]any {
	all := map[string]any{"labels": o.GetLabels(), "owners": owners(o.GetOwnerReferences())}
	for _, field := range []string{"data", "rules", "roleRef", "subjects"} {
		all[field] = o.Object[field]
	}
	return all
}

func owners(refs []metav1.OwnerReference) []metav1.OwnerReference {
	for i := range refs {
		refs[i].UID = ""
	}
	return refs
}
