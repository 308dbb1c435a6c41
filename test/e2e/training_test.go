package e2e_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// trainings keeps trainings apart that each want the whole machine.
var trainings = make(chan struct{}, 1)

// alone waits until no other training runs.
func alone(t *testing.T) {
	trainings <- struct{}{}
	t.Cleanup(func() { <-trainings })
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
func TestKerasOverSeveralReplicas(t *testing.T) {
	s := begin(t)
	alone(t)
	s.kubectl("apply", "-k", example(t, "digits"))
	s.becomes("digits", "Succeeded", tensorflowFor)

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
}

// accuracyIn is the last accuracy that a program printed, or 0.
func accuracyIn(out string) float64 {
	all := regexp.MustCompile(`accuracy: (\d\.\d+)`).FindAllStringSubmatch(out, -1)
	if all == nil {
		return 0
	}
	accuracy, _ := strconv.ParseFloat(all[len(all)-1][1], 64)
	return accuracy
}

// Parameter servers hold the variables, in today's style, where a chief leads
// the workers, and in TensorFlow 1's, where each leads itself. They never end by
// themselves: they are taken away when the job has succeeded.
func TestParameterServers(t *testing.T) {
	for name, decides := range map[string]string{"coordinator": "chief-0", "sessions": "worker-0"} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			alone(t)
			s.kubectl("apply", "-k", example(t, "parameter-server/"+name))
			s.becomes(name, "Succeeded", tensorflowFor)
			if out := s.must("logs", "tfjob/"+name, "--replica", decides); accuracyIn(out) < 0.8 {
				t.Errorf("%s has not learnt much:\n%s", decides, out)
			}
			s.eventually(time.Minute, "the servers are taken away", func() (bool, string) {
				left := s.pods("training.kubeflow.org/replica-type=ps")
				return len(left) == 0, phases(left)
			})
		})
	}
}
