package tensorflow_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// golden is the namespace that the captures were made in, and speak of.
const golden = "golden"

// A capture is what upstream's operator made of a job, and what it said.
type capture struct {
	Job    map[string]any
	Owned  []json.RawMessage
	Events []occurrence
}

// drives are the jobs whose pods did something while they were captured.
var drives = map[string]func(*lab){
	"tf-full": func(l *lab) {
		l.untilPods("tf-full", 6)
		l.run("tf-full-chief-0", "tf-full-evaluator-0", "tf-full-ps-0", "tf-full-ps-1", "tf-full-worker-0", "tf-full-worker-1")
		l.untilState("tf-full", training.JobRunning, corev1.ConditionTrue)
		first := l.pod("tf-full-worker-0")
		l.end("tf-full-worker-0", 130)
		l.untilReplaced(first)
		l.run("tf-full-worker-0")
		l.untilState("tf-full", training.JobRunning, corev1.ConditionTrue)
		l.end("tf-full-worker-1", 1)
		l.untilState("tf-full", training.JobFailed, corev1.ConditionTrue)
	},
}

// Every capture of a TFJob is made again, and compared.
func TestGolden(t *testing.T) {
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		t.Skip("WEIR_SHARED names no folder with golden/training in it, the captures to compare with")
	}
	files, err := filepath.Glob(filepath.Join(shared, "golden", "training", "TFJob-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("captures in %s: %v, %v", shared, files, err)
	}
	l := newLab(t, golden)
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
		t.Run(name, func(t *testing.T) {
			compare(&lab{T: t, client: l.client, namespace: l.namespace}, name, want)
		})
	}
}

func compare(l *lab, name string, want capture) {
	j := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": want.Job["apiVersion"], "kind": want.Job["kind"],
		"metadata": map[string]any{"name": name}, "spec": want.Job["spec"],
	}}
	l.create(j.DeepCopy())
	defer l.clear(name)
	l.untilPods(name, len(want.Owned)/2)
	if drive := drives[name]; drive != nil {
		drive(l)
	}
	said := map[occurrence]bool{}
	for _, o := range want.Events {
		said[o] = true
	}
	l.until("the events", func() bool {
		return cmp.Equal(said, l.events("TFJob", name)) || len(l.events("TFJob", name)) > len(said)
	})

	if diff := cmp.Diff(said, l.events("TFJob", name)); diff != "" {
		l.Errorf("events: -want, +got:\n%s", diff)
	}
	l.until("the status", func() bool { return len(l.job(name).Status.ReplicaStatuses) > 0 })
	got := &unstructured.Unstructured{}
	got.SetGroupVersionKind(training.GroupVersion.WithKind("TFJob"))
	if err := l.client.Get(l.Context(), client.ObjectKey{Namespace: l.namespace, Name: name}, got); err != nil {
		l.Fatal(err)
	}
	if diff := cmp.Diff(want.Job["spec"], timeless(got.Object["spec"])); diff != "" {
		l.Errorf("the spec is not read back as it was written: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(want.Job["status"], timeless(got.Object["status"])); diff != "" {
		l.Errorf("status: -want, +got:\n%s", diff)
	}

	pods, services := map[string]podFacts{}, map[string]serviceFacts{}
	for _, raw := range want.Owned {
		var kind metav1.TypeMeta
		decode(l, raw, &kind)
		switch kind.Kind {
		case "Pod":
			var p corev1.Pod
			decode(l, raw, &p)
			pods[p.Name] = factsOfPod(p)
		case "Service":
			var s corev1.Service
			decode(l, raw, &s)
			services[s.Name] = factsOfService(s)
		default:
			l.Errorf("the capture has a %s, which is compared with nothing", kind.Kind)
		}
	}
	gotPods, gotServices := map[string]podFacts{}, map[string]serviceFacts{}
	for _, p := range l.pods(name) {
		gotPods[p.Name] = factsOfPod(p)
	}
	for _, s := range l.services(name) {
		gotServices[s.Name] = factsOfService(s)
	}
	if diff := cmp.Diff(pods, gotPods); diff != "" {
		l.Errorf("pods: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(services, gotServices); diff != "" {
		l.Errorf("services: -want, +got:\n%s", diff)
	}
}

// clear leaves nothing of a job, so that the test can run again. The garbage
// collector would take what belongs to the job, but it looks for new kinds only
// every half a minute.
func (l *lab) clear(name string) {
	l.Helper()
	if err := l.client.Delete(l.Context(), l.job(name)); err != nil {
		l.Fatal(err)
	}
	in, of := client.InNamespace(l.namespace), client.MatchingLabels{training.LabelJobName: name}
	l.until("nothing to be left of "+name, func() bool {
		if err := l.client.DeleteAllOf(l.Context(), &corev1.Pod{}, in, of, client.GracePeriodSeconds(0)); err != nil {
			l.Fatal(err)
		}
		for _, s := range l.services(name) {
			if err := l.client.Delete(l.Context(), &s); client.IgnoreNotFound(err) != nil {
				l.Fatal(err)
			}
		}
		return len(l.pods(name)) == 0 && len(l.services(name)) == 0
	})
	if err := l.client.DeleteAllOf(l.Context(), &corev1.Event{}, in); err != nil {
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
	Containers []corev1.Container
	Volumes    []corev1.Volume
}

func factsOfPod(p corev1.Pod) podFacts {
	f := podFacts{Labels: p.Labels, Owners: owners(p.OwnerReferences), Phase: p.Status.Phase, Restart: p.Spec.RestartPolicy}
	token := func(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
	for _, c := range p.Spec.Containers {
		c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return token(m.Name) })
		if len(c.VolumeMounts) == 0 {
			c.VolumeMounts = nil
		}
		f.Containers = append(f.Containers, c)
	}
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

func owners(refs []metav1.OwnerReference) []metav1.OwnerReference {
	for i := range refs {
		refs[i].UID = ""
	}
	return refs
}
