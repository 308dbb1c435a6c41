package tensorflow

import (
	"encoding/json"
	"fmt"
	"strings"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// What TensorFlow reads from TF_CONFIG. Field order is the order in which the
// bytes stand.
type (
	config struct {
		Cluster     any    `json:"cluster"`
		Task        task   `json:"task"`
		Environment string `json:"environment,omitempty"`
	}
	task struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	}
	// sparse is the cluster as one member sees it where workers come and go: a
	// worker knows itself and the parameter servers, and these know themselves.
	sparse struct {
		Worker map[int]string `json:"worker"`
		PS     []string       `json:"ps"`
	}
)

// config is a replica's TF_CONFIG.
func (f Framework) config(j *training.TFJob, r job.Replica) string {
	c := config{Task: task{lower(r.Type), r.Index}}
	if j.Spec.EnableDynamicWorker {
		c.Cluster = f.sparse(j, r)
	} else {
		all := map[string][]string{}
		for t := range j.Spec.TFReplicaSpecs {
			all[lower(t)] = f.addresses(j, t)
		}
		c.Cluster, c.Environment = all, "cloud" // Without it, TensorFlow 1 takes the job for a local one.
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // Strings, numbers and maps of them can be written.
	}
	return string(data)
}

func (f Framework) sparse(j *training.TFJob, r job.Replica) sparse {
	s := sparse{Worker: map[int]string{}, PS: []string{}}
	switch r.Type {
	case training.TFReplicaPS:
		s.PS = append(s.PS, f.address(j, r))
	case training.TFReplicaWorker:
		s.PS = f.addresses(j, training.TFReplicaPS)
		s.Worker[r.Index] = f.address(j, r)
	}
	return s
}

// addresses are those of all replicas of a type.
func (f Framework) addresses(j *training.TFJob, t training.ReplicaType) []string {
	s := j.Spec.TFReplicaSpecs[t]
	if s == nil {
		return nil
	}
	all, answers := make([]string, *s.Replicas), f.answers(j, t)
	for i := range all {
		all[i] = job.Host(j, job.Replica{Type: t, Index: i}) + answers
	}
	return all
}

// address is where a replica's service answers.
func (f Framework) address(j *training.TFJob, r job.Replica) string {
	return job.Host(j, r) + f.answers(j, r.Type)
}

// answers is what the addresses of all replicas of a type end in.
func (f Framework) answers(j *training.TFJob, t training.ReplicaType) string {
	domain := j.Namespace + ".svc"
	if f.ClusterDomain != "" {
		domain += "." + f.ClusterDomain
	}
	return fmt.Sprintf(".%s:%d", domain, job.Port(j, t, training.TFJobContainer, training.TFJobPortName))
}

func lower(t training.ReplicaType) string { return strings.ToLower(string(t)) }
