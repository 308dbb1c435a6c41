package explain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// What programs printed before they ended, as they printed it: each file in
// testdata/output is the end of a run. Messages that need a GPU or several
// machines stand here.
func TestOfOutput(t *testing.T) {
	cases := map[string]struct {
		printed  string // in place of the file
		reason   string
		sentence string
	}{
		"file-not-found":          {"", "FileNotFound", "Pod w opens data/train.csv, which is no file in its image or volumes."},
		"jax-no-coordinator":      {"", "PeersMissing", "Pod w waited in jax.distributed.initialize for the other processes, and they did not all come in time."},
		"jax-no-worker":           {"", "PeersMissing", "Pod w waited in jax.distributed.initialize for the other processes, and they did not all come in time."},
		"jax-peer-lost":           {"", "PeerLost", `Pod w lost a peer ("tasks are unhealthy").`},
		"jax-port-taken":          {"", "PortInUse", "Pod w listens on a port that is taken already."},
		"mpich-killed":            {"", "PeerLost", "Pod w saw a process end badly that mpirun had started on vm."},
		"mpich-no-program":        {"", "CommandNotFound", "Pod w has mpirun start nosuchprogram, which is no program in the workers' image."},
		"numpy-memory":            {"", "OutOfMemory", "Pod w asked for more memory than there is: numpy._core._exceptions._ArrayMemoryError: Unable to allocate 72.8 TiB for an array with shape (1000000, 10000000) and data type float64."},
		"openmpi-no-program":      {"", "CommandNotFound", "Pod w has mpirun start nosuchprogram, which is no program in the workers' image."},
		"openmpi-no-worker":       {"", "NameNotResolved", "Pod w asked for the address of a name that nobody knows (Name or service not known)."},
		"openmpi-root":            {"", "MPIAsRoot", "Pod w runs mpirun as root, which it refuses."},
		"openmpi-slots":           {"", "NotEnoughSlots", "Pod w asks mpirun for 64 processes, and its hosts have fewer slots."},
		"python-memory":           {"", "OutOfMemory", "Pod w asked for more memory than there is: MemoryError."},
		"torch-nan":               {"", "LossIsNaN", `Pod w computed what is no number any more ("returned nan values in its 0th output").`},
		"torch-nccl-without-gpu":  {"", "NoGPU", "Pod w lets its processes talk by NCCL, which needs GPUs, and has none."},
		"torch-no-clients":        {"", "PeersMissing", "Pod w waited for its peers, and only 1/3 came."},
		"torch-no-gpu":            {"", "NoGPU", `Pod w wants a GPU and has none ("Found no NVIDIA driver on your system").`},
		"torch-no-master":         {"", "MasterNotReached", "Pod w found no master at 127.0.0.1, 29902 in the time it had."},
		"torch-no-such-master":    {"", "NameNotResolved", "Pod w asked for the address of a name that nobody knows (Name or service not known)."},
		"torch-not-told":          {"", "NotToldOfPeers", "Pod w trains in several processes, and nobody told it RANK."},
		"torch-peer-lost":         {"", "PeerLost", `Pod w lost a peer ("Connection closed by peer").`},
		"torch-peer-never-came":   {"", "PeerTimedOut", `Pod w waited for a peer in the midst of training, which did not come ("wait timeout after 5000ms, keys").`},
		"torch-peer-slow":         {"", "PeerTimedOut", `Pod w waited for a peer in the midst of training, which did not come ("Timed out waiting 5000ms for recv operation").`},
		"torch-port-taken":        {"", "PortInUse", "Pod w listens on a port that is taken already."},
		"torch-wrong-rank":        {"", "WrongWorldSize", "Pod w has a rank that is not below the number of processes (5 vs 2)."},
		"torchrun-alone":          {"", "PeersMissing", "Pod w waited for others to join torchrun's rendezvous, and too few came."},
		"torchrun-child":          {"", "ProgramError", "Pod w ended with exit code 1: ValueError: no such column: price."},
		"torchrun-no-endpoint":    {"", "MasterNotReached", "Pod w found no master at elastic-worker-0, 29912 in the time it had."},
		"torchrun-no-master":      {"", "MasterNotReached", "Pod w found no master at 127.0.0.1, 29913 in the time it had."},
		"xgboost-no-tracker":      {"", "MasterNotReached", "Pod w found no xgboost tracker at 127.0.0.1:29821; the master runs it."},
		"xgboost-no-workers":      {"", "PeersMissing", "Pod w ran xgboost's tracker and waited for workers, and they did not all come."},
		"torch-watchdog":          {"[rank1]:[E ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600029 milliseconds before timing out.", "PeerTimedOut", `Pod w waited for a peer in the midst of training, which did not come ("Watchdog caught collective operation timeout").`},
		"nccl-peer-lost":          {"torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:268, remote process exited or there was a network error, NCCL version 2.20.5\nncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.", "PeerLost", `Pod w lost a peer ("ncclRemoteError").`},
		"cuda-out-of-memory":      {"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 14.58 GiB of which 14.42 GiB is free.", "GPUOutOfMemory", "Pod w used more memory than the GPU has."},
		"out-of-memory-and-peers": {"[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.\n[rank1]: RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:22939", "GPUOutOfMemory", "Pod w used more memory than the GPU has."},
		"data-loader":             {"RuntimeError: DataLoader worker (pid 31) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.", "SharedMemoryFull", "Pod w used more shared memory than the container has: processes that load data pass it through /dev/shm."},
		"keras-nan":               {"Batch 12: Invalid loss, terminating training", "LossIsNaN", `Pod w computed what is no number any more ("Invalid loss, terminating training").`},
		"ssh-refused":             {"ssh: connect to host pi-worker-0.pi.ada.svc port 22: dial tcp 10.244.0.7:22: connect: connection refused\nORTE was unable to reliably start one or more daemons.", "SSHNotAnswered", "Pod w cannot reach pi-worker-0 by ssh."},
		"ssh-key":                 {"ssh: root@pi-worker-0.pi.ada.svc: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain", "SSHKeyRefused", `Pod w is not let in by a worker's sshd ("attempted methods [none publickey]").`},
		"openmpi-4":               {"ORTE was unable to reliably start one or more daemons.\nThis usually is caused by:", "MPIWorkerNotReached", `Pod w could not start mpirun's daemon on a worker ("ORTE was unable to reliably start").`},
		"tensorflow-peer-lost":    {"tensorflow.python.framework.errors_impl.UnavailableError: Collective ops is aborted by: failed to connect to all addresses\nThe error could be from a previous operation. Restart your program to reset.", "PeerLost", `Pod w lost a peer ("Collective ops is aborted by").`},
	}
	files, err := filepath.Glob("testdata/output/*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, known := cases[strings.TrimSuffix(filepath.Base(f), ".log")]; !known {
			t.Errorf("%s is in no case", f)
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := []byte(tc.printed)
			if len(text) == 0 {
				if text, err = os.ReadFile("testdata/output/" + name + ".log"); err != nil {
					t.Fatal(err)
				}
			}
			pod := podOf(phase(corev1.PodFailed), ended(terminated(1, "Error")))
			got := ofPod(pod, facts{logs: printed(strings.Split(strings.TrimSpace(string(text)), "\n")...)})
			if diff := cmp.Diff([]string{tc.reason, tc.sentence}, []string{got.Reason, got.Sentence}); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if got.Remedy == "" {
				t.Error("nothing is said of what to do")
			}
		})
	}
}

// A package is not always called as the module that is imported.
func TestPackageMissing(t *testing.T) {
	for module, want := range map[string]string{"cv2": "opencv-python-headless", "torch.nn": "torch", "transformers": "transformers"} {
		pod := podOf(image("python:3.11"), phase(corev1.PodFailed), ended(terminated(1, "Error")))
		got := ofPod(pod, facts{logs: printed("ModuleNotFoundError: No module named '" + module + "'")})
		if !strings.HasSuffix(got.Remedy, "weir environment add python:3.11 --package "+want) {
			t.Errorf("module %q: remedy %q, want package %q", module, got.Remedy, want)
		}
	}
}

// Of replicas that failed, the one that did not fail for the others' sake counts.
func TestTheCauseCounts(t *testing.T) {
	lost := Explanation{Object: Object{"Pod", "ada", "mnist-master-0"}, State: Failed, Reason: "PeerLost"}
	failed := Explanation{Object: Object{"Pod", "ada", "mnist-worker-1"}, State: Failed, Reason: "FileNotFound"}
	stuck := Explanation{Object: Object{"Pod", "ada", "mnist-worker-2"}, State: Stuck, Reason: "NotEnoughCPU"}
	for name, tc := range map[string]struct {
		all  []Explanation
		want string
	}{
		"FailedBeforeLost": {[]Explanation{lost, failed}, "FileNotFound"},
		"StuckBeforeLost":  {[]Explanation{lost, stuck}, "NotEnoughCPU"},
		"OnlyLost":         {[]Explanation{lost}, "PeerLost"},
	} {
		if got := worstOf(tc.all).Reason; got != tc.want {
			t.Errorf("%s: %s counts, want %s", name, got, tc.want)
		}
	}
}
