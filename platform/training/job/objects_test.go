package job

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A pod is its template, called and labelled by its place.
func TestNewPod(t *testing.T) {
	j := jobOf(workers(2), restart(training.RestartExitCode), func(j *training.TFJob) {
		template := &j.Spec.TFReplicaSpecs["Worker"].Template
		template.Labels = map[string]string{"team": "vision", training.LabelReplicaIndex: "mine"}
		template.Annotations = map[string]string{"sidecar.istio.io/inject": "false"}
		template.Spec.RestartPolicy = corev1.RestartPolicyAlways
		template.Spec.Containers = append(template.Spec.Containers, corev1.Container{Name: "side", Image: "y"})
	})
	j.Default()
	port := []corev1.ContainerPort{{Name: training.TFJobPortName, ContainerPort: 2222, Protocol: corev1.ProtocolTCP}}
	want := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ada", Name: "mnist-worker-0",
			Labels: map[string]string{
				"team":                                "vision",
				"training.kubeflow.org/job-name":      "mnist",
				"training.kubeflow.org/job-role":      "master",
				"training.kubeflow.org/operator-name": "plain-controller",
				"training.kubeflow.org/replica-index": "0",
				"training.kubeflow.org/replica-type":  "worker",
			},
			Annotations:     map[string]string{"sidecar.istio.io/inject": "false"},
			OwnerReferences: ownedByMnist(),
		},
		Spec: corev1.PodSpec{
			Containers:    []corev1.Container{{Name: training.TFJobContainer, Image: "x", Ports: port}, {Name: "side", Image: "y"}},
			RestartPolicy: corev1.RestartPolicyNever,
		},
	}
	before := j.DeepCopy()
	if diff := cmp.Diff(want, newPod(plain{}, j, Replica{"Worker", 0})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if diff := cmp.Diff(before, j); diff != "" {
		t.Errorf("to make a pod changed the job: %s", diff)
	}
	if role := newPod(plain{}, j, Replica{"Worker", 1}).Labels[training.LabelJobRole]; role != "" {
		t.Errorf("worker 1 has role %q", role)
	}
}

// A service leads to one pod, on all ports of its framework's container.
func TestNewService(t *testing.T) {
	j := jobOf(workers(2), func(j *training.TFJob) {
		c := &j.Spec.TFReplicaSpecs["Worker"].Template.Spec.Containers[0]
		c.Ports = []corev1.ContainerPort{{Name: training.TFJobPortName, ContainerPort: 3333}, {ContainerPort: 6006, Protocol: corev1.ProtocolTCP}}
	})
	j.Default()
	labels := map[string]string{
		"training.kubeflow.org/job-name":      "mnist",
		"training.kubeflow.org/operator-name": "plain-controller",
		"training.kubeflow.org/replica-index": "1",
		"training.kubeflow.org/replica-type":  "worker",
	}
	want := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ada", Name: "mnist-worker-1", Labels: labels, OwnerReferences: ownedByMnist()},
		Spec: corev1.ServiceSpec{
			ClusterIP: "None", Selector: labels,
			Ports: []corev1.ServicePort{{Name: "tfjob-port", Port: 3333}, {Name: "port-6006", Port: 6006, Protocol: corev1.ProtocolTCP}},
		},
	}
	if diff := cmp.Diff(want, newService(plain{}.Traits(), j, Replica{"Worker", 1})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func ownedByMnist() []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: "kubeflow.org/v1", Kind: "TFJob", Name: "mnist", UID: "job-1", Controller: new(true), BlockOwnerDeletion: new(true),
	}}
}

// A job is counted once for each thing that becomes of it; frameworks share the
// counters, and a kind may be counted under a name of its own besides.
func TestCounters(t *testing.T) {
	registry := prometheus.NewRegistry()
	one, err := newCounters(registry, Traits{Name: "tensorflow", Metrics: "tf_operator"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := newCounters(registry, Traits{Name: "pytorch"})
	if err != nil {
		t.Fatal(err)
	}
	created := training.JobStatus{Conditions: []training.JobCondition{is("Created", true, "", 0, 0)}}
	failed := training.JobStatus{Conditions: append(created.Conditions, is("Failed", true, "", 0, 0))}
	one.changed("ada", &training.JobStatus{}, &created)
	one.changed("ada", &created, &created)
	one.changed("ada", &created, &failed)
	other.restarted("ada")

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{
		"training_operator_jobs_created_total tensorflow ada": 1,
		"training_operator_jobs_failed_total tensorflow ada":  1,
		"training_operator_jobs_restarted_total pytorch ada":  1,
		"tf_operator_jobs_created_total":                      1,
		"tf_operator_jobs_failed_total":                       1,
		"tf_operator_jobs_successful_total":                   0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
