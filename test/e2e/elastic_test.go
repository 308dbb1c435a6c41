package e2e_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Workers of a PyTorchJob come, are killed and go while it trains: each time the
// others go on with those there are, from the last epoch that was kept. It has
// more epochs to train than the story takes.
func workersComeAndGo(t *testing.T) {
	needsFull(t)
	s := shared.story(t)
	manifest := strings.Replace(s.kubectl("kustomize", example(t, "pytorch-elastic")), "- /code/train.py\n", "- /code/train.py\n            - \"100000\"\n", 1)
	if !strings.Contains(manifest, `"100000"`) {
		t.Fatalf("the example's command is another:\n%s", manifest)
	}
	s.apply(manifest)
	const job = "pytorchjob/elastic-digits"
	begins := regexp.MustCompile(`rank \d of (\d) begins after epoch (\d+)`)
	last := 0
	goesOnWith := func(workers, after int) {
		t.Helper()
		s.eventually(tensorflowFor, "it trains with "+strconv.Itoa(workers), func() (bool, string) {
			for _, end := range []string{"Succeeded", "Failed"} {
				if m, ended := condition(s.job(job), end); ended {
					t.Fatalf("it is %s too early: %s", end, m)
				}
			}
			out := s.ask(t, "", "logs", job, "-n", s.namespace).out
			for _, m := range begins.FindAllStringSubmatch(out, -1) {
				of, _ := strconv.Atoi(m[1])
				epoch, _ := strconv.Atoi(m[2])
				// More epochs are to come before the next change.
				if of == workers && epoch >= after && strings.Contains(out, "epoch "+strconv.Itoa(epoch+5)+": loss") {
					last = epoch + 5
					return true, ""
				}
			}
			return false, out
		})
	}

	goesOnWith(2, 0)
	s.kubectl("scale", job, "--replicas", "3")
	goesOnWith(3, last)
	before, _ := s.pod("elastic-digits-worker-2")
	s.kubectl("delete", "pod", "elastic-digits-worker-2", "--grace-period=0", "--force")
	goesOnWith(3, last)
	if after, ok := s.pod("elastic-digits-worker-2"); !ok || after.UID == before.UID {
		t.Error("the worker that was killed was not replaced")
	}
	s.kubectl("scale", job, "--replicas", "1")
	goesOnWith(1, last)
}

// An elastic job of a README, which is told to grow at once.
func elastic(t *testing.T) {
	needsFull(t)
	s := shared.byDefault(t)
	s.follow("pytorch-elastic")
	s.becomes("pytorchjob/elastic-digits", "Succeeded", time.Minute)
	s.hasLearnt(s.must("logs", "pytorchjob/elastic-digits"))
}

// Workers that are busy get others beside them, up to as many as the job may
// have, by its own autoscaler.
func TestBusyWorkersGetHelp(t *testing.T) {
	s := begin(t)
	s.apply(`
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: busy}
spec:
  elasticPolicy:
    minReplicas: 1
    maxReplicas: 3
    metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
  pytorchReplicaSpecs:
    Worker:
      replicas: 1
      template:
        spec:
          terminationGracePeriodSeconds: 0
          containers:
          - name: pytorch
            image: python:3.11
            command: [sh, -c, "while true; do :; done"]
            resources: {requests: {cpu: 20m}, limits: {cpu: 100m}}
`)
	s.eventually(4*time.Minute, "all workers that it may have run", func() (bool, string) {
		running := s.kubectl("get", "pytorchjob/busy", "-o", "jsonpath={.spec.pytorchReplicaSpecs.Worker.replicas} {.status.replicaStatuses.Worker.active}")
		return running == "3 3", running + "\n" + s.ask(t, "", "kubectl", "-n", s.namespace, "describe", "hpa", "busy").out
	})
}
