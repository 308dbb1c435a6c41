package trainjob

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// connect tells the nodes how to find each other, in the words of their
// framework.
func (d *draft) connect() {
	switch p := d.policy; {
	case p.Torch != nil:
		d.torch(p.Torch)
	case p.MPI != nil:
		d.mpi(p.MPI)
	case p.JAX != nil:
		d.jax()
	case p.XGBoost != nil:
		d.xgboost()
	case p.TensorFlow != nil:
		d.tensorflow()
	case p.Paddle != nil:
		d.paddle(p.Paddle)
	}
}

// torch is for torchrun, which reads its flags from variables.
func (d *draft) torch(p *trainer.TorchPolicy) {
	node := d.node()
	if node == nil {
		return
	}
	if d.job.Spec.Trainer != nil {
		setEnv(node, d.job.Spec.Trainer.Env...)
	}
	torch := []corev1.EnvVar{
		{Name: "PET_NNODES", Value: fmt.Sprint(d.nodes)},
		{Name: "PET_NPROC_PER_NODE", Value: d.processes(p.NumProcPerNode, node.Resources)},
		rank("PET_NODE_RANK"),
	}
	if e := p.ElasticPolicy; e != nil {
		torch = append(torch, d.elastic(e)...)
	}
	setEnv(node, torch...)
	first := []corev1.EnvVar{
		{Name: "PET_MASTER_ADDR", Value: d.first()},
		{Name: "PET_MASTER_PORT", Value: fmt.Sprint(trainer.Port)},
	}
	if d.tunes() {
		node.Command = d.tuneCommand() // Which tells it.
	} else {
		setEnv(node, first...)
	}
	setPort(node)

	if p.EnvInjection == nil {
		return
	}
	for _, t := range p.EnvInjection.Targets {
		for i := range d.spec.ReplicatedJobs {
			r := &d.spec.ReplicatedJobs[i]
			if r.Name != t.JobName {
				continue
			}
			pod := &r.Template.Spec.Template.Spec
			for _, name := range t.ContainerNames {
				for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
					for k := range containers {
						if containers[k].Name == name {
							setEnv(&containers[k], slices.Concat(torch, first)...)
						}
					}
				}
			}
		}
	}
}

// elastic lets torchrun begin with fewer nodes, and go on with them.
func (d *draft) elastic(e *trainer.TorchElasticPolicy) []corev1.EnvVar {
	least, most := d.nodes, d.nodes
	if e.MinNodes != nil {
		least = *e.MinNodes
	}
	if e.MaxNodes != nil {
		most = *e.MaxNodes
	}
	all := []corev1.EnvVar{
		{Name: "PET_NNODES", Value: fmt.Sprintf("%d:%d", least, max(least, most))},
		{Name: "PET_RDZV_BACKEND", Value: "c10d"},
		{Name: "PET_RDZV_ENDPOINT", Value: fmt.Sprintf("%s:%d", d.first(), trainer.Port)},
		{Name: "PET_RDZV_ID", Value: d.job.Name},
	}
	if e.MaxRestarts != nil {
		all = append(all, corev1.EnvVar{Name: "PET_MAX_RESTARTS", Value: fmt.Sprint(*e.MaxRestarts)})
	}
	return all
}

// processes is how many processes a node has, as torchrun reads it: what the
// TrainJob or the runtime says; or "auto" where there are GPUs to count, or as
// many as the node asks for processors.
func (d *draft) processes(by *intstr.IntOrString, r corev1.ResourceRequirements) string {
	n := intstr.FromString("auto")
	if by != nil {
		n = *by
	}
	if t := d.job.Spec.Trainer; t != nil && t.NumProcPerNode != nil {
		n = *t.NumProcPerNode
	}
	if n.String() == "auto" && gpus(r) == 0 {
		return fmt.Sprint(max(1, cpus(r)))
	}
	return n.String()
}

// number is how many processes a node has, where only a number will do.
func (d *draft) number(by *int32) int32 {
	n := int32(1)
	if by != nil {
		n = *by
	}
	if t := d.job.Spec.Trainer; t != nil && t.NumProcPerNode != nil && t.NumProcPerNode.Type == intstr.Int {
		return t.NumProcPerNode.IntVal
	}
	if node := d.node(); node != nil && n == 1 {
		n = max(n, gpus(node.Resources))
	}
	return n
}

func (d *draft) jax() {
	node := d.node()
	if node == nil {
		return
	}
	setEnv(node,
		corev1.EnvVar{Name: "JAX_NUM_PROCESSES", Value: fmt.Sprint(d.nodes)},
		rank("JAX_PROCESS_ID"),
		corev1.EnvVar{Name: "JAX_COORDINATOR_ADDRESS", Value: fmt.Sprintf("%s:%d", d.first(), trainer.Port)})
	setPort(node)
}

// xgboost is for its tracker, which the first node runs. Each GPU has a worker.
func (d *draft) xgboost() {
	node := d.node()
	if node == nil {
		return
	}
	setEnv(node,
		corev1.EnvVar{Name: "DMLC_TRACKER_URI", Value: d.first()},
		corev1.EnvVar{Name: "DMLC_TRACKER_PORT", Value: fmt.Sprint(trainer.Port)},
		rank("DMLC_TASK_ID"),
		corev1.EnvVar{Name: "DMLC_NUM_WORKER", Value: fmt.Sprint(d.nodes * max(1, gpus(node.Resources)))})
	setPort(node)
}

// tensorflow gives every replica its TF_CONFIG. All pods of a job have the same
// template, so the place of each is filled in by Kubernetes.
func (d *draft) tensorflow() {
	cluster := map[string][]string{}
	types := map[int]string{}
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		kind := r.Name
		switch {
		case stepOf(r) == trainer.StepTrainer:
			kind = "worker"
		case kind != "ps" && kind != "chief" && kind != "evaluator":
			continue
		}
		types[i] = kind
		for _, h := range d.hosts(r) {
			cluster[kind] = append(cluster[kind], fmt.Sprintf("%q", fmt.Sprintf("%s:%d", h, trainer.Port)))
		}
	}
	var peers []string
	for _, kind := range []string{"chief", "evaluator", "ps", "worker"} {
		if len(cluster[kind]) > 0 {
			peers = append(peers, fmt.Sprintf("%q:[%s]", kind, strings.Join(cluster[kind], ",")))
		}
	}
	for i, kind := range types {
		c := containerOf(&d.spec.ReplicatedJobs[i], trainer.Node)
		if c == nil {
			continue
		}
		setEnv(c, rank("TF_TASK_INDEX"), corev1.EnvVar{Name: "TF_CONFIG", Value: fmt.Sprintf(
			`{"cluster":{%s},"task":{"type":%q,"index":$(TF_TASK_INDEX)},"environment":"cloud"}`, strings.Join(peers, ","), kind)})
		setPort(c)
	}
}

// paddle is for paddle.distributed.launch, which reads its flags from
// variables. POD_IP is what it calls the node itself: the first serves when it
// recognises itself in PADDLE_MASTER.
func (d *draft) paddle(p *trainer.PaddlePolicy) {
	node := d.node()
	if node == nil {
		return
	}
	first := d.first()
	setEnv(node,
		corev1.EnvVar{Name: "PADDLE_JOB_ID", Value: d.job.Name},
		corev1.EnvVar{Name: "PADDLE_NNODES", Value: fmt.Sprint(d.nodes)},
		rank("PADDLE_RANK"),
		corev1.EnvVar{Name: "PADDLE_MASTER", Value: fmt.Sprintf("%s:%d", first, trainer.Port)},
		corev1.EnvVar{Name: "POD_IP", Value: strings.Replace(first, "-0-0.", "-0-$(PADDLE_RANK).", 1)},
		corev1.EnvVar{Name: "PADDLE_NPROC_PER_NODE", Value: strconv.Itoa(int(d.number(p.NumProcPerNode)))})
	setPort(node)
}
