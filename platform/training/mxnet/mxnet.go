// Package mxnet says what is particular to MXJobs: the scheduler decides, or
// the tuner, and MX_CONFIG and the variables of dmlc's parameter servers tell
// replicas of each other.
package mxnet

import (
	"encoding/json"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// tunerServerKey is the annotation of a pod that says what hardware it tunes for.
const tunerServerKey = "tuner-server-key"

// A Framework runs MXJobs. The zero value is good.
type Framework struct{}

var _ job.Framework[*training.MXJob] = Framework{}

// Traits are the names that belong to MXJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{Kind: training.MXJobKind, Operator: "mxjob-controller", Name: "mxnet", Container: training.MXJobContainer}
}

// New is an empty MXJob.
func (Framework) New() *training.MXJob { return &training.MXJob{} }

// Master is every server: so it was called where MXJobs come from.
func (Framework) Master(_ *training.MXJob, r job.Replica) bool {
	return r.Type == training.MXReplicaServer
}

// Judge asks the scheduler; without one the tuner, and without one the workers.
func (Framework) Judge(j *training.MXJob, seen job.Seen) job.Verdict {
	rule := job.Rule{Kind: training.MXJobKind, Decides: training.MXReplicaWorker, Strict: true}
	for _, t := range []training.ReplicaType{training.MXReplicaScheduler, training.MXReplicaTuner} {
		if j.Spec.MXReplicaSpecs[t] != nil {
			rule.Decides = t
			break
		}
	}
	return rule.Judge(j, seen)
}

// What MXNet reads from MX_CONFIG.
type (
	config struct {
		Cluster map[string][]address `json:"cluster"`
		Labels  map[string]string    `json:"labels"`
		Task    task                 `json:"task"`
	}
	address struct {
		URL  string `json:"url"`
		Port int32  `json:"port"`
	}
	task struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	}
)

// Connect tells every container of all others, and of its own part.
func (Framework) Connect(j *training.MXJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	c := config{Cluster: map[string][]address{}, Labels: map[string]string{}, Task: task{strings.ToLower(string(r.Type)), r.Index}}
	for t, s := range j.Spec.MXReplicaSpecs {
		all := []address{}
		for i := range job.Wanted(j, t) {
			all = append(all, address{job.Host(j, job.Replica{Type: t, Index: i}), job.Port(j, t, training.MXJobContainer, training.MXJobPortName)})
		}
		name := strings.ToLower(string(t))
		c.Cluster[name], c.Labels[name] = all, s.Template.Annotations[tunerServerKey]
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // Strings, numbers and maps of them can be written.
	}

	root := address{}
	if schedulers := c.Cluster["scheduler"]; len(schedulers) > 0 {
		root = schedulers[0]
	}
	job.Tell(pod,
		corev1.EnvVar{Name: "MX_CONFIG", Value: string(data)},
		corev1.EnvVar{Name: "DMLC_PS_ROOT_PORT", Value: strconv.Itoa(int(root.Port))},
		corev1.EnvVar{Name: "DMLC_PS_ROOT_URI", Value: root.URL},
		corev1.EnvVar{Name: "DMLC_NUM_SERVER", Value: strconv.Itoa(job.Wanted(j, training.MXReplicaServer))},
		corev1.EnvVar{Name: "DMLC_NUM_WORKER", Value: strconv.Itoa(job.Wanted(j, training.MXReplicaWorker))},
		corev1.EnvVar{Name: "DMLC_ROLE", Value: c.Task.Type},
		corev1.EnvVar{Name: "DMLC_USE_KUBERNETES", Value: "1"},
	)
	if r.Type == training.MXReplicaWorker {
		job.Tell(pod, corev1.EnvVar{Name: "DMLC_WORKER_ID", Value: strconv.Itoa(r.Index)})
	}
}
