package mpi

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/randfill"
	"sigs.k8s.io/yaml"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/api/training/v1alpha1"
)

var versions = []string{"v1alpha1", "v1alpha2", "v1", "v2beta1"}

// However often a job is turned into other versions, as the one it was written
// as it is what was written.
func TestConvertLosesNothing(t *testing.T) {
	for seed := range int64(400) {
		fill := randfill.NewWithSeed(seed).NilChance(0.4).NumElements(1, 2).MaxDepth(9).Funcs(
			func(*corev1.PodSpec, randfill.Continue) {},
			func(t *corev1.PodTemplateSpec, c randfill.Continue) {
				t.Labels = map[string]string{"team": c.String(5)}
				t.Spec.Containers = []corev1.Container{{Name: c.String(5), Image: c.String(9), Command: []string{c.String(5)}}}
			},
		)
		dice := rand.New(rand.NewPCG(uint64(seed), 0))
		written := versions[dice.IntN(len(versions))]
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "kubeflow.org/" + written, "kind": "MPIJob"}}
		o.SetName("pi")
		var spec any
		if written == oldest {
			var s v1alpha1.MPIJobSpec
			fill.Fill(&s)
			// Of the ways to say how many workers there are, one may be used.
			s.GPUs, s.GPUsPerNode, s.ProcessingUnitsPerNode = nil, nil, nil
			if s.Replicas != nil {
				s.ProcessingUnits = nil
			} else if s.ProcessingUnits != nil {
				*s.ProcessingUnits = 1 + dice.Int32N(9)
			}
			spec = s
		} else {
			var s training.MPIJobSpec
			fill.Fill(&s)
			spec = s
		}
		o.Object["spec"] = asMap(t, spec)
		if dice.IntN(2) == 0 {
			o.SetAnnotations(map[string]string{"note": "mine"})
		}
		want := o.DeepCopy()

		path := []string{written}
		for range 1 + dice.IntN(6) {
			path = append(path, versions[dice.IntN(len(versions))])
		}
		path = append(path, written)
		for _, v := range path {
			if err := Convert(o, schema.GroupVersion{Group: "kubeflow.org", Version: v}); err != nil {
				t.Fatalf("seed %d, by %v: %v", seed, path, err)
			}
		}
		if diff := cmp.Diff(asMap(t, want.Object), asMap(t, o.Object)); diff != "" {
			t.Fatalf("seed %d, by %v: -written, +read:\n%s", seed, path, diff)
		}
	}
}

// A job of v1alpha1 says with other words which replicas it has.
func TestConvertOldest(t *testing.T) {
	const template = `template: {spec: {containers: [{name: main, image: x, command: [mpirun], resources: {limits: {nvidia.com/gpu: 4}}}]}}`
	cases := map[string]struct {
		spec string
		// want is: workers × units of what, slots.
		workers, slots int32
		resource       corev1.ResourceName
		units          string
		problem        string
	}{
		"Replicas":   {spec: `{replicas: 3, ` + template + `}`, workers: 3, slots: 4, resource: gpu, units: "4"},
		"Units":      {spec: `{processingUnits: 8, processingUnitsPerNode: 2, ` + template + `}`, workers: 4, slots: 2, resource: gpu, units: "2"},
		"CPUs":       {spec: `{processingUnits: 8, processingUnitsPerNode: 4, processingResourceType: cpu, ` + template + `}`, workers: 2, slots: 4, resource: "cpu", units: "4"},
		"GPUs":       {spec: `{gpus: 6, gpusPerNode: 3, slotsPerWorker: 1, ` + template + `}`, workers: 2, slots: 1, resource: gpu, units: "3"},
		"FewerThan":  {spec: `{gpus: 2, gpusPerNode: 4, ` + template + `}`, workers: 1, slots: 2, resource: gpu, units: "2"},
		"OnePerNode": {spec: `{gpus: 2, ` + template + `}`, workers: 2, slots: 1, resource: gpu, units: "1"},
		"NoMultiple": {spec: `{gpus: 5, gpusPerNode: 4}`, problem: "spec.gpus is 5, which is no multiple of spec.gpusPerNode, 4: change one of the two"},
		"Twice":      {spec: `{gpus: 5, processingUnits: 5}`, problem: "spec.gpus is 5 and spec.processingUnits is 5: keep one of the two"},
		"AndCount":   {spec: `{processingUnits: 5, replicas: 5}`, problem: "spec.processingUnits is 5 and spec.replicas is 5: keep one of the two"},
		"None":       {spec: `{gpus: 0}`, problem: "spec.gpus is 0, of which spec.gpusPerNode puts 1 on a node: give 1 or more for each"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := manifest(t, `{apiVersion: kubeflow.org/v1alpha1, kind: MPIJob, metadata: {name: pi}, spec: `+tc.spec+`}`)
			err := Convert(o, training.GroupVersion)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Fatalf("%v, want: %s", err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			j := jobFrom(t, o)
			launcher, worker := j.Spec.MPIReplicaSpecs["Launcher"], j.Spec.MPIReplicaSpecs["Worker"]
			if *worker.Replicas != tc.workers || j.Slots() != tc.slots {
				t.Errorf("%d workers of %d slots, want %d of %d", *worker.Replicas, j.Slots(), tc.workers, tc.slots)
			}
			main := worker.Template.Spec.Containers[0]
			if q := main.Resources.Limits[tc.resource]; q.String() != tc.units || len(main.Command) > 0 {
				t.Errorf("a worker has %s of %s, and runs %v", q.String(), tc.resource, main.Command)
			}
			main = launcher.Template.Spec.Containers[0]
			if q, ok := main.Resources.Limits[gpu]; ok || len(main.Command) != 1 {
				t.Errorf("the launcher has %s GPUs, and runs %v", q.String(), main.Command)
			}
			if problems := j.Validate(); len(problems) > 0 {
				t.Errorf("it is not valid: %v", problems)
			}
		})
	}
}

// What was changed as one version is changed in the other, and the status is
// said in the words of each.
func TestConvertAfterAChange(t *testing.T) {
	o := manifest(t, `{apiVersion: kubeflow.org/v1alpha1, kind: MPIJob, metadata: {name: pi}, spec: {replicas: 2, template: {spec: {containers: [{name: main, image: x}]}}}}`)
	if err := Convert(o, training.GroupVersion); err != nil {
		t.Fatal(err)
	}
	set := func(value any, at ...string) {
		if err := unstructured.SetNestedField(o.Object, value, at...); err != nil {
			t.Fatal(err)
		}
	}
	set(int64(5), "spec", "mpiReplicaSpecs", "Worker", "replicas")
	set([]any{map[string]any{"type": "Running", "status": "True"}}, "status", "conditions")
	set(int64(5), "status", "replicaStatuses", "Worker", "active")
	if err := Convert(o, schema.GroupVersion{Group: "kubeflow.org", Version: "v1alpha1"}); err != nil {
		t.Fatal(err)
	}
	var old v1alpha1.MPIJob
	decode(t, asMap(t, o.Object), &old)
	if *old.Spec.Replicas != 5 || old.Status.LauncherStatus != "Active" || old.Status.WorkerReplicas != 5 {
		t.Errorf("replicas %d, status %q with %d workers", *old.Spec.Replicas, old.Status.LauncherStatus, old.Status.WorkerReplicas)
	}
}

func manifest(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func jobFrom(t *testing.T, o *unstructured.Unstructured) *training.MPIJob {
	t.Helper()
	j := &training.MPIJob{}
	decode(t, asMap(t, o.Object), j)
	return j
}

func asMap(t *testing.T, v any) map[string]any {
	t.Helper()
	var m map[string]any
	decode(t, v, &m)
	return m
}

func decode(t *testing.T, from, into any) {
	t.Helper()
	data, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
