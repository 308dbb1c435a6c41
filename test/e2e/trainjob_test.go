package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// helloJob is a TrainJob whose nodes find each other by what they are told, and
// say how far they are. Node 0 ends no sooner than it was found, since the name
// of a pod goes with it.
const helloJob = `
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
                  args:
                  - |
                    import json, os, socket, ssl, urllib.request
                    master = os.environ["PET_MASTER_ADDR"], int(os.environ["PET_MASTER_PORT"])
                    if os.environ["PET_NODE_RANK"] == "0":
                        socket.create_server(("", master[1])).accept()
                    else:
                        print("reached", socket.create_connection(master).getpeername()[0], flush=True)
                    print("node", os.environ["PET_NODE_RANK"], "of", os.environ["PET_NNODES"], flush=True)
                    said = {"trainerStatus": {"progressPercentage": 50, "metrics": [{"name": "loss", "value": "0.25"}], "lastUpdatedTime": "2026-01-02T03:04:05Z"}}
                    urllib.request.urlopen(urllib.request.Request(
                        os.environ["KUBEFLOW_TRAINER_SERVER_URL"], json.dumps(said).encode(),
                        {"Authorization": "Bearer " + open(os.environ["KUBEFLOW_TRAINER_SERVER_TOKEN"]).read(), "Content-Type": "application/json"},
                    ), context=ssl.create_default_context(cafile=os.environ["KUBEFLOW_TRAINER_SERVER_CA_CERT"]))
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: hello}
spec:
  runtimeRef: {name: hello, kind: TrainingRuntime}
  trainer: {numNodes: 2}
`

// A TrainJob of a runtime of its namespace: nodes find each other by what they
// are told, and one reports how far it is.
func TestTrainJob(t *testing.T) {
	s := begin(t)
	s.apply(helloJob)
	s.trained("hello", 2*time.Minute)
	out := s.nodeLogs("hello")
	for _, want := range []string{"reached 10.", "node 0 of 2", "node 1 of 2"} {
		if !strings.Contains(out, want) {
			t.Errorf("no word of %q:\n%s", want, out)
		}
	}
	s.reported("hello")
}

// reported sees that what the nodes of helloJob have said stands in its status.
func (s *story) reported(name string) {
	s.Helper()
	status := s.kubectl("get", "trainjob/"+name, "-o", "jsonpath={.status.trainerStatus.progressPercentage} {.status.trainerStatus.metrics[0].name}={.status.trainerStatus.metrics[0].value} {.status.jobsStatus[0].name} {.status.jobsStatus[0].succeeded}")
	if want := "50 loss=0.25 node 1"; status != want {
		s.Errorf("status %q, want %q", status, want)
	}
}

// trained waits until a TrainJob is complete.
func (s *story) trained(name string, within time.Duration) {
	s.Helper()
	s.eventually(within, "TrainJob "+name+" is complete", func() (bool, string) {
		conditions := s.kubectl("get", "trainjob/"+name, "-o", `jsonpath={range .status.conditions[?(@.status=="True")]}{.type} {.reason}: {.message}{"\n"}{end}`)
		if strings.Contains(conditions, "Failed") {
			s.Fatalf("TrainJob %s: %s%s", name, conditions, s.nodeLogs(name))
		}
		return strings.Contains(conditions, "Complete"), conditions
	})
}

// nodeLogs is what the pods of a TrainJob have printed. Those that only served
// others may be gone.
func (s *story) nodeLogs(name string) string {
	s.Helper()
	var all strings.Builder
	for _, p := range s.pods("jobset.sigs.k8s.io/jobset-name=" + name) {
		a := s.ask(s.T, "", "kubectl", "logs", "-n", s.namespace, p.Name, "--all-containers", "--prefix")
		if a.code != 0 && !strings.Contains(a.err, "NotFound") {
			s.Fatalf("logs of %s: %s", p.Name, a.err)
		}
		all.WriteString(a.out)
	}
	return all.String()
}

// TrainJobs train by the runtimes that come with weir, over two nodes each. Those
// that need gigabytes of packages are run by make e2e-full.
func TestTrainJobExamples(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"xgboost":    {"2 nodes, error: 0.0", "[10]"},
		"jax":        {"node 0 of 2, step 60, loss: 0.0", "node 1 of 2", "weights [1.0, -2.0, 3.0, 0.5]"},
		"torch":      {"node 0 of 2, step 60, loss: 0.0", "node 1 of 2, step 60, loss: 0.0"},
		"tensorflow": {"worker 0 of 2, accuracy: 0.9", "worker 1 of 2, accuracy: 0.9"},
		"mpi":        {"pi is 3.141593 by 4 processes on mpi-launcher-0-0, mpi-node-0-0"},
		"paddle":     {"node 0 of 2, step 60, loss: 0.0"},
		"deepspeed":  {"node 0 of 2, step 100, loss: 0.0", "node 1 of 2, step 100, loss: 0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "torch" || name == "paddle" || name == "deepspeed" {
				needsFull(t)
			}
			s := shared.byDefault(t)
			if name == "xgboost" {
				s.follow("trainjob")
			}
			s.kubectl("apply", "-f", filepath.Join(example(t, "trainjob"), name+".yaml"))
			s.trained(name, tensorflowFor)
			out := s.nodeLogs(name)
			for _, w := range want {
				if !strings.Contains(out, w) {
					t.Errorf("no word of %q:\n%s", w, out)
				}
			}
		})
	}
}

// An initializer fetches from S3, and the nodes find it where they expect it.
func TestTrainJobInitializer(t *testing.T) {
	s := begin(t)
	b := s.bucket(t, "trainjob-data")
	b.put("set/a/numbers.txt", "1 2 3")
	b.put("set/skip.bin", "x")
	b.put("settle/other.txt", "not of the set")
	s.apply(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: fetched}
spec:
  runtimeRef: {name: xgboost-distributed}
  initializer:
    dataset:
      storageUri: s3://trainjob-data/set
      env: [{name: IGNORE_PATTERNS, value: "*.bin"}]
  trainer:
    image: python:3.11
    command: [sh, -c, "cd /workspace/dataset && find . -type f && cat a/numbers.txt"]
`)
	s.trained("fetched", tensorflowFor)
	out := s.nodeLogs("fetched")
	if !strings.Contains(out, "1 2 3") || strings.Contains(out, "skip.bin") || strings.Contains(out, "other.txt") {
		t.Errorf("the node sees something else:\n%s", out)
	}
}

// Initializers fetch from a hub, by its published client, and say why if they
// cannot.
func TestTrainJobHub(t *testing.T) {
	s := begin(t)
	s.hub()
	s.apply(`
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {ACCESS_TOKEN: let-me-in}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: hub}
spec:
  runtimeRef: {name: torch-distributed}
  initializer:
    dataset: {storageUri: "hf://ada/digits", env: [{name: HF_ENDPOINT, value: "http://hub"}]}
    model: {storageUri: "hf://ada/net", env: [{name: HF_ENDPOINT, value: "http://hub"}], secretRef: {name: token}}
  trainer:
    image: python:3.11
    command: [sh, -c, "cd /workspace && find . -type f -not -path '*/.cache/*' && cat dataset/data/numbers.txt model/model.safetensors"]
`)
	s.trained("hub", tensorflowFor)
	out := s.kubectl("logs", "-l", "jobset.sigs.k8s.io/jobset-name=hub,jobset.sigs.k8s.io/replicatedjob-name=node")
	for _, want := range []string{"./dataset/README.md", "./model/config.json", "1 2 3", "weights"} {
		if !strings.Contains(out, want) {
			t.Errorf("the node does not see %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "model.bin") {
		t.Errorf("weights in an old format were fetched too:\n%s", out)
	}

	cases := map[string]struct{ why, hub, uri, says string }{
		"none": {
			why: "What the hub does not have may also be private.", hub: "http://hub", uri: "hf://ada/none",
			says: "hf://ada/none: http://hub has no model ada/none, or not for us: check the name, and set ACCESS_TOKEN if it is private or gated",
		},
		"old": {
			why: "Of a model not all is fetched.", hub: "http://hub", uri: "hf://ada/old",
			says: "hf://ada/old: it has none of the files that are fetched",
		},
		"away": {
			why: "A hub may be out of reach.", hub: "http://hub.nowhere", uri: "hf://ada/net",
			says: "name another hub in HF_ENDPOINT, or put it into S3 and give s3://bucket/folder",
		},
	}
	for name, tc := range cases {
		s.apply(strings.NewReplacer("NAME", name, "URI", tc.uri, "HUB", tc.hub).Replace(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: NAME}
spec:
  runtimeRef: {name: torch-distributed}
  initializer: {model: {storageUri: "URI", env: [{name: HF_ENDPOINT, value: "HUB"}]}}
  trainer: {image: "python:3.11", command: ["true"]}
`))
	}
	for name, tc := range cases {
		s.eventually(tensorflowFor, tc.why, func() (bool, string) {
			a := s.ask(t, "", "explain", "trainjob/"+name, "-n", s.namespace)
			return strings.Contains(a.out, tc.says), a.out + a.err
		})
	}
}

// hub starts a hub of datasets and models, which is http://hub to pods.
func (s *story) hub() {
	s.Helper()
	s.kubectl("create", "configmap", "hub", "--from-file", "sdk/hub.py")
	s.apply(`
apiVersion: v1
kind: Service
metadata: {name: hub}
spec: {selector: {app: hub}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: hub, labels: {app: hub}}
spec:
  volumes: [{name: code, configMap: {name: hub}}]
  containers:
  - name: main
    image: python:3.11
    command: [python, /code/hub.py]
    readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}
    volumeMounts: [{name: code, mountPath: /code}]
`)
	s.kubectl("wait", "--for=condition=Ready", "pod/hub", "--timeout=4m")
}
