package e2e_test

import (
	"testing"
	"time"
)

// A TrainJob of a runtime of its namespace: nodes find each other by what they
// are told, and end.
func TestTrainJob(t *testing.T) {
	t.Parallel()
	s := shared.story(t)
	s.apply(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: hello, labels: {trainer.kubeflow.org/framework: torch}}
spec:
  mlPolicy: {numNodes: 1, torch: {}}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: python:3.11
                  command: [python, -c]
                  args: ["import os, socket; print(socket.gethostbyname(os.environ['PET_MASTER_ADDR']), os.environ['PET_NODE_RANK'], 'of', os.environ['PET_NNODES'])"]
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: hello}
spec:
  runtimeRef: {name: hello, kind: TrainingRuntime}
  trainer: {numNodes: 2}
`)
	s.trained("hello", 2*time.Minute)
}

// trained waits until a TrainJob is complete.
func (s *story) trained(name string, within time.Duration) {
	s.Helper()
	s.kubectl("wait", "--for=condition=Complete", "--timeout="+within.String(), "trainjob/"+name)
}
