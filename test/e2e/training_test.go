package e2e_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Training takes all of a machine, so one job trains at a time, beside all other
// stories.
func TestTraining(t *testing.T) {
	t.Parallel()
	t.Run("Keras", kerasOverSeveralReplicas)
	t.Run("Coordinator", coordinator)
	t.Run("Sessions", sessions)
	t.Run("Killed", killedWhileItTrains)
	t.Run("Elastic", elastic)
	t.Run("ComeAndGo", workersComeAndGo)
	for name, e := range trainingExamples {
		t.Run(name, e.trains)
	}
}

// example is a folder of the examples that people are given.
func example(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "examples", "training", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tensorflowFor is how long a story may take in which TensorFlow's environment
// may have to be built first.
const tensorflowFor = 12 * time.Minute

// The example trains a Keras model over a chief and two workers, while an
// evaluator tests each epoch. The model ends up in S3, and another pod loads it
// and names digits that it has never seen.
func kerasOverSeveralReplicas(t *testing.T) {
	s := shared.byDefault(t)
	if out := s.follow("digits", "tensorflow/tensorflow:2.21.0"); accuracyIn(out) < 0.8 {
		t.Errorf("the model that this machine has loaded guesses badly:\n%s", out)
	}
	s.becomes("digits", "Succeeded", time.Minute)

	for _, replica := range []string{"chief-0", "worker-0", "worker-1"} {
		if out := s.must("logs", "tfjob/digits", "--replica", replica); !strings.Contains(out, "Epoch 6/6") {
			t.Errorf("%s has not trained to the end:\n%s", replica, out)
		}
	}
	if out := s.must("logs", "tfjob/digits", "--replica", "chief-0"); accuracyIn(out) < 0.8 {
		t.Errorf("the chief has not learnt much:\n%s", out)
	}
	if out := s.must("logs", "tfjob/digits"); !strings.Contains(out, "evaluator-0 | val_loss") {
		t.Errorf("no word of the evaluator:\n%s", out)
	}

	s.apply(`
apiVersion: v1
kind: Pod
metadata: {name: predict, labels: {weir-ml.github.io/s3: "true"}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: tensorflow/tensorflow:2.21.0
    command: [python, /code/predict.py]
    volumeMounts: [{name: code, mountPath: /code}]
  volumes: [{name: code, configMap: {name: digits-code}}]
`)
	if out := s.ends("predict", corev1.PodSucceeded); accuracyIn(out) < 0.8 {
		t.Errorf("the model that was loaded guesses badly:\n%s", out)
	}

	// Applied again, by hand, with its data and for less long, it trains from the
	// beginning, and its evaluator does not take the checkpoints of before for its own.
	s.kubectl("delete", "--cascade=foreground", "-k", example(t, "digits"))
	s.apply(s.digits(t, 2))
	s.becomes("digits", "Succeeded", tensorflowFor)
	for replica, first := range map[string]string{"chief-0": "Epoch 1/2", "evaluator-0": "Epoch "} {
		out := s.must("logs", "tfjob/digits", "--replica", replica)
		if at := strings.Index(out, "Epoch "); at < 0 || !strings.HasPrefix(out[at:], first) || strings.HasPrefix(out[at:], "Epoch 6/") {
			t.Errorf("%s of the second training does not begin anew:\n%s", replica, out)
		}
	}
}

// digits is the manifest of the digits' example, to train for a number of epochs.
func (w *weir) digits(t *testing.T, epochs int) string {
	t.Helper()
	const command = "- /code/train.py\n"
	manifest := w.kubectl(t, "kustomize", example(t, "digits"))
	if !strings.Contains(manifest, command) {
		t.Fatalf("the example's command is another:\n%s", manifest)
	}
	return strings.ReplaceAll(manifest, command, fmt.Sprintf("%s            - --epochs=%d\n", command, epochs))
}

// accuracyIn is the last accuracy that a program printed, or 0.
func accuracyIn(out string) float64 {
	all := regexp.MustCompile(`accuracy:? (\d\.\d+)`).FindAllStringSubmatch(out, -1)
	if all == nil {
		return 0
	}
	accuracy, _ := strconv.ParseFloat(all[len(all)-1][1], 64)
	return accuracy
}

// Parameter servers hold the variables, in today's style, where a chief leads
// the workers.
func coordinator(t *testing.T) {
	s := shared.byDefault(t)
	s.follow("parameter-server")
	s.takesServersAway("coordinator", "chief-0")
}

// In TensorFlow 1's style each worker leads itself.
func sessions(t *testing.T) {
	s := shared.story(t)
	s.kubectl("apply", "-k", example(t, "parameter-server/sessions"))
	s.takesServersAway("sessions", "worker-0")
}

// takesServersAway waits until a job has trained. Servers never end by
// themselves: they are taken away when the job has succeeded.
func (s *story) takesServersAway(name, decides string) {
	s.Helper()
	s.becomes(name, "Succeeded", tensorflowFor)
	if out := s.must("logs", "tfjob/"+name, "--replica", decides); accuracyIn(out) < 0.8 {
		s.Errorf("%s has not learnt much:\n%s", decides, out)
	}
	s.eventually(time.Minute, "the servers are taken away", func() (bool, string) {
		left := s.pods("training.kubeflow.org/replica-type=ps,training.kubeflow.org/job-name=" + name)
		// Python does not heed SIGTERM as process 1, and has its grace.
		return !slices.ContainsFunc(left, func(p corev1.Pod) bool { return p.DeletionTimestamp == nil }), phases(left)
	})
}

// The program is killed while it trains. Nothing of it stays behind, and when it
// is started again all objects are there and the training goes on from its last
// checkpoint to its end.
func killedWhileItTrains(t *testing.T) {
	w := newWeir(t)
	w.starts(t)
	s := w.story(t)
	s.apply(s.digits(t, 10))
	s.eventually(tensorflowFor, "there are checkpoints", func() (bool, string) {
		for _, end := range []string{"Succeeded", "Failed"} {
			if m, ended := condition(s.job("digits"), end); ended {
				t.Fatalf("it is %s too early: %s", end, m)
			}
		}
		a := s.ask(t, "", "logs", "tfjob/digits", "--replica", "chief-0", "-n", s.namespace)
		return strings.Contains(a.out, "Epoch 3/"), a.out + phases(s.pods(""))
	})
	before := w.names(t)

	w.isKilled(t)
	if a := w.ask(t, "", "status"); a.code == 0 || !strings.Contains(a.err, "no weir runs in "+w.dir) {
		t.Errorf("weir status: exit code %d: %s%s", a.code, a.out, a.err)
	}

	w.starts(t)
	after := w.names(t)
	for _, name := range before {
		if !slices.Contains(after, name) {
			t.Errorf("%s is gone", name)
		}
	}
	s.becomes("digits", "Succeeded", tensorflowFor)
	if out := s.must("logs", "tfjob/digits", "--replica", "chief-0"); !strings.Contains(out, "goes on after epoch") || !strings.Contains(out, "Epoch 10/10") {
		t.Errorf("the chief has not gone on where it was:\n%s", out)
	}
}

// names are the names of the objects that people make and that do not end.
func (w *weir) names(t *testing.T) []string {
	t.Helper()
	return strings.Fields(w.kubectl(t, "get", "--all-namespaces", "-o", "name",
		"namespaces,configmaps,secrets,serviceaccounts,services,pods,jobs,tfjobs,customresourcedefinitions,clusterroles"))
}
