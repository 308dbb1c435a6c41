package trainjob

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// tuningRuntime is a runtime for torchtune, as upstream writes them.
const tuningRuntime = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
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
                  - output_dir=/workspace/output
                  - tokenizer.path=/workspace/model/vocab.json
                  - tokenizer.merges_file=/workspace/model/merges.txt
                  - checkpointer.checkpoint_dir=/workspace/model
                  resources: {limits: {nvidia.com/gpu: 2}}
`

// The command of torchtune is as upstream builds it: what the client leaves open
// follows from the nodes, their processes and the settings.
func TestTune(t *testing.T) {
	const lora, quantized, dora = "model.lora_attn_modules=[q_proj]", "model.quantize_base=True", "model.use_dora=True"
	const rendezvous = "--rdzv_endpoint=t-node-0-0.t:29500 "
	cases := map[string]struct {
		why, runtime, trainer string
		args                  []string
		want                  string
	}{
		"Processes": {
			why:  "A node of two GPUs has a process for each, which find each other.",
			want: rendezvous + "full_finetune_distributed --config llama3_2/1B_full",
		},
		"OneGPU": {
			why: "One GPU is one process.", trainer: "resourcesPerNode: {limits: {nvidia.com/gpu: 1}}",
			want: "full_finetune_single_device --config llama3_2/1B_full_single_device",
		},
		"OneProcess": {
			why: "So it is if the TrainJob says so.", trainer: "numProcPerNode: 1",
			want: "full_finetune_single_device --config llama3_2/1B_full_single_device",
		},
		"Processors": {
			why: "Without GPUs there is a process for each processor.", trainer: "resourcesPerNode: {limits: {nvidia.com/gpu: 0, cpu: 4}}",
			want: rendezvous + "full_finetune_distributed --config llama3_2/1B_full",
		},
		"Nodes": {
			why: "Several nodes are for the largest model.", runtime: "torchtune-llama3.3-70b", trainer: "numNodes: 2",
			want: rendezvous + "full_finetune_distributed --config llama3_3/70B_full_multinode",
		},
		"LoRA": {
			why: "LoRA has a recipe of its own.", args: []string{"batch_size=4", lora},
			want: rendezvous + "lora_finetune_distributed --config llama3_2/1B_lora",
		},
		"LoRAAlone": {
			why: "Two of them.", args: []string{lora}, trainer: "numProcPerNode: 1",
			want: "lora_finetune_single_device --config llama3_2/1B_lora_single_device",
		},
		"QLoRA": {
			why: "Quantized, it is LoRA's with another configuration.", args: []string{lora, quantized}, trainer: "numProcPerNode: 1",
			want: "lora_finetune_single_device --config llama3_2/1B_qlora_single_device",
		},
		"DoRA": {
			why: "DoRA is not quantized.", args: []string{lora, quantized, dora}, trainer: "numProcPerNode: 1",
			want: "lora_finetune_single_device --config llama3_2/1B_lora_single_device",
		},
		"Qwen": {
			why: "The model is in the runtime's name.", runtime: "torchtune-qwen2.5-1.5b",
			want: rendezvous + "full_finetune_distributed --config qwen2_5/1.5B_full",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := newPlan(tuneOf(t, tc.runtime, tc.trainer, tc.args), runtimeFrom(t, []byte(tuningRuntime)), Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			js, _ := planned(t, p)
			node := containerOf(jobNamed(t, js, "node"), trainer.Node)
			want := "tune run " + tc.want + " output_dir=/workspace/output tokenizer.path=/workspace/model/vocab.json" +
				" tokenizer.merges_file=/workspace/model/merges.txt checkpointer.checkpoint_dir=/workspace/model"
			if diff := cmp.Diff(want, strings.Join(node.Command, " ")); diff != "" {
				t.Errorf("%s -want, +got:\n%s", tc.why, diff)
			}
			if diff := cmp.Diff(tc.args, node.Args); diff != "" {
				t.Errorf("arguments: -want, +got:\n%s", diff)
			}
			for _, e := range said(node) {
				if strings.HasPrefix(e, "PET_MASTER") {
					t.Errorf("%s stands beside --rdzv_endpoint", e)
				}
			}
		})
	}
}

// What torchtune cannot do is refused in upstream's words.
func TestTuneRefused(t *testing.T) {
	const lora, quantized = "model.lora_attn_modules=[q_proj]", "model.quantize_base=True"
	cases := map[string]struct {
		runtime, trainer string
		args             []string
		want             string
	}{
		"Model":     {runtime: "torchtune-llama3.1-70b", want: `spec.runtimeRef.name: Invalid value: "torchtune-llama3.1-70b": must have a supported pretrained model, invalid model configured: llama3_1/70B: name a runtime called after one`},
		"Nodes":     {trainer: "numNodes: 2", want: "spec.trainer.numNodes: Invalid value: 2: must be 1 for llama3_2/1B model"},
		"LoRANodes": {runtime: "torchtune-llama3.3-70b", trainer: "numNodes: 2", args: []string{lora}, want: "spec.trainer.numNodes: Invalid value: 2: LoRA fine-tuning is not supported for multi-node training in TorchTune"},
		"Qwen":      {runtime: "torchtune-qwen2.5-1.5b", args: []string{lora, quantized}, want: `spec.runtimeRef.name: Invalid value: "torchtune-qwen2.5-1.5b": QLoRA is not supported for qwen2_5/1.5B model`},
		"Processes": {args: []string{lora, quantized}, want: `spec.trainer.numProcPerNode: Invalid value: "auto": must be auto or 1 for llama3_2/1B model when using QLoRA`},
		"GPUs":      {args: []string{lora, quantized}, want: "spec.trainer.resourcesPerNode: Invalid value: 2: must have gpu resource with value 1 for llama3_2/1B model when using QLoRA"},
		"Place":     {args: []string{"epochs=1", "output_dir=/mine"}, want: `spec.trainer.args[1]: Invalid value: "output_dir=/mine": must not set immutable config "output_dir" in trainer args; it is managed by the runtime`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := newPlan(tuneOf(t, tc.runtime, tc.trainer, tc.args), runtimeFrom(t, []byte(tuningRuntime)), Options{}, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
}

// tuneOf is a TrainJob as clients write it for torchtune.
func tuneOf(t *testing.T, runtime, says string, args []string) *trainer.TrainJob {
	t.Helper()
	if runtime == "" {
		runtime = "torchtune-llama3.2-1b"
	}
	if says != "" {
		says += ", "
	}
	j := jobOf(t, fmt.Sprintf(`{runtimeRef: {name: %s}, trainer: {%scommand: [tune, run]}}`, runtime, says))
	j.Spec.Trainer.Args = args
	return j
}
