package mpi_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// A capture is what upstream's operator made of a job, and what it said.
type capture struct {
	Job    map[string]any
	Owned  []map[string]any
	Events []occurrence
}

// raced is an event of a look that did not see what the one before had made.
const raced = "launcher pod created failed: "

// Every capture of an MPIJob is made again, and compared.
func TestGolden(t *testing.T) {
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		t.Skip("WEIR_SHARED names no folder with golden/training in it, the captures to compare with")
	}
	files, err := filepath.Glob(filepath.Join(shared, "golden", "training", "MPIJob-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("captures in %s: %v, %v", shared, files, err)
	}
	l := newLab(t, "golden")
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
		"metadata": map[string]any{"name": name, "namespace": l.namespace}, "spec": want.Job["spec"],
	}}
	if err := l.client.Create(l.Context(), j.DeepCopy()); err != nil {
		l.Fatal(err)
	}
	if want.Job["status"] == nil {
		// Upstream says so at every look, and in no status; see docs/training.md.
		c := l.untilSaid(name, "Failed True MPIJobFailedValidation")
		if want := "spec.mpiReplicaSpecs[Launcher]: Required value: must be present: it runs mpirun, so give one"; c.Message != want {
			l.Errorf("message %q, want %q", c.Message, want)
		}
		l.until("its one event", func() bool { return l.events(name)[occurrence{"Warning", c.Reason, c.Message}] })
		if all := l.events(name); len(all) != 1 {
			l.Errorf("events %v, want one", all)
		}
		return
	}

	said := map[occurrence]bool{}
	for _, o := range want.Events {
		if !strings.HasPrefix(o.Message, raced) {
			said[o] = true
		}
	}
	l.until("the events", func() bool { return len(l.events(name)) >= len(said) })
	if diff := cmp.Diff(said, l.events(name)); diff != "" {
		l.Errorf("events: -want, +got:\n%s", diff)
	}
	l.until("the status", func() bool { return len(l.job(name).Status.ReplicaStatuses) > 0 })
	got := l.read("v1", name)
	for _, part := range []string{"spec", "status"} {
		if diff := cmp.Diff(want.Job[part], timeless(got.Object[part])); diff != "" {
			l.Errorf("%s: -want, +got:\n%s", part, diff)
		}
	}
	for _, o := range want.Owned {
		wanted := &unstructured.Unstructured{Object: o}
		there := &unstructured.Unstructured{}
		there.SetGroupVersionKind(wanted.GroupVersionKind())
		if err := l.get(wanted.GetName(), there); err != nil {
			l.Errorf("%s %s: %v", wanted.GetKind(), wanted.GetName(), err)
			continue
		}
		if diff := cmp.Diff(facts(l, wanted), facts(l, there)); diff != "" {
			l.Errorf("%s %s: -want, +got:\n%s", wanted.GetKind(), wanted.GetName(), diff)
		}
	}
}

// facts are what a controller decides of an object. The rest is the API
// server's, and differs from one version to the next.
func facts(l *lab, o *unstructured.Unstructured) any {
	l.Helper()
	all := map[string]any{"labels": o.GetLabels()}
	for _, ref := range o.GetOwnerReferences() {
		ref.UID = ""
		all["owner"] = ref
	}
	for _, field := range []string{"data", "rules", "roleRef", "subjects"} {
		all[field] = o.Object[field]
	}
	if o.GetKind() != "Pod" {
		return all
	}
	var p corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
		l.Fatal(err)
	}
	token := func(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i, c := range containers {
			containers[i].VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return token(m.Name) })
		}
	}
	all["volumes"] = slices.DeleteFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return token(v.Name) })
	all["inits"], all["containers"] = p.Spec.InitContainers, p.Spec.Containers
	all["restart"], all["account"], all["phase"] = p.Spec.RestartPolicy, p.Spec.ServiceAccountName, p.Status.Phase
	if o.GetLabels()["training.kubeflow.org/replica-type"] == "worker" {
		delete(all, "account") // The captures leave out that it is the default.
	}
	return all
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
