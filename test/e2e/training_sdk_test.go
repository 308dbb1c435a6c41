package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/weir-ml/weir/kit/environment"
)

// trainingClient is the published client of Kubeflow's training jobs.
var trainingClient = environment.Recipe{Image: "weir.local/training-client", Requirements: []string{"kubeflow-training==1.9.4"}}

// The published client of training jobs, as it is, does all it can do: from this
// machine by the kubeconfig, and in a pod by its service account.
func TestTrainingClient(t *testing.T) {
	t.Parallel()
	for story, why := range map[string]string{
		"life":    "a job from a function, with packages that pip installs in its pods, from its creation to its deletion",
		"trouble": "jobs that fail, and jobs that are refused",
		"kinds":   "an object of every kind",
	} {
		t.Run(story, func(t *testing.T) {
			s := begin(t)
			t.Log(why)
			s.python(trainingClient, "sdk/training.py", story, s.meeting(), s.namespace)
		})
	}
	t.Run("inside", func(t *testing.T) {
		s := begin(t)
		s.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: scientist}
rules:
- {apiGroups: [kubeflow.org], resources: ["*"], verbs: ["*"]}
- {apiGroups: [""], resources: [pods, pods/log, events], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: scientist}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: scientist}
subjects: [{kind: ServiceAccount, name: scientist}]
`)
		s.inPod(trainingClient, "sdk/training.py", s.meeting())
		s.ends("client", corev1.PodSucceeded)
	})
}

// inPod has a client's script tell its story life in a pod, by the service account
// scientist.
func (s *story) inPod(client environment.Recipe, script, meeting string) {
	s.Helper()
	s.mapTo(s.T, client.Image, "--package", client.Requirements[0])
	s.kubectl("create", "configmap", "code", "--from-file", script)
	s.apply(strings.NewReplacer("MEETING", meeting, "IMAGE", client.Image, "SCRIPT", filepath.Base(script)).Replace(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: scientist}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  serviceAccountName: scientist
  restartPolicy: Never
  volumes: [{name: code, configMap: {name: code}}, {name: meeting, hostPath: {path: MEETING}}]
  containers:
  - name: main
    image: IMAGE
    command: [python, /code/SCRIPT, life, MEETING]
    volumeMounts: [{name: code, mountPath: /code}, {name: meeting, mountPath: MEETING}]
`))
}

// With PyTorch: a function that torchrun runs in the image that the client names,
// and a model that is to be tuned, whose parts are fetched first. Where no hub can be
// reached, this ends with the attempt.
func TestTrainingClientWithPyTorch(t *testing.T) {
	needsFull(t)
	s := begin(t)
	// The newest will do: the version that the client names takes another 5 GB.
	newest, _ := s.environments().Find("pytorch/pytorch")
	var packages []string
	for _, r := range newest.Requirements {
		packages = append(packages, "--package", r)
	}
	s.mapTo(t, "pytorch/pytorch:2.1.2*", packages...)
	s.python(trainingClient, "sdk/training.py", "torchrun", s.meeting(), s.namespace)

	tuner, _ := s.environments().Find("ghcr.io/kubeflow/training-v1/storage-initializer")
	s.python(tuner, "sdk/training.py", "finetune", "", s.namespace)
}

// meeting is a folder in which this machine and the story's pods meet.
func (s *story) meeting() string {
	s.Helper()
	dir := filepath.Join(open, s.namespace)
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.Fatal(err)
	}
	return dir
}

// python runs a program on this machine, which reaches the weir by its
// kubeconfig and has the packages of a recipe, and must succeed.
func (s *story) python(with environment.Recipe, args ...string) {
	s.Helper()
	built := s.build(s.environments(), with)
	ctx, cancel := context.WithTimeout(s.Context(), tensorflowFor)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(built.Folders[0].Source, "bin", "python"), args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(s.dir, "kubeconfig"), "WEIR_DIR="+s.dir, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := c.CombinedOutput(); err != nil {
		s.Fatalf("%v: %v\n%s", args, err, out)
	}
}
