package mpi

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// hostfile is the list of hosts that an MPI starts processes on.
func hostfile(j *training.MPIJob, hosts []string) string {
	var b strings.Builder
	for _, host := range hosts {
		if j.Implementation() == training.MPIOpen {
			fmt.Fprintf(&b, "%s slots=%d\n", host, j.Slots())
		} else {
			fmt.Fprintf(&b, "%s:%d\n", host, j.Slots())
		}
	}
	return b.String()
}

// kubexec starts a command in a pod: what it is given is the pod's name and the
// command. Hydra, which Intel's MPI and MPICH have, puts options before, and has
// the workers call it by the launcher's name, which none of them knows.
func kubexec(j *training.MPIJob) string {
	begin, command := "#!/bin/sh\nset -x\nPOD_NAME=$1\n", "$*"
	if j.Implementation() != training.MPIOpen {
		begin += "while [ \"${POD_NAME#-}\" != \"$POD_NAME\" ]; do shift; POD_NAME=$1; done\nADDRESS=$(hostname -i)\n"
		command = `$(echo "$*" | sed "s/ $(hostname)\([: ]\)/ ${ADDRESS%% *}\1/g")`
	}
	container := ""
	if j.Spec.MainContainer != "" {
		container = " --container " + j.Spec.MainContainer
	}
	return begin + "shift\n" + kubectlFolder + "/kubectl exec ${POD_NAME}" + container + ` -- /bin/sh -c "` + command + `"`
}

// discoverHosts prints the workers that run now, for jobs whose workers come and
// go.
func discoverHosts(j *training.MPIJob, seen job.Seen) string {
	script := "#!/bin/sh"
	if hasGPU(j) {
		script += fmt.Sprintf("\necho %s:%d\n", launcherName(j), j.Slots())
	}
	for _, host := range running(j, seen) {
		script += fmt.Sprintf("\necho %s:%d", host, j.Slots())
	}
	return script
}

// running are the names of the workers that run, in order of their names.
func running(j *training.MPIJob, seen job.Seen) []string {
	var hosts []string
	for i := range job.Wanted(j, worker) {
		r := job.Replica{Type: worker, Index: i}
		if p := seen.Pod(r); p != nil && p.Status.Phase == corev1.PodRunning {
			hosts = append(hosts, p.Name)
		}
	}
	return hosts
}

func typeOf(kind schema.GroupVersionKind) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind}
}
