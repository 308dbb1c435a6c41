// Package tensorflow says what is particular to TFJobs: who decides, and how
// replicas learn of each other, which is the variable TF_CONFIG.
package tensorflow

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// A Framework runs TFJobs. The zero value is good.
type Framework struct {
	// ClusterDomain is put after a service's name, as cluster.local, for
	// clusters whose pods do not search it.
	ClusterDomain string
}

var _ job.Framework[*training.TFJob] = Framework{}

// Traits are the names that belong to TFJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{Kind: training.TFJobKind, Operator: "tfjob-controller", Name: "tensorflow", Container: training.TFJobContainer}
}

// New is an empty TFJob.
func (Framework) New() *training.TFJob { return &training.TFJob{} }

// Master is the chief, or without one worker 0.
func (Framework) Master(j *training.TFJob, r job.Replica) bool {
	if j.HasChief() {
		return isChief(r.Type)
	}
	return r == job.Replica{Type: training.TFReplicaWorker}
}

// Connect gives the container that runs TensorFlow its TF_CONFIG, unless it is
// alone.
func (f Framework) Connect(j *training.TFJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	if job.Wanted(j) == 1 {
		return
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == training.TFJobContainer {
			c.Env = append(c.Env, corev1.EnvVar{Name: "TF_CONFIG", Value: f.config(j, r)})
		}
	}
}

// Judge asks the chief, or without one the workers. Whoever decides, any
// replica that has failed for good fails the job; where workers may come and
// go, theirs do not.
func (Framework) Judge(j *training.TFJob, seen job.Seen) job.Verdict {
	say := func(c training.JobConditionType, what string) job.Verdict {
		return job.Verdict{Condition: c, Message: fmt.Sprintf("TFJob %s/%s %s", j.Namespace, j.Name, what)}
	}
	if done(j, seen) {
		return say(training.JobSucceeded, "successfully completed.")
	}
	for _, t := range []training.ReplicaType{
		training.TFReplicaChief, training.TFReplicaEvaluator, training.TFReplicaMaster, training.TFReplicaPS, training.TFReplicaWorker,
	} {
		n := seen.Count(t).Failed
		if n > 0 && !(j.Spec.EnableDynamicWorker && t == training.TFReplicaWorker) {
			return say(training.JobFailed, fmt.Sprintf("has failed because %d %s replica(s) failed.", n, t))
		}
	}
	if active(j, seen) {
		return say(training.JobRunning, "is running.")
	}
	return job.Verdict{}
}

// done tells whether those who decide have ended well.
func done(j *training.TFJob, seen job.Seen) bool {
	for t := range j.Spec.TFReplicaSpecs {
		c := seen.Count(t)
		all := c.Succeeded == c.Wanted
		switch {
		case j.HasChief():
			if isChief(t) && all {
				return true
			}
		case t == training.TFReplicaWorker:
			first := seen.Succeeded(job.Replica{Type: t}) && *j.Spec.SuccessPolicy != training.SuccessAllWorkers
			if all || first {
				return true
			}
		}
	}
	return false
}

// active tells whether any of those who decide is running.
func active(j *training.TFJob, seen job.Seen) bool {
	for t := range j.Spec.TFReplicaSpecs {
		decides := isChief(t) || !j.HasChief() && t == training.TFReplicaWorker
		if decides && seen.Count(t).Active > 0 {
			return true
		}
	}
	return false
}

func isChief(t training.ReplicaType) bool {
	return t == training.TFReplicaChief || t == training.TFReplicaMaster
}
