package tensorboard

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
)

func TestPlaces(t *testing.T) {
	for logspath, want := range map[string]string{
		"s3://runs/mnist/":      "s3://runs/mnist",
		"s3://runs":             "s3://runs",
		"gs://runs/a b":         "gs://runs/a b",
		"pvc://data//logs/tb":   "pvc://data/logs/tb",
		"pvc://data":            "pvc://data",
		"/logs":                 `logspath "/logs" is no place`,
		"http://runs/mnist":     "is no place of event files: give s3://BUCKET/FOLDER",
		"s3:///mnist":           `"" is no name of a bucket`,
		"s3://runs/a/../../etc": "a folder's name cannot be ..",
		"pvc://Data/logs":       `"Data" is no name of a PersistentVolumeClaim`,
	} {
		p, err := readPlace(logspath)
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, want %q", logspath, got, want)
		}
	}
}

// Where a job writes event files is what it is annotated with, or what its
// containers are told.
func TestPlacesOfJobs(t *testing.T) {
	for name, c := range map[string]struct{ job, want string }{
		"Annotated": {`{metadata: {annotations: {weir-ml.github.io/events: "s3://runs/a"}}, spec: {template: {spec: {containers: [{args: [--logdir=s3://runs/b]}]}}}}`, "s3://runs/a"},
		"Flag":      {`{spec: {tfReplicaSpecs: {Worker: {template: {spec: {containers: [{command: [python, train.py, --log-dir, "s3://runs/mnist"]}]}}}}}}`, "s3://runs/mnist"},
		"InAShell":  {`{spec: {template: {spec: {containers: [{command: [sh, -c, "python train.py --log_dir='s3://runs/x' --epochs 3"]}]}}}}`, "s3://runs/x"},
		"Variable":  {`{spec: {template: {spec: {containers: [{env: [{name: TENSORBOARD_LOGDIR, value: "s3://runs/env"}]}]}}}}`, "s3://runs/env"},
		"Volume": {`{spec: {template: {spec: {volumes: [{name: d, persistentVolumeClaim: {claimName: data}}],
			containers: [{args: [--logdir=/data/tb/run1], volumeMounts: [{name: d, mountPath: /data, subPath: team}]}]}}}}`, "pvc://data/team/tb/run1"},
		"OfThePod": {`{metadata: {name: mnist, namespace: ada}, kind: TFJob, spec: {template: {spec: {containers: [{args: [--logdir=/tmp/tb]}]}}}}`,
			"tfjob/mnist does not say where it writes files for TensorBoard; say so: weir kubectl annotate tfjob/mnist -n ada weir-ml.github.io/events=s3://BUCKET/FOLDER"},
	} {
		t.Run(name, func(t *testing.T) {
			job := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(strings.ReplaceAll(c.job, "\t", " ")), &job.Object); err != nil {
				t.Fatal(err)
			}
			p, err := placeOf(job)
			got := p.String()
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// A Tensorboard says in a sentence why nobody can look at it.
func TestWhyOneDoesNotAnswer(t *testing.T) {
	pod := func(s corev1.PodStatus) []corev1.Pod {
		return []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "ada", Name: "p"}, Status: s}}
	}
	container := func(s corev1.ContainerStatus) []corev1.Pod {
		return pod(corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{s}})
	}
	failed := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"},
	}}}
	for name, c := range map[string]struct {
		deployment *appsv1.Deployment
		pods       []corev1.Pod
		want       string
	}{
		"Quota": {failed, nil, "Its pod cannot be made: exceeded quota"},
		"NoPod": {nil, nil, "Its pod is about to be made."},
		"NoPlace": {nil, pod(corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "no claim"}}}),
			"Its pod finds no place: no claim"},
		"NoImage": {nil, container(corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}}),
			"Its pod waits: no such image"},
		"Crashed": {nil, container(corev1.ContainerStatus{
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}},
		}), "TensorBoard ended with exit code 2 and is started again; weir logs p -n ada tells what it said."},
		"Starts": {nil, container(corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}),
			"TensorBoard starts, and answers in a few seconds."},
		"Prepared": {nil, container(corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}),
			"Its pod is being prepared; the first time, TensorBoard is installed for it, which can take a minute."},
	} {
		t.Run(name, func(t *testing.T) {
			s := status(&v1alpha1.Tensorboard{}, c.deployment, c.pods, nil, true, time.Now())
			if s.Message != c.want {
				t.Errorf("%q, want %q", s.Message, c.want)
			}
		})
	}
}
