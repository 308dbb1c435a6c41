// Package paddle says what is particular to PaddleJobs: who decides, and how
// replicas find each other, which is by variables that paddle.distributed.launch
// reads.
package paddle

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

const (
	master = training.PaddleReplicaMaster
	worker = training.PaddleReplicaWorker
)

// A Framework runs PaddleJobs. The zero value is good.
type Framework struct{}

var _ job.Framework[*training.PaddleJob] = Framework{}

// Traits are the names that belong to PaddleJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{
		Kind: training.PaddleJobKind, Operator: "paddlejob-controller", Name: "paddle", Container: training.PaddleJobContainer, Scaled: true,
	}
}

// New is an empty PaddleJob.
func (Framework) New() *training.PaddleJob { return &training.PaddleJob{} }

// Master is every replica of that type. Among workers alone there is none.
func (Framework) Master(_ *training.PaddleJob, r job.Replica) bool { return r.Type == master }

// Judge asks the masters, or without any the workers.
func (Framework) Judge(j *training.PaddleJob, seen job.Seen) job.Verdict {
	first := leader(j)
	return job.Rule{Kind: training.PaddleJobKind, Decides: first.Type, Equal: first.Type == worker}.Judge(j, seen)
}

// Connect tells every container where the replicas meet, how many there are,
// and with parameter servers which part it plays. The one that the others meet
// at listens on the pod's own address: its name may not be known there yet.
func (Framework) Connect(j *training.PaddleJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	first := leader(j)
	port := job.Port(j, first.Type, training.PaddleJobContainer, training.PaddleJobPortName)
	job.Tell(pod,
		corev1.EnvVar{Name: "PYTHONUNBUFFERED", Value: "1"},
		corev1.EnvVar{Name: "PADDLE_JOB_ID", Value: j.Name},
		corev1.EnvVar{Name: "PADDLE_NNODES", Value: strconv.Itoa(job.Wanted(j))},
	)
	host := job.Host(j, first)
	if r == first {
		host = "$(POD_IP_DUMMY)"
		job.Tell(pod, corev1.EnvVar{Name: "POD_IP_DUMMY", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}})
	}
	job.Tell(pod, corev1.EnvVar{Name: "PADDLE_MASTER", Value: fmt.Sprintf("%s:%d", host, port)})
	if first.Type == worker {
		return
	}
	part := "PADDLE_TRAINER_NUM"
	if r.Type == master {
		part = "PADDLE_SERVER_NUM"
	}
	job.Tell(pod, corev1.EnvVar{Name: part, Value: "1"})
}

// leader is the replica that the others meet at.
func leader(j *training.PaddleJob) job.Replica {
	if j.Spec.PaddleReplicaSpecs[master] != nil {
		return job.Replica{Type: master}
	}
	return job.Replica{Type: worker}
}
