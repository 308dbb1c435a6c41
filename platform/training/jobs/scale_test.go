package jobs_test

import (
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Workers come and go by kubectl scale, and by whatever else knows of scales.
func TestScale(t *testing.T) {
	l := newLab(t, "scale")
	for _, k := range kinds {
		if k.name != training.PyTorchJobKind && k.name != training.PaddleJobKind && k.name != training.JAXJobKind {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			l := l.of(t, k)
			name := "scaled-" + k.container
			l.Create(k.job(l, name, "", ""))
			l.untilPods(name, 2)
			before := l.workers(name)
			l.Until("the scale to name its pods", func() bool {
				scale := &autoscalingv1.Scale{}
				if err := l.Client.SubResource("scale").Get(t.Context(), l.job(name), scale); err != nil {
					t.Fatal(err)
				}
				return scale.Spec.Replicas == before && scale.Status.Selector == training.LabelJobName+"="+name+","+
					training.LabelOperatorName+"="+l.pods(name)[0].Labels[training.LabelOperatorName]+","+training.LabelReplicaType+"=worker"
			})

			for _, n := range []int32{before + 2, before} {
				l.scale(name, n)
				l.untilPods(name, 2+int(n-before))
			}
		})
	}
}

// scale does what kubectl scale does.
func (l *lab) scale(name string, n int32) {
	l.Helper()
	scale := &autoscalingv1.Scale{}
	scale.Spec.Replicas = n
	if err := l.Client.SubResource("scale").Update(l.Context(), l.job(name), client.WithSubResourceBody(scale)); err != nil {
		l.Fatal(err)
	}
}

// workers is how many workers a job should have.
func (l *lab) workers(name string) int32 { return *l.job(name).Replicas()["Worker"].Replicas }

// An elastic job with metrics has an autoscaler, which follows its bounds, and
// goes while the job is suspended and when it has ended.
func TestAutoscaler(t *testing.T) {
	l := newLab(t, "autoscaler")
	l = l.of(t, kinds[1])
	j := &unstructured.Unstructured{Object: parse(t, `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: elastic}
spec:
  elasticPolicy: {minReplicas: 1, maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}
  pytorchReplicaSpecs: {Worker: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: x}]}}}}`)}
	l.Create(j)
	l.untilPods("elastic", 2)
	most := func() int32 {
		h := &autoscalingv2.HorizontalPodAutoscaler{}
		err := l.Client.Get(t.Context(), client.ObjectKey{Namespace: l.Namespace, Name: "elastic"}, h)
		if apierrors.IsNotFound(err) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return h.Spec.MaxReplicas
	}
	l.Until("the autoscaler", func() bool { return most() == 3 })
	l.patch("elastic", `{"spec": {"elasticPolicy": {"maxReplicas": 4}}}`)
	l.Until("the autoscaler to follow", func() bool { return most() == 4 })
	l.patch("elastic", `{"spec": {"runPolicy": {"suspend": true}}}`)
	l.Until("the autoscaler to go with the pods", func() bool { return most() == 0 })
	l.patch("elastic", `{"spec": {"runPolicy": {"suspend": false}}}`)
	l.Until("the autoscaler to come back", func() bool { return most() == 4 })

	l.untilPods("elastic", 2)
	l.end("elastic-worker-1", 0)
	l.untilState("elastic", training.JobSucceeded, corev1.ConditionTrue)
	l.Until("the autoscaler to go with the job", func() bool { return most() == 0 })
}

// Workers of an elastic job come, go and die while it runs. Those that run hear
// the same as those that come: torchrun takes any number between the bounds.
func TestElastic(t *testing.T) {
	l := newLab(t, "elastic")
	l = l.of(t, kinds[1])
	l.Create(&unstructured.Unstructured{Object: parse(t, `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: elastic}
spec:
  elasticPolicy: {minReplicas: 1, maxReplicas: 4, maxRestarts: 10}
  pytorchReplicaSpecs: {Worker: {replicas: 2, restartPolicy: ExitCode, template: {spec: {containers: [{name: pytorch, image: x}]}}}}`)})
	l.untilPods("elastic", 2)
	l.run("elastic-worker-0", "elastic-worker-1")
	l.untilState("elastic", training.JobRunning, corev1.ConditionTrue)
	first := []*corev1.Pod{l.Pod("elastic-worker-0"), l.Pod("elastic-worker-1")}

	l.scale("elastic", 4)
	l.untilPods("elastic", 4)
	l.run("elastic-worker-2", "elastic-worker-3")
	for _, p := range l.pods("elastic") {
		told := map[string]string{}
		for _, e := range p.Spec.Containers[0].Env {
			told[e.Name] = e.Value
		}
		if told["PET_NNODES"] != "1:4" || told["PET_RDZV_ENDPOINT"] != "elastic-worker-0:23456" || told["WORLD_SIZE"] != "" {
			t.Errorf("pod %s is told %v", p.Name, told)
		}
	}

	dead := l.Pod("elastic-worker-2")
	l.end("elastic-worker-2", 137)
	l.untilReplaced(dead)
	l.run("elastic-worker-2")
	l.untilState("elastic", training.JobRunning, corev1.ConditionTrue)

	l.scale("elastic", 2)
	l.untilPods("elastic", 2)
	for _, p := range first {
		if l.Pod(p.Name).UID != p.UID {
			t.Errorf("pod %s was replaced, though nothing had happened to it", p.Name)
		}
	}
	if j := l.job("elastic"); j.Report().Finished() || !j.Report().Is(training.JobRunning) {
		t.Errorf("it does not run: %s", said(j))
	}
}
