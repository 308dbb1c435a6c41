package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/weir-ml/weir/kit/environment"
)

// trainerClient is the published client of Kubeflow's trainer.
var trainerClient = environment.Recipe{Image: "weir.local/trainer-client", Requirements: []string{"kubeflow==0.5.0"}}

// Runtimes of jobs that need nothing but Python: one whose nodes meet the test
// in a folder, and one that does not try again.
const plainRuntimes = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: meeting, labels: {trainer.kubeflow.org/framework: plain}}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                volumes: [{name: meeting, hostPath: {path: MEETING}}]
                containers: [{name: node, image: "python:3.11", volumeMounts: [{name: meeting, mountPath: MEETING}]}]
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: once, labels: {trainer.kubeflow.org/framework: plain}}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: node, image: "python:3.11"}]}}}
`

// torchtune is a program that says what it is asked for, and what it finds.
const torchtune = `#!/bin/sh
echo tune "$@"
cat /workspace/dataset/data/numbers.txt /workspace/model/model.safetensors
`

// tuningRuntime is the trainer's own for torchtune, but for its GPUs, and with
// another hub.
const tuningRuntime = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: torchtune-llama3.2-1b, labels: {trainer.kubeflow.org/framework: torchtune}}
spec:
  mlPolicy: {numNodes: 1, torch: {}}
  template:
    spec:
      volumeClaimPolicies:
      - templates:
        - metadata: {name: initializer}
          spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 20Gi}}}
      replicatedJobs:
      - name: dataset-initializer
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: dataset-initializer}}
          spec:
            template:
              spec:
                containers:
                - name: dataset-initializer
                  image: ghcr.io/kubeflow/trainer/dataset-initializer
                  env: [{name: STORAGE_URI, value: "hf://tatsu-lab/alpaca"}, {name: HF_ENDPOINT, value: "http://hub"}]
                  volumeMounts: [{mountPath: /workspace, name: initializer}]
      - name: model-initializer
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: model-initializer}}
          spec:
            template:
              spec:
                containers:
                - name: model-initializer
                  image: ghcr.io/kubeflow/trainer/model-initializer
                  env: [{name: STORAGE_URI, value: "hf://meta-llama/Llama-3.2-1B-Instruct"}, {name: HF_ENDPOINT, value: "http://hub"}]
                  volumeMounts: [{mountPath: /workspace, name: initializer}]
      - name: node
        dependsOn: [{name: dataset-initializer, status: Complete}, {name: model-initializer, status: Complete}]
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: ghcr.io/kubeflow/trainer/torchtune-trainer
                  command:
                  - tune
                  - run
                  - --rdzv_endpoint=localhost:29500
                  - full_finetune_distributed
                  - --config
                  - llama3_2/1B_full
                  - dataset=torchtune.datasets.instruct_dataset
                  - dataset.source=parquet
                  - dataset.data_dir=/workspace/dataset/data
                  - output_dir=/workspace/output
                  - tokenizer.path=/workspace/model/tokenizer.model
                  - checkpointer.checkpoint_dir=/workspace/model
                  volumeMounts: [{mountPath: /workspace, name: initializer}]
`

// mpiRuntime is the trainer's own for programs of MPI, with an image that is
// smaller: its user is none of this machine's, and the settings of its sshd are in
// an image that is not there.
const mpiRuntime = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: upstreams-mpi, labels: {trainer.kubeflow.org/framework: deepspeed}}
spec:
  mlPolicy:
    numNodes: 1
    mpi: {numProcPerNode: 1, mpiImplementation: OpenMPI, sshAuthMountPath: /home/mpiuser/.ssh, runLauncherAsNode: true}
  template:
    spec:
      network: {publishNotReadyAddresses: true}
      successPolicy: {operator: All, targetReplicatedJobs: [launcher]}
      replicatedJobs:
      - name: node
        template:
          spec:
            template:
              spec:
                securityContext: {fsGroup: 1000}
                containers:
                - name: node
                  image: mpioperator/openmpi
                  securityContext: {runAsUser: 1000}
                  command: [/usr/sbin/sshd]
                  args: [-De, -f, /home/mpiuser/.sshd_config]
                  readinessProbe: {tcpSocket: {port: 2222}, initialDelaySeconds: 5}
      - name: launcher
        dependsOn: [{name: node, status: Ready}]
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                securityContext: {fsGroup: 1000}
                containers: [{name: node, image: mpioperator/openmpi, securityContext: {runAsUser: 1000}}]
`

// The published client of the trainer, as it is, does all it can do: from this
// machine by the kubeconfig, and in a pod by its service account.
func TestTrainerClient(t *testing.T) {
	t.Parallel()
	for story, why := range map[string]string{
		"life":        "a job from a function, with packages that pip installs in its pods, from its creation to its deletion",
		"trouble":     "a job that fails, and one that is refused",
		"runtimes":    "what jobs can be run by",
		"mpi":         "a function that mpirun starts on several nodes",
		"initializer": "a dataset that is fetched from S3",
		"tune":        "a model that is tuned by the client's own trainer",
	} {
		t.Run(story, func(t *testing.T) {
			s := begin(t)
			t.Log(why)
			meeting := s.meeting()
			s.apply(strings.ReplaceAll(plainRuntimes, "MEETING", meeting))
			if story == "initializer" {
				s.bucket(t, "trainer-sdk").put("set/numbers.txt", "1 2 3\n")
				s.writeMapping(t, "weir.local/reader", map[string]any{"python": trainersPython(t), "command": []string{"cat", "/workspace/dataset/numbers.txt"}})
				store := s.is(t).S3
				s.writeJSON(filepath.Join(meeting, "s3.json"), map[string]string{
					"endpoint": s.podS3(), "access_key_id": store.AccessKey, "secret_access_key": store.SecretKey, "region": "us-east-1",
				})
			}
			if story == "mpi" {
				s.apply(mpiRuntime)
			}
			if story == "tune" {
				s.hub()
				python := trainersPython(t)
				if err := os.WriteFile(filepath.Join(python, "bin", "tune"), []byte(torchtune), 0o755); err != nil {
					t.Fatal(err)
				}
				s.writeMapping(t, "ghcr.io/kubeflow/trainer/torchtune-trainer", map[string]any{"python": python})
				s.apply(tuningRuntime)
			}
			s.python(trainerClient, "sdk/trainer.py", story, meeting, s.namespace)
		})
	}
	t.Run("inside", func(t *testing.T) {
		s := begin(t)
		meeting := s.meeting()
		s.apply(strings.ReplaceAll(plainRuntimes+`
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: scientist}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: scientist}]
`, "MEETING", meeting))
		s.inPod(trainerClient, "sdk/trainer.py", meeting)
		s.apply(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: reports}
spec:
  runtimeRef: {name: once, kind: TrainingRuntime}
  trainer: {image: weir.local/trainer-client, command: [python, /code/trainer.py, report, /tmp]}
  runtimePatches:
  - manager: weir-ml.github.io/test
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template: {spec: {template: {spec: {serviceAccountName: scientist, volumes: [{name: code, configMap: {name: code}}], containers: [{name: node, volumeMounts: [{name: code, mountPath: /code}]}]}}}}
`)
		s.trained("reports", 4*time.Minute)
		if got := s.kubectl("get", "trainjob/reports", "-o", "jsonpath={.status.trainerStatus.progressPercentage} {.status.trainerStatus.estimatedRemainingSeconds} {.status.trainerStatus.metrics[0].value}"); got != "75 9 0.5" {
			t.Errorf("reported %q", got)
		}
		s.ends("client", corev1.PodSucceeded)
	})
}

func (s *story) writeJSON(file string, value any) {
	s.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		s.Fatal(err)
	}
}

// podS3 is where pods reach S3, as those that ask for it are told.
func (s *story) podS3() string {
	s.Helper()
	s.apply(`
apiVersion: v1
kind: Pod
metadata: {name: where, labels: {weir-ml.github.io/s3: "true"}}
spec: {restartPolicy: Never, containers: [{name: main, image: "python:3.11", command: [sh, -c, 'echo "$AWS_ENDPOINT_URL"']}]}
`)
	return strings.TrimSpace(s.ends("where", corev1.PodSucceeded))
}
