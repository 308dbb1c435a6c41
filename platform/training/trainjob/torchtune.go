package trainjob

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// Clients ask for torchtune by the command "tune run" and settings as arguments.
// Which recipe that takes follows from the nodes and the settings, which model
// from the runtime's name, and where things lie stands in the runtime's command.
var tuneRun = []string{"tune", "run"}

// tuneModels are the models that torchtune has configurations of, as far as
// runtimes are made for them. (Nothing changes it.)
var tuneModels = []string{"llama3_2/1B", "llama3_2/3B", tuneModelOfNodes, tuneModelQwen}

const (
	tuneModelOfNodes = "llama3_3/70B" // The one for several nodes.
	tuneModelQwen    = "qwen2_5/1.5B"
)

// tunePlaces are settings that say where things lie, which only the runtime
// knows. (Nothing changes it.)
var tunePlaces = []string{"output_dir", "tokenizer.path", "checkpointer.checkpoint_dir", "tokenizer.merges_file"}

// tunes tells whether a TrainJob is one for torchtune.
func (d *draft) tunes() bool {
	return d.policy.Torch != nil && d.job.Spec.Trainer != nil && slices.Equal(d.job.Spec.Trainer.Command, tuneRun)
}

// A tuning is how torchtune is to go about it.
type tuning struct {
	model string
	// method is which weights are changed: full, lora, qlora.
	method string
	// alone is whether there is one process, and nodes whether several nodes.
	alone, nodes bool
}

// tuning is what a TrainJob of a runtime with a node asks of torchtune.
func (d *draft) tuning() tuning {
	args := d.job.Spec.Trainer.Args
	t := tuning{model: tuneModel(d.job.Spec.RuntimeRef.Name), method: "full", nodes: d.nodes > 1}
	switch {
	case isTrue(args, "model.quantize_base") && !isTrue(args, "model.use_dora"):
		t.method = "qlora"
	case slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "model.lora_attn_modules") }):
		t.method = "lora"
	}
	has := d.node().Resources
	t.alone = !t.nodes && (d.processes(d.policy.Torch.NumProcPerNode, has) == "1" || gpus(has) == 1)
	return t
}

// tuneModel is the model that a runtime such as torchtune-llama3.2-1b is for.
func tuneModel(runtime string) string {
	parts := strings.Split(runtime, "-")
	if len(parts) != 3 {
		return ""
	}
	return strings.ReplaceAll(parts[1], ".", "_") + "/" + strings.ToUpper(parts[2])
}

func isTrue(args []string, setting string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		name, value, _ := strings.Cut(a, "=")
		return strings.Contains(name, setting) && strings.EqualFold(strings.TrimSpace(value), "true")
	})
}

// recipe is torchtune's name of how it is done, and config that of its settings.
func (t tuning) recipe() (recipe, config string) {
	method, where := strings.TrimPrefix(t.method, "q"), "distributed"
	config = t.model + "_" + t.method
	switch {
	case t.alone:
		where = "single_device"
		config += "_single_device"
	case t.nodes:
		method, config = "full", t.model+"_full_multinode"
	}
	return method + "_finetune_" + where, config
}

// tuneCommand is the command of a node.
func (d *draft) tuneCommand() []string {
	t := d.tuning()
	command := slices.Clone(tuneRun)
	if !t.alone {
		command = append(command, fmt.Sprintf("--rdzv_endpoint=%s:%d", d.first(), trainer.Port))
	}
	recipe, config := t.recipe()
	command = append(command, recipe, "--config", config)
	for _, word := range d.node().Command {
		if isPlace(word) {
			command = append(command, word)
		}
	}
	return command
}

func isPlace(setting string) bool {
	name, _, _ := strings.Cut(setting, "=")
	return slices.Contains(tunePlaces, name)
}

// validateTune says what torchtune cannot do of what a TrainJob asks of it.
func validateTune(j *trainer.TrainJob, by *trainer.TrainingRuntimeSpec) field.ErrorList {
	d, err := newDraft(j, by)
	if err != nil || !d.tunes() || d.node() == nil {
		return nil // What else is wrong with it is said elsewhere.
	}
	t := d.tuning()
	spec := field.NewPath("spec")
	name, at := spec.Child("runtimeRef", "name"), spec.Child("trainer")
	var problems field.ErrorList
	say := func(at *field.Path, value any, format string, args ...any) {
		problems = append(problems, field.Invalid(at, value, fmt.Sprintf(format, args...)))
	}
	if !slices.Contains(tuneModels, t.model) {
		say(name, j.Spec.RuntimeRef.Name, "must have a supported pretrained model, invalid model configured: %s: "+
			"name a runtime called after one, as torchtune-llama3.2-1b; there are %s", t.model, strings.Join(tuneModels, ", "))
	}
	if t.nodes && t.model != tuneModelOfNodes {
		say(at.Child("numNodes"), d.nodes, "must be 1 for %s model", t.model)
	}
	if t.nodes && t.method != "full" {
		say(at.Child("numNodes"), d.nodes, "LoRA fine-tuning is not supported for multi-node training in TorchTune: set 1, or leave LoRA out")
	}
	if t.method == "qlora" && t.model == tuneModelQwen {
		say(name, j.Spec.RuntimeRef.Name, "QLoRA is not supported for %s model: leave model.quantize_base out", t.model)
	}
	if t.method == "qlora" && !t.alone && !t.nodes && strings.HasPrefix(t.model, "llama3_2/") {
		say(at.Child("numProcPerNode"), d.processes(d.policy.Torch.NumProcPerNode, d.node().Resources), "must be auto or 1 for %s model when using QLoRA", t.model)
		say(at.Child("resourcesPerNode"), gpus(d.node().Resources), "must have gpu resource with value 1 for %s model when using QLoRA", t.model)
	}
	for i, a := range j.Spec.Trainer.Args {
		if isPlace(a) {
			setting, _, _ := strings.Cut(a, "=")
			say(at.Child("args").Index(i), a, "must not set immutable config %q in trainer args; it is managed by the runtime", setting)
		}
	}
	return problems
}
