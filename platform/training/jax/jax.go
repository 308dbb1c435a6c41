// Package jax says what is particular to JAXJobs: all workers decide, and
// variables tell each where the coordinator is and which process it is.
package jax

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

const worker = training.JAXReplicaWorker

// A Framework runs JAXJobs. The zero value is good.
type Framework struct{}

var _ job.Framework[*training.JAXJob] = Framework{}

// Traits are the names that belong to JAXJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{
		Kind: training.JAXJobKind, Operator: "jaxjob-controller", Name: "jax", Container: training.JAXJobContainer, Scaled: true,
	}
}

// New is an empty JAXJob.
func (Framework) New() *training.JAXJob { return &training.JAXJob{} }

// Master is worker 0, the coordinator.
func (Framework) Master(_ *training.JAXJob, r job.Replica) bool { return r.Index == 0 }

// Judge asks all workers.
func (Framework) Judge(j *training.JAXJob, seen job.Seen) job.Verdict {
	return job.Rule{Kind: training.JAXJobKind, Decides: worker, Equal: true}.Judge(j, seen)
}

// Connect tells every container what jax.distributed.initialize needs to know.
func (Framework) Connect(j *training.JAXJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	port := job.Port(j, worker, training.JAXJobContainer, training.JAXJobPortName)
	job.Tell(pod,
		corev1.EnvVar{Name: "PYTHONUNBUFFERED", Value: "1"},
		corev1.EnvVar{Name: "COORDINATOR_PORT", Value: strconv.Itoa(int(port))},
		corev1.EnvVar{Name: "COORDINATOR_ADDRESS", Value: job.Host(j, job.Replica{Type: worker})},
		corev1.EnvVar{Name: "NUM_PROCESSES", Value: strconv.Itoa(job.Wanted(j))},
		corev1.EnvVar{Name: "PROCESS_ID", Value: strconv.Itoa(r.Index)},
	)
}
