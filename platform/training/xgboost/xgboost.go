// Package xgboost says what is particular to XGBoostJobs: the master decides,
// and variables that the tracker of XGBoost and LightGBM's network read tell
// replicas of each other.
package xgboost

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

const (
	master = training.XGBoostReplicaMaster
	worker = training.XGBoostReplicaWorker
)

// A Framework runs XGBoostJobs. The zero value is good.
type Framework struct{}

var _ job.Framework[*training.XGBoostJob] = Framework{}

// Traits are the names that belong to XGBoostJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{Kind: training.XGBoostJobKind, Operator: "xgboostjob-controller", Name: "xgboost", Container: training.XGBoostJobContainer}
}

// New is an empty XGBoostJob.
func (Framework) New() *training.XGBoostJob { return &training.XGBoostJob{} }

// Master is the replica of that type.
func (Framework) Master(_ *training.XGBoostJob, r job.Replica) bool { return r.Type == master }

// Judge asks the master. XGBoost cannot go on without a worker that it began
// with, so only an exit code brings one back.
func (Framework) Judge(j *training.XGBoostJob, seen job.Seen) job.Verdict {
	return job.Rule{Kind: training.XGBoostJobKind, Decides: master, Strict: true}.Judge(j, seen)
}

// Connect tells every container where the master and the workers are, and which
// rank it has.
func (Framework) Connect(j *training.XGBoostJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	port := func(t training.ReplicaType) string {
		return strconv.Itoa(int(job.Port(j, t, training.XGBoostJobContainer, training.XGBoostJobPortName)))
	}
	job.Tell(pod,
		corev1.EnvVar{Name: "MASTER_PORT", Value: port(master)},
		corev1.EnvVar{Name: "MASTER_ADDR", Value: job.Host(j, job.Replica{Type: master})},
		corev1.EnvVar{Name: "WORLD_SIZE", Value: strconv.Itoa(job.Wanted(j))},
		corev1.EnvVar{Name: "RANK", Value: strconv.Itoa(job.Rank(j, r, master, worker))},
		corev1.EnvVar{Name: "PYTHONUNBUFFERED", Value: "1"},
	)
	if job.Wanted(j) == 1 {
		return
	}
	var workers []string
	for i := range job.Wanted(j, worker) {
		workers = append(workers, job.Host(j, job.Replica{Type: worker, Index: i}))
	}
	job.Tell(pod,
		corev1.EnvVar{Name: "WORKER_PORT", Value: port(worker)},
		corev1.EnvVar{Name: "WORKER_ADDRS", Value: strings.Join(workers, ",")},
	)
}
