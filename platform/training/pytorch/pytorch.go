// Package pytorch says what is particular to PyTorchJobs: who decides, and how
// replicas find each other, which is by variables that torch.distributed and
// torchrun read.
package pytorch

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

const (
	master = training.PyTorchReplicaMaster
	worker = training.PyTorchReplicaWorker
)

// A Framework runs PyTorchJobs. The zero value is good.
type Framework struct {
	// WaitImage is the image in which a worker waits until it finds its master;
	// alpine:3.10 if not said. It must have sh, seq and nslookup.
	WaitImage string
	// WaitTries is how often it looks, every two seconds; 100 if not said.
	WaitTries int
}

var _ job.Framework[*training.PyTorchJob] = Framework{}

// Traits are the names that belong to PyTorchJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{
		Kind: training.PyTorchJobKind, Operator: "pytorchjob-controller", Name: "pytorch", Container: training.PyTorchJobContainer, Scaled: true,
	}
}

// New is an empty PyTorchJob.
func (Framework) New() *training.PyTorchJob { return &training.PyTorchJob{} }

// Master is the replica of that type, or without one worker 0.
func (Framework) Master(j *training.PyTorchJob, r job.Replica) bool {
	if hasMaster(j) {
		return r.Type == master
	}
	return r == job.Replica{Type: worker}
}

// Judge asks the master, or without one the workers; of an elastic job's, one
// that is done is enough.
func (Framework) Judge(j *training.PyTorchJob, seen job.Seen) job.Verdict {
	rule := job.Rule{Kind: training.PyTorchJobKind, Decides: master}
	if !hasMaster(j) {
		rule.Decides, rule.Equal, rule.Any = worker, true, j.Spec.ElasticPolicy != nil
	}
	return rule.Judge(j, seen)
}

// Connect tells every container where the master is and which rank it has, and
// torchrun how many replicas there are. Workers wait for the master's name: to
// call a name that is not known yet fails for good in some programs.
func (f Framework) Connect(j *training.PyTorchJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	job.Tell(pod, variables(j, r)...)
	if hasMaster(j) && r.Type != master {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, f.wait(job.Host(j, job.Replica{Type: master})))
	}
}

func variables(j *training.PyTorchJob, r job.Replica) []corev1.EnvVar {
	all := []corev1.EnvVar{{Name: "PYTHONUNBUFFERED", Value: "1"}}
	add := func(name, value string) { all = append(all, corev1.EnvVar{Name: name, Value: value}) }
	if hasMaster(j) {
		host, port := job.Host(j, job.Replica{Type: master}), portOf(j, master)
		rank := strconv.Itoa(job.Rank(j, r, master, worker))
		add("MASTER_PORT", port)
		add("PET_MASTER_PORT", port)
		add("MASTER_ADDR", host)
		add("PET_MASTER_ADDR", host)
		add("WORLD_SIZE", strconv.Itoa(job.Wanted(j)*processes(j)))
		add("RANK", rank)
		add("PET_NODE_RANK", rank)
	}
	if n := j.Spec.NProcPerNode; n != nil {
		add("PET_NPROC_PER_NODE", *n)
	}
	if j.Spec.ElasticPolicy == nil {
		add("PET_NNODES", strconv.Itoa(job.Wanted(j)))
		return all
	}
	return append(all, elastic(j)...)
}

// processes is how many processes each replica has as far as can be told here:
// what torchrun finds out by itself counts as one.
func processes(j *training.PyTorchJob) int {
	if j.Spec.NProcPerNode == nil {
		return 1
	}
	if n, err := strconv.Atoi(*j.Spec.NProcPerNode); err == nil {
		return n
	}
	return 1
}

func portOf(j *training.PyTorchJob, t training.ReplicaType) string {
	return strconv.Itoa(int(job.Port(j, t, training.PyTorchJobContainer, training.PyTorchJobPortName)))
}

func hasMaster(j *training.PyTorchJob) bool { return j.Spec.PyTorchReplicaSpecs[master] != nil }

// wait is the container in which a worker waits until it finds its master.
func (f Framework) wait(host string) corev1.Container {
	image, tries := f.WaitImage, f.WaitTries
	if image == "" {
		image = "alpine:3.10"
	}
	if tries == 0 {
		tries = 100
	}
	amounts := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	return corev1.Container{
		Name:            "init-pytorch",
		Image:           image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Resources:       corev1.ResourceRequirements{Limits: amounts("100m", "20Mi"), Requests: amounts("50m", "10Mi")},
		Command: []string{"sh", "-c", fmt.Sprintf(
			"err=1;for i in $(seq %d); do if nslookup %s; then err=0 && break; fi;echo waiting for master; sleep 2; done; exit $err", tries, host)},
	}
}
