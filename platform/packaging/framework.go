package packaging

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A Framework is what a program trains with over several processes.
type Framework string

// Frameworks that have a kind of job.
const (
	TensorFlow Framework = "tensorflow"
	PyTorch    Framework = "pytorch"
	JAX        Framework = "jax"
	XGBoost    Framework = "xgboost"
	Paddle     Framework = "paddle"
	MPI        Framework = "mpi"
)

func (f Framework) unknown() error {
	var known []string
	for _, k := range Frameworks() {
		known = append(known, string(k))
	}
	return fmt.Errorf("framework %q: there is %s", f, strings.Join(known, ", "))
}

// Check says whether there is such a framework.
func (f Framework) Check() error {
	if _, ok := frameworks[f]; !ok {
		return f.unknown()
	}
	return nil
}

// Kind is the kind of its jobs.
func (f Framework) Kind() string {
	if f == "" {
		return "Job"
	}
	return frameworks[f].kind
}

// A framework is how its jobs are made.
type framework struct {
	kind, container string
	replicas        func(Run) map[training.ReplicaType]int32
	job             func(map[training.ReplicaType]*training.ReplicaSpec) training.Job
	// command is what a replica runs, where that is not the run's own.
	command func(Run, training.ReplicaType) []string
}

type specs = map[training.ReplicaType]*training.ReplicaSpec

// withMaster has one replica that the others look to, and counts as a worker.
func withMaster(r Run) map[training.ReplicaType]int32 {
	return map[training.ReplicaType]int32{"Master": 1, "Worker": max(r.Workers, 1) - 1}
}

func workers(r Run) map[training.ReplicaType]int32 {
	return map[training.ReplicaType]int32{"Worker": max(r.Workers, 1)}
}

func typed(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: training.GroupVersion.String(), Kind: kind}
}

// frameworks by their names. (Nothing changes it.)
var frameworks = map[Framework]framework{
	TensorFlow: {
		kind: "TFJob", container: training.TFJobContainer,
		replicas: func(r Run) map[training.ReplicaType]int32 {
			return map[training.ReplicaType]int32{"Worker": max(r.Workers, 1), "PS": r.ParameterServers}
		},
		job: func(s specs) training.Job {
			// Without a chief, the first worker's end would be that of the others.
			return &training.TFJob{TypeMeta: typed("TFJob"), Spec: training.TFJobSpec{TFReplicaSpecs: s, SuccessPolicy: new(training.SuccessAllWorkers)}}
		},
	},
	PyTorch: {kind: "PyTorchJob", container: training.PyTorchJobContainer, replicas: withMaster, job: func(s specs) training.Job {
		return &training.PyTorchJob{TypeMeta: typed("PyTorchJob"), Spec: training.PyTorchJobSpec{PyTorchReplicaSpecs: s}}
	}},
	XGBoost: {kind: "XGBoostJob", container: training.XGBoostJobContainer, replicas: withMaster, job: func(s specs) training.Job {
		return &training.XGBoostJob{TypeMeta: typed("XGBoostJob"), Spec: training.XGBoostJobSpec{XGBReplicaSpecs: s}}
	}},
	JAX: {kind: "JAXJob", container: training.JAXJobContainer, replicas: workers, job: func(s specs) training.Job {
		return &training.JAXJob{TypeMeta: typed("JAXJob"), Spec: training.JAXJobSpec{JAXReplicaSpecs: s}}
	}},
	Paddle: {kind: "PaddleJob", container: training.PaddleJobContainer, replicas: workers, job: func(s specs) training.Job {
		return &training.PaddleJob{TypeMeta: typed("PaddleJob"), Spec: training.PaddleJobSpec{PaddleReplicaSpecs: s}}
	}},
	// The launcher works too: so the first process, which writes what is learnt,
	// is where outputs are looked for.
	MPI: {
		kind: "MPIJob", container: "mpi",
		replicas: func(r Run) map[training.ReplicaType]int32 {
			return map[training.ReplicaType]int32{"Launcher": 1, "Worker": max(r.Workers, 2) - 1}
		},
		job: func(s specs) training.Job {
			j := &training.MPIJob{TypeMeta: typed("MPIJob"), Spec: training.MPIJobSpec{MPIReplicaSpecs: s, RunLauncherAsWorker: new(true)}}
			j.APIVersion = "kubeflow.org/" + training.MPIJobV2
			return j
		},
		command: func(r Run, t training.ReplicaType) []string {
			if t == "Worker" {
				return []string{"/usr/sbin/sshd", "-De"}
			}
			return append([]string{"mpirun", "-n", strconv.Itoa(int(max(r.Workers, 1)))}, r.Command...)
		},
	},
}
