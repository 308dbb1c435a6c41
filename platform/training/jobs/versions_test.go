package jobs_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// versions are those that a kind is served in besides v1, by the kind's index.
var versions = map[string][]string{
	training.TFJobKind:      {"v1alpha2", "v1beta1", "v1beta2"},
	training.PyTorchJobKind: {"v1beta1", "v1beta2"},
}

// A manifest of an old version runs as it is, by the policy that stands where
// it stood then, and reads back as it was sent.
func TestOldVersionsRun(t *testing.T) {
	l := newLab(t, "versions")
	for _, k := range kinds {
		for _, version := range versions[k.name] {
			t.Run(k.name+"/"+version, func(t *testing.T) {
				l, name := l.of(t, k), strings.ToLower(k.name+"-"+version)
				sent := k.job(l, name, "", "")
				sent.SetAPIVersion("kubeflow.org/" + version)
				spec := sent.Object["spec"].(map[string]any)
				delete(spec, "runPolicy")
				spec["cleanPodPolicy"], spec["backoffLimit"] = "All", int64(3)
				l.Create(sent.DeepCopy())
				l.untilPods(name, 2)
				leader := training.ReplicaName(name, k.leader, 0)
				l.run(leader)
				l.end(leader, 0)
				l.untilState(name, training.JobSucceeded, corev1.ConditionTrue)
				l.untilPods(name, 0)
				if diff := cmp.Diff(sent.Object["spec"], l.readAs(sent).Object["spec"]); diff != "" {
					t.Errorf("the spec is not read back as it was sent: -sent, +read:\n%s", diff)
				}
			})
		}
	}
}

// Whatever stands in a manifest of any version is read back as it was sent, in
// every version.
func TestVersionsLoseNothing(t *testing.T) {
	l := newLab(t, "nothing-lost")
	random := rand.New(rand.NewPCG(1, 2))
	for _, k := range kinds {
		all := append([]string{"v1"}, versions[k.name]...)
		for _, version := range all {
			for i := range 8 {
				l := l.of(t, k)
				sent := &unstructured.Unstructured{Object: map[string]any{"spec": k.any(t, random)}}
				sent.SetAPIVersion("kubeflow.org/" + version)
				sent.SetKind(k.name)
				sent.SetName(fmt.Sprintf("%s-%s-%d", strings.ToLower(k.name), version, i))
				l.Create(sent.DeepCopy())
				for _, other := range all {
					read := sent.DeepCopy()
					read.SetAPIVersion("kubeflow.org/" + other)
					if diff := cmp.Diff(sent.Object["spec"], l.readAs(read).Object["spec"]); diff != "" {
						t.Fatalf("%s, sent as %s and read as %s: -sent, +read:\n%s", k.name, version, other, diff)
					}
				}
			}
		}
	}
}

// readAs reads an object in its version.
func (l *lab) readAs(o *unstructured.Unstructured) *unstructured.Unstructured {
	l.Helper()
	read := &unstructured.Unstructured{}
	read.SetGroupVersionKind(o.GroupVersionKind())
	if err := l.Client.Get(l.Context(), client.ObjectKey{Namespace: l.Namespace, Name: o.GetName()}, read); err != nil {
		l.Fatal(err)
	}
	return read
}

// any is the spec of some job that another controller runs: of the fields there
// are, each is there or not.
func (k kind) any(t *testing.T, random *rand.Rand) map[string]any {
	maybe := func(field string) string {
		if random.IntN(2) == 0 {
			return ""
		}
		return field + ", "
	}
	policy := func() string {
		return maybe("cleanPodPolicy: Undefined") + maybe("backoffLimit: 3") + maybe("activeDeadlineSeconds: 60") + maybe("ttlSecondsAfterFinished: 0")
	}
	template := func() string {
		return "metadata: {" + maybe("labels: {a: b}") + maybe("annotations: {c: d}") + "}, spec: {" +
			maybe("nodeSelector: {zone: x}") + maybe("affinity: {nodeAffinity: {}}") + maybe("volumes: [{name: v, emptyDir: {}}]") + maybe("restartPolicy: Never") +
			"containers: [{name: " + k.container + ", image: x, " + maybe("command: [python, train.py]") + maybe("env: [{name: A, value: b}]") +
			maybe("ports: [{name: p, containerPort: 1234, protocol: TCP}]") + maybe("resources: {limits: {cpu: 100m, nvidia.com/gpu: 1}}") + "}]}"
	}
	replica := func(rt training.ReplicaType) string {
		return fmt.Sprintf("%s: {%s template: {%s}}", rt, maybe("replicas: 1")+maybe("restartPolicy: ExitCode"), template())
	}
	replicas := replica("worker")
	if !k.lone {
		replicas += ", " + replica(k.leader)
	}
	old := ""
	if len(versions[k.name]) > 0 {
		old = policy()
	}
	return parse(t, fmt.Sprintf("{%srunPolicy: {%s managedBy: %s}, %s: {%s}}", old, policy()+maybe("suspend: false")+maybe("schedulingPolicy: {minAvailable: 1}"),
		training.ManagerMultiKueue, k.field, replicas))
}
