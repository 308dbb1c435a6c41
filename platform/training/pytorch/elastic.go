package pytorch

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// elastic are the variables that tell torchrun of an elastic policy.
func elastic(j *training.PyTorchJob) []corev1.EnvVar {
	var all []corev1.EnvVar
	add := func(name, value string) { all = append(all, corev1.EnvVar{Name: name, Value: value}) }
	e := j.Spec.ElasticPolicy

	host, port := job.Host(j, job.Replica{Type: worker}), portOf(j, worker)
	if e.RendezvousHost != nil {
		host = *e.RendezvousHost
	}
	if e.RendezvousPort != nil {
		port = strconv.Itoa(int(*e.RendezvousPort))
	}
	add("PET_RDZV_ENDPOINT", host+":"+port)
	add("PET_RDZV_BACKEND", string(*e.RendezvousBackend))
	add("PET_NNODES", fmt.Sprintf("%d:%d", *e.MinReplicas, *e.MaxReplicas))
	if e.MaxRestarts != nil {
		add("PET_MAX_RESTARTS", strconv.Itoa(int(*e.MaxRestarts)))
	}
	if e.NProcPerNode != nil {
		add("PET_NPROC_PER_NODE", strconv.Itoa(int(*e.NProcPerNode)))
	}
	if e.RendezvousID != nil {
		add("PET_RDZV_ID", *e.RendezvousID)
	}
	if len(e.RendezvousConf) > 0 {
		var settings []string
		for _, s := range e.RendezvousConf {
			settings = append(settings, s.Key+"="+s.Value)
		}
		add("PET_RDZV_CONF", strings.Join(settings, ","))
	}
	if e.Standalone != nil && *e.Standalone {
		add("PET_STANDALONE", "")
	}
	return all
}
