package e2e_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tinyTuning is a TrainJob as the client's own trainer asks for one, with settings
// that make its model a small one, for a machine without a GPU. Its runtime makes
// the model and the data in place of an initializer.
const tinyTuning = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: torchtune-llama3.2-1b, labels: {trainer.kubeflow.org/framework: torchtune}}
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
                volumes: [{name: code, configMap: {name: code}}, {name: workspace, emptyDir: {}}]
                initContainers:
                - name: make
                  image: weir.local/torchtune
                  command: [python, /code/tiny_llama.py, /workspace]
                  volumeMounts: [{name: code, mountPath: /code}, {name: workspace, mountPath: /workspace}]
                containers:
                - name: node
                  image: weir.local/torchtune
                  env: [{name: OMP_NUM_THREADS, value: "1"}]
                  command:
                  - tune
                  - run
                  - output_dir=/workspace/output
                  - tokenizer.path=/workspace/model/original/tokenizer.model
                  - checkpointer.checkpoint_dir=/workspace/model
                  volumeMounts: [{name: workspace, mountPath: /workspace}]
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: tuned}
spec:
  runtimeRef: {name: torchtune-llama3.2-1b, kind: TrainingRuntime}
  trainer:
    numProcPerNode: 1
    command: [tune, run]
    args:
    - epochs=3
    - device=cpu
    - dtype=fp32
    - optimizer_in_bwd=False
    - optimizer._component_=torch.optim.AdamW
    - optimizer.lr=0.01
    - dataset._component_=torchtune.datasets.instruct_dataset
    - dataset.source=json
    - dataset.data_files=/workspace/dataset/data.json
    - model._component_=torchtune.models.llama3_2.llama3_2
    - model.vocab_size=128256
    - model.num_layers=2
    - model.num_heads=4
    - model.num_kv_heads=2
    - model.embed_dim=32
    - model.max_seq_len=256
    - model.intermediate_dim=64
`

// The published torchtune tunes a model, and its losses are seen.
func TestTorchtune(t *testing.T) {
	needsFull(t)
	s := begin(t)
	s.mapTo(t, "weir.local/torchtune", "--package", "torch", "--package", "torchtune==0.6.1", "--package", "torchao==0.15.0")
	s.kubectl("create", "configmap", "code", "--from-file", "sdk/tiny_llama.py")
	s.apply(tinyTuning)
	s.trained("tuned", 2*tensorflowFor)
	out := s.kubectl("logs", "-l", "jobset.sigs.k8s.io/jobset-name=tuned", "--tail=-1")
	if !strings.Contains(out, "The full model checkpoint, including all weights and configurations, has been saved successfully.") {
		t.Errorf("no word of a model:\n%s", out)
	}
	all := regexp.MustCompile(`\d\|\d+\|Loss: (\d+\.\d+)`).FindAllStringSubmatch(out, -1)
	if len(all) < 2 {
		t.Fatalf("no losses:\n%s", out)
	}
	first, _ := strconv.ParseFloat(all[0][1], 64)
	last, _ := strconv.ParseFloat(all[len(all)-1][1], 64)
	if last > first/1.5 {
		t.Errorf("the loss goes from %v to %v", first, last)
	}
	s.eventually(time.Minute, "the last loss is in the job's status", func() (bool, string) {
		status := s.kubectl("get", "trainjob/tuned", "-o", "jsonpath={.status.trainerStatus}")
		return strings.Contains(status, strconv.FormatFloat(last, 'g', 6, 64)), status
	})
}
