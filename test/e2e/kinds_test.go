package e2e_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The platform's kinds are the same whether they were put into an empty cluster
// before it started or applied to one that had kinds already; and objects of them
// can be made at once.
func TestKindsOfAnEmptyCluster(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t, "--without", "node,s3,controllers")
	w.apply(t, "default", `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.org}
spec:
  group: example.org
  names: {kind: Boat, plural: boats}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]`)
	w.stops(t)

	w.starts(t, "--without", "node,s3")
	applied, _ := w.kinds(t)
	if _, there := applied["boats.example.org"]; !there || len(applied) < 2 {
		t.Fatalf("there are %d kinds, and boats among them: %v", len(applied), there)
	}
	delete(applied, "boats.example.org")
	w.kubectl(t, "delete", "crd", "--all", "--wait")
	w.stops(t)

	w.starts(t, "--without", "node,s3")
	stored, writers := w.kinds(t)
	if diff := cmp.Diff(applied, stored); diff != "" {
		t.Errorf("as they were applied and as they were put there (-/+):\n%s", diff)
	}
	if writers != len(stored) {
		t.Errorf("%d kinds had %d writers, want one each: their status was written again", len(stored), writers)
	}
	w.apply(t, "default", "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: idle}\nspec: {tfReplicaSpecs: {Worker: {replicas: 1, template: {spec: {containers: [{name: tensorflow, image: none}]}}}}}")
}

// kinds are all there are, by name, without what differs each time they are made,
// and how many have written them.
func (w *weir) kinds(t *testing.T) (kinds map[string]map[string]any, writers int) {
	t.Helper()
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(w.kubectl(t, "get", "crd", "-o", "json", "--show-managed-fields")), &list); err != nil {
		t.Fatal(err)
	}
	kinds = map[string]map[string]any{}
	for _, k := range list.Items {
		o := unstructured.Unstructured{Object: k}
		for _, f := range []string{"uid", "resourceVersion", "creationTimestamp"} {
			if value, _, _ := unstructured.NestedString(k, "metadata", f); value == "" {
				t.Errorf("kind %s has no %s", o.GetName(), f)
			}
			unstructured.RemoveNestedField(k, "metadata", f)
		}
		fields := o.GetManagedFields()
		writers += len(fields)
		fields[0].Time = nil
		o.SetManagedFields(fields[:1]) // Others are of the server's own controllers.
		conditions, _, _ := unstructured.NestedSlice(k, "status", "conditions")
		for _, c := range conditions {
			delete(c.(map[string]any), "lastTransitionTime")
		}
		if err := unstructured.SetNestedSlice(k, conditions, "status", "conditions"); err != nil {
			t.Fatal(err)
		}
		kinds[o.GetName()] = k
	}
	return kinds, writers
}
