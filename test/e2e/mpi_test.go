package e2e_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"path/filepath"
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
	t.Parallel()
	for name, tc := range map[string]struct{ version, image, spec string }{
		"v1alpha1": {version: "v1alpha1", image: "mpioperator/mpi-pi:openmpi"},
		"v1alpha2": {version: "v1alpha2", image: "mpioperator/mpi-pi:openmpi", spec: "cleanPodPolicy: Running,"},
		"v1":       {version: "v1", image: "mpioperator/mpi-pi:openmpi", spec: "runPolicy: {cleanPodPolicy: Running},"},
		"v2beta1":  {version: "v2beta1", image: "mpioperator/mpi-pi:openmpi", spec: "runPolicy: {cleanPodPolicy: Running},"},
		"v1-mpich": {version: "v1alpha2", image: "mpioperator/mpi-pi:mpich", spec: "cleanPodPolicy: Running, mpiDistribution: MPICH,"},
		"v1-intel": {version: "v1alpha2", image: "mpioperator/mpi-pi:intel", spec: "cleanPodPolicy: Running, mpiDistribution: IntelMPI,"},
		"v2-intel": {version: "v2beta1", image: "mpioperator/mpi-pi:intel", spec: "runPolicy: {cleanPodPolicy: Running}, mpiImplementation: Intel,"},
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
// As printed it asks for GPUs; without them, and with its image mapped, mpirun
// runs the book's program over two workers.
func TestMPIJobOfABook(t *testing.T) {
	s := begin(t)
	printed := seed(t, "mpijob-v1alpha2.yaml")
	s.apply(printed)
	s.eventually(2*time.Minute, "weir explains what the job waits for", func() (bool, string) {
		out := s.ask(t, "", "explain", "mpijob/tensorflow-benchmarks", "-n", s.namespace).out
		return strings.Contains(out, "GPU"), out
	})
	s.kubectl("delete", "mpijob", "tensorflow-benchmarks", "--cascade=foreground")

	limits := "            resources:\n              limits:\n                nvidia.com/gpu: 1\n"
	if !strings.Contains(printed, limits) {
		t.Fatalf("the book's job asks for no GPU in the way we know:\n%s", printed)
	}
	shared.writeMapping(t, "mpioperator/tensorflow-benchmarks:latest", map[string]any{
		"packages": []string{"openmpi<5", "mpi4py", "benchmarks @ file://" + benchmarksWheel(t)}, "workingDir": "/opt/environment",
	})
	// The image had another meaning until now, and weir reads its settings once a
	// second: it means ours when a pod of it has the program.
	s.apply(strings.Replace(podWith("probe", "restartPolicy: OnFailure", "command: [test, -e, scripts/tf_cnn_benchmarks/tf_cnn_benchmarks.py]\nimagePullPolicy: Always"),
		"python:3.11", "mpioperator/tensorflow-benchmarks:latest", 1))
	s.ends("probe", corev1.PodSucceeded)
	s.apply(strings.Replace(printed, limits, "", 1))
	s.becomes("mpijob/tensorflow-benchmarks", "Succeeded", tensorflowFor)
	if out, want := s.launcherLog("tensorflow-benchmarks"), "2 processes, --model=resnet101 --batch_size=64 --variable_update=horovod"; !strings.Contains(out, want) {
		t.Errorf("the launcher has printed\n%s, want %s", out, want)
	}
}

// benchmarksWheel is a package that puts the book's program where its image has
// it. It is always the same file, so that its environment is built once.
func benchmarksWheel(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct{ name, text string }{
		{"benchmarks-1.data/data/scripts/tf_cnn_benchmarks/tf_cnn_benchmarks.py", "import sys\nfrom mpi4py import MPI\nn = MPI.COMM_WORLD.allreduce(1)\nif MPI.COMM_WORLD.rank == 0: print(n, 'processes,', *sys.argv[1:])\n"},
		{"benchmarks-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: benchmarks\nVersion: 1\n"},
		{"benchmarks-1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: weir\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"benchmarks-1.dist-info/RECORD", "benchmarks-1.data/data/scripts/tf_cnn_benchmarks/tf_cnn_benchmarks.py,,\nbenchmarks-1.dist-info/METADATA,,\nbenchmarks-1.dist-info/WHEEL,,\nbenchmarks-1.dist-info/RECORD,,\n"},
	} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err := environments()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(dir), "wheels", "benchmarks-1-py3-none-any.whl")
	write(t, file, b.String())
	return file
}
