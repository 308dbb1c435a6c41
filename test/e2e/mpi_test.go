package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// piByMPI is a program over two processes, which add up what each has worked out.
const piByMPI = `from mpi4py import MPI
w = MPI.COMM_WORLD
s = sum(4 / (1 + ((i + .5) / 10**5) ** 2) for i in range(w.rank, 10**5, w.size)) / 10**5
h = w.gather(MPI.Get_processor_name())
p = w.allreduce(s)
if w.rank == 0: print("pi is %.6f on %s" % (p, " ".join(sorted(h))))`

// Each version of MPIJob reaches its workers in its own way, and both kinds of
// MPI work in both ways. When the job is done, its workers go.
func TestMPIJob(t *testing.T) {
	for name, tc := range map[string]struct{ version, image, spec string }{
		"v1alpha1": {version: "v1alpha1", image: "mpioperator/mpi-pi:openmpi"},
		"v1alpha2": {version: "v1alpha2", image: "mpioperator/mpi-pi:openmpi", spec: "cleanPodPolicy: Running,"},
		"v1":       {version: "v1", image: "mpioperator/mpi-pi:openmpi", spec: "runPolicy: {cleanPodPolicy: Running},"},
		"v2beta1":  {version: "v2beta1", image: "mpioperator/mpi-pi:openmpi", spec: "runPolicy: {cleanPodPolicy: Running},"},
		"v1-mpich": {version: "v1alpha2", image: "mpioperator/mpi-pi:mpich", spec: "cleanPodPolicy: Running, mpiDistribution: MPICH,"},
		"v2-mpich": {version: "v2beta1", image: "mpioperator/mpi-pi:mpich", spec: "runPolicy: {cleanPodPolicy: Running}, mpiImplementation: MPICH,"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			launcher := fmt.Sprintf(`{spec: {containers: [{name: mpi, image: %q, command: [mpirun, -np, "2", python, -c, %q]}]}}`, tc.image, piByMPI)
			replicas := fmt.Sprintf(`mpiReplicaSpecs: {Launcher: {template: %s}, Worker: {replicas: 2, template: {spec: {containers: [{name: mpi, image: %q}]}}}}`, launcher, tc.image)
			if tc.version == "v1alpha1" {
				replicas = "replicas: 2, template: " + launcher
			}
			s.apply(fmt.Sprintf(`{apiVersion: kubeflow.org/%s, kind: MPIJob, metadata: {name: pi}, spec: {%s %s}}`, tc.version, tc.spec, replicas))
			s.becomes("mpijob/pi", "Succeeded", tensorflowFor)
			if out := s.launcherLog("pi"); !strings.Contains(out, "pi is 3.141593 on pi-worker-0 pi-worker-1") {
				t.Errorf("the launcher has printed\n%s", out)
			}
			s.eventually(2*time.Minute, "the workers are taken away", func() (bool, string) {
				left := slices.DeleteFunc(s.pods("training.kubeflow.org/job-name=pi"), func(p corev1.Pod) bool {
					return !strings.HasPrefix(p.Name, "pi-worker-") || p.DeletionTimestamp != nil
				})
				return len(left) == 0, phases(left)
			})
		})
	}
}

// launcherLog is what the launcher of an MPIJob has printed last.
func (s *story) launcherLog(job string) string {
	s.Helper()
	for _, role := range []string{"launcher", "master"} { // by which each way calls it
		if found := s.pods("training.kubeflow.org/job-role=" + role + ",training.kubeflow.org/job-name=" + job); len(found) > 0 {
			return s.kubectl("logs", found[len(found)-1].Name, "-c", found[0].Spec.Containers[0].Name)
		}
	}
	s.Fatalf("MPIJob %s has no launcher", job)
	return ""
}

// The example does what its README says.
func TestMPIExample(t *testing.T) {
	t.Parallel()
	s := shared.byDefault(t)
	if out := s.follow("mpi-pi"); !strings.Contains(out, "pi is 3.141593 by 4 processes on pi-worker-0, pi-worker-1") {
		t.Errorf("the README's commands print\n%s", out)
	}
}

// An MPIJob as a book printed it, of a version that no operator serves any more.
// As printed it asks for GPUs.
func TestMPIJobOfABook(t *testing.T) {
	s := begin(t)
	printed := seed(t, "mpijob-v1alpha2.yaml")
	s.apply(printed)
	s.eventually(2*time.Minute, "weir explains what the job waits for", func() (bool, string) {
		out := s.ask(t, "", "explain", "mpijob/tensorflow-benchmarks", "-n", s.namespace).out
		return strings.Contains(out, "GPU"), out
	})
	s.kubectl("delete", "mpijob", "tensorflow-benchmarks", "--cascade=foreground")
}
