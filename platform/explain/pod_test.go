package explain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/weir-ml/weir/platform/room"
)

func TestOfPod(t *testing.T) {
	cases := map[string]struct {
		why   string
		pod   *corev1.Pod
		facts facts
		want  Explanation
	}{
		"Running": {
			why:  "A pod that runs needs nothing.",
			pod:  podOf(running()),
			want: Explanation{State: Moving, Reason: "Running", Sentence: "Pod w is running."},
		},
		"RunningAgain": {
			why: "What went wrong before is worth a word.",
			pod: podOf(running(), restarted(3, terminated(0, "OOMKilled"))),
			want: Explanation{State: Moving, Reason: "Running",
				Sentence: "Pod w is running. Before, its container main used more memory than its limit and was killed, and was started again."},
		},
		"Succeeded": {
			why:  "A pod that has finished well says so.",
			pod:  podOf(phase(corev1.PodSucceeded)),
			want: Explanation{State: Done, Reason: "Succeeded", Sentence: "Pod w has finished well."},
		},
		"MalformedReference": {
			why: "The reference as a book printed it: people see what is wrong with it and what was meant.",
			pod: podOf(image("docker.io//tf-dist-mnist-test:1.0"), waiting("InvalidImageName", `Failed to apply default image tag "docker.io//tf-dist-mnist-test:1.0": couldn't parse image name: invalid reference format`)),
			want: Explanation{State: Stuck, Reason: "InvalidImageName",
				Sentence: `Pod w names no image: "docker.io//tf-dist-mnist-test:1.0" is malformed, since a part of its path is empty (//).`,
				Remedy:   `Correct the image of container main and create the object again; perhaps "docker.io/tf-dist-mnist-test:1.0" is meant.`},
		},
		"ImageNotFound": {
			why: "What was tried is in the message of the pull.",
			pod: podOf(image("mnist:v2"), waiting("ErrImagePull", `rpc error: code = NotFound desc = image "mnist:v2": not in the catalogue of environments: say what it should be with weir environment add`)),
			want: Explanation{State: Stuck, Reason: "ImageNotFound",
				Sentence: `Pod w has no image: "mnist:v2" cannot be resolved: not in the catalogue of environments.`,
				Remedy:   "Say what it should be with weir environment add."},
		},
		"ImageBackOff": {
			why: "While the kubelet waits before it tries again, the sentence is the same.",
			pod: podOf(image("mnist:v2"), waiting("ImagePullBackOff", `Back-off pulling image "mnist:v2": ErrImagePull: rpc error: code = NotFound desc = image "mnist:v2": not in the catalogue of environments: say what it should be with weir environment add`)),
			want: Explanation{State: Stuck, Reason: "ImageNotFound",
				Sentence: `Pod w has no image: "mnist:v2" cannot be resolved: not in the catalogue of environments.`,
				Remedy:   "Say what it should be with weir environment add."},
		},
		"EnvironmentNotBuilt": {
			why: "An environment that cannot be built names the package and what the index said.",
			pod: podOf(image("mnist:v2"), waiting("ErrImagePull", `image "mnist:v2": environment for mnist:* cannot be built: Because tensorflowww was not found in the package registry and you require tensorflowww, we can conclude that your requirements are unsatisfiable.: look for a slip in the name of the package`)),
			want: Explanation{State: Stuck, Reason: "EnvironmentNotBuilt",
				Sentence: `Pod w has no image: the environment for mnist:* cannot be built: Because tensorflowww was not found in the package registry and you require tensorflowww, we can conclude that your requirements are unsatisfiable.`,
				Remedy:   "Look for a slip in the name of the package."},
		},
		"ForeignRegistry": {
			why: "Another runtime says what is wrong and not what to do.",
			pod: podOf(image("ghcr.io/ada/x"), waiting("ErrImagePull", `rpc error: code = Unknown desc = failed to pull and unpack image "ghcr.io/ada/x:latest": 401 Unauthorized`)),
			want: Explanation{State: Stuck, Reason: "ImageForbidden",
				Sentence: `Pod w has no image: the registry of "ghcr.io/ada/x" wants a password: failed to pull and unpack image "ghcr.io/ada/x:latest": 401 Unauthorized.`,
				Remedy:   "Name a Secret of type kubernetes.io/dockerconfigjson under imagePullSecrets."},
		},
		"Pulling": {
			why:   "The build of an environment is the pull; while it lasts its progress is what there is to say.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(normal("Pulling", `Pulling image "python:3.11"`))},
			want:  Explanation{State: Moving, Reason: "PreparingImage", Sentence: `Pod w waits until its image is ready: Pulling image "python:3.11".`},
		},
		"Preparing": {
			why:   "The newest word about the build is the one.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(normal("Pulling", `Pulling image "python:3.11"`), normal("Preparing", `Image "python:3.11": resolving 3 packages`))},
			want:  Explanation{State: Moving, Reason: "PreparingImage", Sentence: `Pod w waits until its image is ready: Image "python:3.11": resolving 3 packages.`},
		},
		"CommandNotFoundAtStart": {
			why: "The runtime says that the command is missing.",
			pod: podOf(image("python:3.11"), waiting("RunContainerError", `failed to start container "abc": exec: "pyton": executable file not found in $PATH`)),
			want: Explanation{State: Stuck, Reason: "CommandNotFound",
				Sentence: `Pod w runs "pyton", which is not on the PATH of image "python:3.11".`,
				Remedy:   "Correct the command of the container, or use an image that has pyton."},
		},
		"CommandNotFoundEnded": {
			why: "The same once the kubelet has given up.",
			pod: podOf(image("python:3.11"), phase(corev1.PodFailed), ended(corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: `exec: "pyton": executable file not found in $PATH`})),
			want: Explanation{State: Failed, Reason: "CommandNotFound",
				Sentence: `Pod w runs "pyton", which is not on the PATH of image "python:3.11".`,
				Remedy:   "Correct the command of the container, or use an image that has pyton."},
		},
		"CommandOutsideThePath": {
			why: "The same in the words of weir's own runtime.",
			pod: podOf(image("python:3.11"), phase(corev1.PodFailed), ended(corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: `Command "pyton" is in none of the container's folders of programs (PATH=/usr/bin:/bin).`})),
			want: Explanation{State: Failed, Reason: "CommandNotFound",
				Sentence: `Pod w runs "pyton", which is not on the PATH of image "python:3.11".`,
				Remedy:   "Correct the command of the container, or use an image that has pyton."},
		},
		"NoWorkingDir": {
			why: "A directory that is missing is not a command that is.",
			pod: podOf(phase(corev1.PodFailed), ended(corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: `Working directory "/code": no such file or directory.`})),
			want: Explanation{State: Failed, Reason: "NoWorkingDir",
				Sentence: `Pod w cannot be started in its working directory: Working directory "/code": no such file or directory.`,
				Remedy:   "Correct workingDir of the container, or mount a volume there."},
		},
		"CommandNotFoundInShell": {
			why:   "A shell says it in the log and by exit code 127.",
			pod:   podOf(image("python:3.11"), phase(corev1.PodFailed), ended(terminated(127, "Error"))),
			facts: facts{logs: printed("/bin/sh: 1: pyton: not found")},
			want: Explanation{State: Failed, Reason: "CommandNotFound",
				Sentence: `Pod w calls pyton, which is not on the PATH of image "python:3.11".`,
				Remedy:   "Correct the command, or use an image that has it.",
				Facts:    []string{"The last it printed:", "  /bin/sh: 1: pyton: not found"}},
		},
		"NotExecutable": {
			why: "A script without the x bit.",
			pod: podOf(waiting("RunContainerError", `exec: "/code/train.py": permission denied`)),
			want: Explanation{State: Stuck, Reason: "CommandNotExecutable",
				Sentence: `Pod w runs "/code/train.py", which is a file that cannot be executed.`,
				Remedy:   "Run it through what reads it, as in: python3 /code/train.py, or make it executable (chmod +x) with a #! line at its top."},
		},
		"ConfigMapNotFound": {
			why: "An environment variable from a ConfigMap that is not there.",
			pod: podOf(waiting("CreateContainerConfigError", `configmap "settings" not found`)),
			want: Explanation{State: Stuck, Reason: "ConfigMapNotFound",
				Sentence: `Pod w needs ConfigMap "settings", which does not exist.`,
				Remedy:   "Create it (kubectl create configmap settings …), and the pod goes on by itself."},
		},
		"SecretNotFound": {
			why: "The same for a Secret.",
			pod: podOf(waiting("CreateContainerConfigError", `secret "keys" not found`)),
			want: Explanation{State: Stuck, Reason: "SecretNotFound",
				Sentence: `Pod w needs Secret "keys", which does not exist.`,
				Remedy:   "Create it (kubectl create secret generic keys …), and the pod goes on by itself."},
		},
		"KeyNotFound": {
			why: "The object is there, the key is not.",
			pod: podOf(waiting("CreateContainerConfigError", `couldn't find key lr in ConfigMap ada/settings`)),
			want: Explanation{State: Stuck, Reason: "ConfigMapKeyNotFound",
				Sentence: `Pod w needs key "lr" of ConfigMap "settings", which has no such key.`,
				Remedy:   "Add the key (kubectl edit configmap settings), and the pod goes on by itself."},
		},
		"VolumeOfMissingSecret": {
			why: "For volumes the kubelet says it in events, and says less in the later ones.",
			pod: podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(
				again(6*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : secret "keys" not found`)),
				at(2*time.Minute, warning("FailedMount", `Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition`)),
			)},
			want: Explanation{State: Stuck, Reason: "SecretNotFound",
				Sentence: `Pod w needs Secret "keys", which does not exist.`,
				Remedy:   "Create it (kubectl create secret generic keys …), and the pod goes on by itself."},
		},
		"VolumeOfMissingKey": {
			why: "The event names the volume only; the pod knows of what it is.",
			pod: podOf(waiting("ContainerCreating", ""), volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}})),
			facts: facts{events: events(
				again(6*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: lr`)),
			)},
			want: Explanation{State: Stuck, Reason: "ConfigMapKeyNotFound",
				Sentence: `Pod w needs key "lr" of ConfigMap "settings", which has no such key.`,
				Remedy:   "Add the key (kubectl edit configmap settings), and the pod goes on by itself."},
		},
		"VolumeOfAStranger": {
			why: "A node in a user namespace cannot give a token to a user whom it does not have; the volume is not to blame.",
			pod: podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(
				again(6*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : chown /pods/v/token: invalid argument`)),
			)},
			want: Explanation{State: Stuck, Reason: "UserNotFound",
				Sentence: `Pod w runs as a user who does not exist on its node, and cannot be given its volumes: MountVolume.SetUp failed for volume "v" : chown /pods/v/token: invalid argument.`,
				Remedy:   "Leave runAsUser out of the pod, or have the node know more users: weir without root needs subordinate ids for that (newuidmap, /etc/subuid and /etc/subgid)."},
		},
		"TokenComesLate": {
			why:   "What fails once succeeds mostly when the kubelet tries again, so nobody is told what to do.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(warning("FailedMount", `MountVolume.SetUp failed for volume "v" : failed to fetch token: no relationship found`))},
			want: Explanation{State: Moving, Reason: "VolumeNotMounted",
				Sentence: `Pod w waits for a volume: MountVolume.SetUp failed for volume "v" : failed to fetch token: no relationship found. Its node tries again.`},
		},
		"TokenComesLateTwice": {
			why:   "A second try that fails soon after the first says no more.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(again(4*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : failed to fetch token: no relationship found`)))},
			want: Explanation{State: Moving, Reason: "VolumeNotMounted",
				Sentence: `Pod w waits for a volume: MountVolume.SetUp failed for volume "v" : failed to fetch token: no relationship found. Its node tries again.`},
		},
		"TokenDoesNotCome": {
			why:   "It still fails seconds after it did first: that does not pass by itself.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(again(5*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : failed to fetch token: no relationship found`)))},
			want: Explanation{State: Stuck, Reason: "VolumeNotMounted",
				Sentence: `Pod w waits for a volume: MountVolume.SetUp failed for volume "v" : failed to fetch token: no relationship found.`,
				Remedy:   "Correct the volumes of the pod."},
		},
		"MountFailsInOtherWords": {
			why: "It is one trouble, though each try says another thing of it.",
			pod: podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(
				at(0, warning("FailedAttachVolume", `AttachVolume.Attach failed for volume "v" : request 17 timed out`)),
				at(8*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : request 18 timed out`)),
			)},
			want: Explanation{State: Stuck, Reason: "VolumeNotMounted",
				Sentence: `Pod w waits for a volume: MountVolume.SetUp failed for volume "v" : request 18 timed out.`,
				Remedy:   "Correct the volumes of the pod."},
		},
		"MountInASeries": {
			why:   "New events count how often they happened in a series of their own.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(series(8*time.Second, warning("FailedMount", `MountVolume.SetUp failed for volume "v" : connection refused`)))},
			want: Explanation{State: Stuck, Reason: "VolumeNotMounted",
				Sentence: `Pod w waits for a volume: MountVolume.SetUp failed for volume "v" : connection refused.`,
				Remedy:   "Correct the volumes of the pod."},
		},
		"MountTimedOut": {
			why:   "The kubelet has waited two minutes before it says so first.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(warning("FailedMount", `Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition`))},
			want: Explanation{State: Stuck, Reason: "VolumeNotMounted",
				Sentence: `Pod w waits for a volume: Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition.`,
				Remedy:   "Correct the volumes of the pod."},
		},
		"SecretComesLate": {
			why:   "Who applies a pod before its Secret is not told to create it; what it waits for is.",
			pod:   podOf(waiting("ContainerCreating", "")),
			facts: facts{events: events(warning("FailedMount", `MountVolume.SetUp failed for volume "v" : secret "keys" not found`))},
			want: Explanation{State: Moving, Reason: "SecretNotFound",
				Sentence: `Pod w needs Secret "keys", which does not exist. Its node tries again.`},
		},
		"ClaimNotFound": {
			why:   "A volume from a claim that is not there.",
			pod:   podOf(unschedulable(`persistentvolumeclaim "data" not found`), volume(claimed("data"))),
			facts: facts{claims: map[string]*corev1.PersistentVolumeClaim{"data": nil}},
			want: Explanation{State: Stuck, Reason: "ClaimNotFound",
				Sentence: `Pod w needs PersistentVolumeClaim "data", which does not exist.`,
				Remedy:   "Create the claim, and the pod goes on by itself; or correct claimName in its volumes."},
		},
		"TooMuchCPU": {
			why:   "More than any node has will never fit.",
			pod:   podOf(unschedulable("0/1 nodes are available: 1 Insufficient cpu."), requests("cpu", "64")),
			facts: facts{rooms: []room.Room{roomOf("weir", "cpu", "2", "1500m")}},
			want: Explanation{State: Stuck, Reason: "NotEnoughCPU",
				Sentence: "Pod w asks for 64 cpu; node weir has 1.5 free, of 2 in all.",
				Remedy:   "Ask for at most 2 in resources.requests of the pod: it will never fit as it is."},
		},
		"MemoryTaken": {
			why:   "What would fit on an empty node fits when others end.",
			pod:   podOf(unschedulable("0/2 nodes are available: 2 Insufficient memory."), requests("memory", "3Gi")),
			facts: facts{rooms: []room.Room{roomOf("a", "memory", "4Gi", "1Gi"), roomOf("b", "memory", "4Gi", "2Gi")}},
			want: Explanation{State: Stuck, Reason: "NotEnoughMemory",
				Sentence: "Pod w asks for 3Gi of memory; the node with most room, b, has 2Gi free, of 4Gi in all.",
				Remedy:   "Wait until other pods end, delete some, or ask for less in resources.requests of the pod."},
		},
		"NoGPU": {
			why:   "A machine without a GPU.",
			pod:   podOf(unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."), requests("nvidia.com/gpu", "1")),
			facts: facts{rooms: []room.Room{roomOf("weir", "cpu", "2", "2")}},
			want: Explanation{State: Stuck, Reason: "NotEnoughGPU",
				Sentence: "Pod w asks for 1 nvidia.com/gpu, and no node has any.",
				Remedy:   "Take nvidia.com/gpu out of the pod's limits and requests, or add a node that has some."},
		},
		"NodeFull": {
			why:   "A node takes only so many pods.",
			pod:   podOf(unschedulable("0/1 nodes are available: 1 Too many pods.")),
			facts: facts{rooms: []room.Room{roomOf("weir", "pods", "110", "0")}},
			want: Explanation{State: Stuck, Reason: "NotEnoughPodSlots",
				Sentence: "Pod w has no place: node weir has all the 110 pods it may have.",
				Remedy:   "Delete pods that are not needed, or wait until some end."},
		},
		"Tainted": {
			why:   "It fits, but the node does not want it.",
			pod:   podOf(unschedulable("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}. preemption: 0/1 nodes are available.")),
			facts: facts{rooms: []room.Room{roomOf("weir", "pods", "110", "9")}},
			want: Explanation{State: Stuck, Reason: "NodeTainted",
				Sentence: "Pod w finds no node that takes it: the taint gpu: true keeps it away.",
				Remedy:   "Add a toleration to the pod, or take the taint off the node (kubectl taint). A node that is not ready has a taint too: kubectl get nodes."},
		},
		"WrongSelector": {
			why:   "The pod asks for a label that no node has.",
			pod:   podOf(unschedulable("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."), func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd"} }),
			facts: facts{rooms: []room.Room{roomOf("weir", "pods", "110", "9")}},
			want: Explanation{State: Stuck, Reason: "NoNodeMatches",
				Sentence: "Pod w finds no node that its nodeSelector or affinity matches (disk=ssd).",
				Remedy:   "Correct the nodeSelector, or label a node (kubectl label node)."},
		},
		"CrashLoop": {
			why:   "The exit code, and what the program said last.",
			pod:   podOf(waiting("CrashLoopBackOff", "back-off 10s restarting failed container"), restarted(3, terminated(1, "Error"))),
			facts: facts{logs: printed("loading", "Traceback (most recent call last):", "ValueError: shapes (3,) and (4,) differ")},
			want: Explanation{State: Stuck, Reason: "ProgramError",
				Sentence: "Pod w ended with exit code 1: ValueError: shapes (3,) and (4,) differ.",
				Remedy:   "Correct the program; all it printed: weir logs pod/w -n ada",
				Facts:    []string{"It has been started again 3 times.", "The last it printed:", "  loading", "  Traceback (most recent call last):", "  ValueError: shapes (3,) and (4,) differ"}},
		},
		"Signal": {
			why: "A signal is called by its name.",
			pod: podOf(phase(corev1.PodFailed), ended(terminated(139, "Error"))),
			want: Explanation{State: Failed, Reason: "KilledBySignal",
				Sentence: "Pod w was ended by signal 11 (SIGSEGV).",
				Remedy:   "Read what it printed: weir logs pod/w -n ada"},
		},
		"OutOfMemory": {
			why: "The limit is what people need to know.",
			pod: podOf(phase(corev1.PodFailed), limited("64Mi"), ended(terminated(137, "OOMKilled"))),
			want: Explanation{State: Failed, Reason: "OutOfMemory",
				Sentence: "Pod w used more memory than its limit of 64Mi and was killed.",
				Remedy:   "Raise resources.limits.memory of the container, or let it use less: smaller batches, fewer workers that load data."},
		},
		"ReadinessProbe": {
			why:   "Which probe, what it asks, and what it got.",
			pod:   podOf(running(), notReady(), func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe = httpGet(8080, "/ok") }),
			facts: facts{events: events(warning("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"))},
			want: Explanation{State: Stuck, Reason: "ReadinessProbeFails",
				Sentence: "Pod w runs and is not ready: its readiness probe fails (GET :8080/ok): HTTP probe failed with statuscode: 503.",
				Remedy:   "Correct the readinessProbe of the container or what answers it; it gets ready by itself when the probe succeeds."},
		},
		"LivenessProbe": {
			why:   "A kill by the kubelet looks like a crash; the event tells them apart.",
			pod:   podOf(waiting("CrashLoopBackOff", ""), restarted(2, terminated(137, "Error"))),
			facts: facts{events: events(normal("Started", "Container started"), warning("Unhealthy", "Liveness probe failed: cat: can't open '/tmp/healthy'"))},
			want: Explanation{State: Stuck, Reason: "LivenessProbeFails",
				Sentence: "Pod w was killed since its probe failed: Liveness probe failed: cat: can't open '/tmp/healthy'.",
				Remedy:   "Correct the livenessProbe (or startupProbe) of the container, give it more time in failureThreshold and periodSeconds, or correct what it asks.",
				Facts:    []string{"It has been started again twice."}},
		},
		"KerasOverSeveralWorkers": {
			why:   "TensorFlow's own tutorial breaks so since 2.16.",
			pod:   podOf(phase(corev1.PodFailed), ended(terminated(1, "Error"))),
			facts: facts{logs: printed("ValueError: Attempt to convert a value (PerReplica:{")},
			want: Explanation{State: Failed, Reason: "KerasNeedsLegacy",
				Sentence: `Pod w trains over several workers with Keras 3, which does not support that: it "attempts to convert a value (PerReplica…) with an unsupported type".`,
				Remedy:   "Use tf.keras with TF_USE_LEGACY_KERAS=1 in the container's environment and the package tf-keras beside tensorflow. (weir does so for TFJobs of several replicas, unless the job sets the variable itself or the script imports keras.)",
				Facts:    []string{"The last it printed:", "  ValueError: Attempt to convert a value (PerReplica:{"}},
		},
		"PackageMissing": {
			why:   "The most common end of a script in an environment that is too small.",
			pod:   podOf(image("python:3.11"), phase(corev1.PodFailed), ended(terminated(1, "Error"))),
			facts: facts{logs: printed("ModuleNotFoundError: No module named 'torch.nn'")},
			want: Explanation{State: Failed, Reason: "PackageMissing",
				Sentence: `Pod w imports torch, which image "python:3.11" does not have.`,
				Remedy:   "Add it to the image's packages: weir environment add python:3.11 --package torch",
				Facts:    []string{"The last it printed:", "  ModuleNotFoundError: No module named 'torch.nn'"}},
		},
		"WaitsForPeers": {
			why:   "A replica that runs does nothing while another one cannot start.",
			pod:   podOf(running()),
			facts: facts{peers: []corev1.Pod{*podNamed("w-1", phase(corev1.PodPending)), *podNamed("w-2", running())}},
			want: Explanation{State: Moving, Reason: "WaitsForPeers",
				Sentence: "Pod w runs and waits for its peers: w-1 is pending.",
				Remedy:   "See what holds the first of them up: weir explain pod/w-1 -n ada"},
		},
		"Launcher": {
			why: "The launcher of an MPIJob begins when its workers have.",
			pod: podOf(initRuns("kubectl-delivery")),
			want: Explanation{State: Moving, Reason: "WaitsForWorkers",
				Sentence: "Pod w waits until all workers of its job run."},
		},
		"InitContainer": {
			why: "A pod with init containers says which of them it is.",
			pod: podOf(initEnded(terminated(2, "Error"))),
			want: Explanation{State: Stuck, Reason: "ExitCode",
				Sentence: "Init container setup of pod w ended with exit code 2.",
				Remedy:   "Read what it printed: weir logs pod/w -n ada"},
		},
		"Sidecar": {
			why: "A pod with two containers says which of them it is.",
			pod: podOf(waiting("CreateContainerConfigError", `secret "keys" not found`), func(p *corev1.Pod) {
				p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "other"})
			}),
			want: Explanation{State: Stuck, Reason: "SecretNotFound",
				Sentence: `Container main of pod w needs Secret "keys", which does not exist.`,
				Remedy:   "Create it (kubectl create secret generic keys …), and the pod goes on by itself."},
		},
		"Evicted": {
			why: "The kubelet says why.",
			pod: podOf(phase(corev1.PodFailed), func(p *corev1.Pod) {
				p.Status.Reason, p.Status.Message = "Evicted", "The node was low on resource: memory."
			}),
			want: Explanation{State: Failed, Reason: "Evicted",
				Sentence: "Pod w was put off its node: The node was low on resource: memory.",
				Remedy:   "Make room on the node, or ask in resources.requests for what the pod really uses."},
		},
		"Terminating": {
			why:  "A pod in its grace period is not stuck.",
			pod:  podOf(running(), deleted("batch.kubernetes.io/job-tracking")),
			want: Explanation{State: Moving, Reason: "Terminating", Sentence: "Pod w is being deleted; its containers have 30 seconds to end."},
		},
		"FinalizerBlocks": {
			why: "Which finalizer, on what.",
			pod: podOf(ended(terminated(143, "Error")), deleted("example.com/archive")),
			want: Explanation{State: Stuck, Reason: "FinalizerBlocks",
				Sentence: "Pod w is deleted, but finalizer example.com/archive on it is still to be taken off by its controller.",
				Remedy:   `See whether that controller runs. If it is gone for good, and what it should clean up too: kubectl patch pod w -n ada --type merge -p '{"metadata":{"finalizers":null}}'`},
		},
		"Gated": {
			why: "A queue may hold pods back.",
			pod: podOf(func(p *corev1.Pod) {
				p.Spec.NodeName = ""
				p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "kueue.x-k8s.io/admission"}}
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}}
			}),
			want: Explanation{State: Stuck, Reason: "SchedulingGated",
				Sentence: "Pod w is held back by a scheduling gate: kueue.x-k8s.io/admission.",
				Remedy:   "Whoever set the gate takes it away when the pod may start; see whether that controller runs."},
		},
		"WaitsForItsGang": {
			why: "A pod of a job that starts all of its pods or none has its job to ask.",
			pod: podOf(func(p *corev1.Pod) {
				p.Spec.NodeName, p.Namespace = "", "ada"
				p.OwnerReferences = []metav1.OwnerReference{{Kind: "TFJob", Name: "mnist", Controller: new(true)}}
				p.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "weir-ml.github.io/gang"}}
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}}
			}),
			want: Explanation{State: Moving, Reason: "WaitsForRoom",
				Sentence: "Pod w starts together with the others of its job, once all fit.",
				Remedy:   "What is missing: weir explain tfjob/mnist -n ada"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ofPod(tc.pod, tc.facts)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(Explanation{}, "Object")); diff != "" {
				t.Errorf("%s\nofPod(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestWhatIsWrong(t *testing.T) {
	cases := map[string]struct{ problem, better string }{
		"":                      {"it is empty", ""},
		"docker.io//mnist:1":    {"a part of its path is empty (//)", "docker.io/mnist:1"},
		"https://ghcr.io/a/b:1": {"an image has no scheme such as https://", "ghcr.io/a/b:1"},
		"my image":              {"it has a space in it", "myimage"},
		"Mnist:1":               {"it has capital letters outside the tag", "mnist:1"},
		"mnist:":                {`nothing follows the ":" at its end`, "mnist"},
		"/mnist":                {"it begins with a slash", "mnist"},
	}
	for ref, want := range cases {
		problem, better := whatIsWrong(ref)
		if problem != want.problem || better != want.better {
			t.Errorf("whatIsWrong(%q) = %q, %q; want %q, %q", ref, problem, better, want.problem, want.better)
		}
	}
}

// The makers below say only what a case is about; all else is a pod w of one
// container that has been given a node.

type option func(*corev1.Pod)

func podOf(opts ...option) *corev1.Pod { return podNamed("w", opts...) }

func podNamed(name string, opts ...option) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ada", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "weir", Containers: []corev1.Container{{Name: "main"}}},
		Status: corev1.PodStatus{
			Phase:             corev1.PodPending,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main"}},
		},
	}
	for _, o := range opts {
		o(p)
	}
	return p
}

func phase(ph corev1.PodPhase) option { return func(p *corev1.Pod) { p.Status.Phase = ph } }
func image(ref string) option         { return func(p *corev1.Pod) { p.Spec.Containers[0].Image = ref } }

func running() option {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{}
		p.Status.ContainerStatuses[0].Ready = true
	}
}

func notReady() option {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].Ready = false
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse})
	}
}

func waiting(reason, message string) option {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	}
}

func terminated(code int32, reason string) corev1.ContainerStateTerminated {
	return corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}
}

func ended(t corev1.ContainerStateTerminated) option {
	return func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State.Terminated = &t }
}

func restarted(n int32, t corev1.ContainerStateTerminated) option {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].RestartCount = n
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &t
	}
}

func initEnded(t corev1.ContainerStateTerminated) option {
	return func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{{Name: "setup"}}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "setup", State: corev1.ContainerState{Terminated: &t}}}
	}
}

func initRuns(name string) option {
	return func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{{Name: name}}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}
}

func unschedulable(message string) option {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = ""
		p.Status.ContainerStatuses = nil
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message}}
	}
}

func requests(name corev1.ResourceName, q string) option {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = list(name, q) }
}

func limited(memory string) option {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Limits = list("memory", memory) }
}

func volume(source corev1.VolumeSource) option {
	return func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: source}} }
}

func claimed(name string) corev1.VolumeSource {
	return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}
}

func deleted(finalizers ...string) option {
	return func(p *corev1.Pod) {
		p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1e9, 0)}
		p.DeletionGracePeriodSeconds = ptr.To[int64](30)
		p.Finalizers = finalizers
	}
}

func list(name corev1.ResourceName, q string) corev1.ResourceList {
	return corev1.ResourceList{name: resource.MustParse(q)}
}

// roomOf is a node with plenty of all but one resource.
func roomOf(node string, name corev1.ResourceName, all, free string) room.Room {
	r := room.Room{
		Node:        &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}},
		Allocatable: corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("8Gi"), "pods": resource.MustParse("110")},
	}
	r.Free = r.Allocatable.DeepCopy()
	r.Allocatable[name], r.Free[name] = resource.MustParse(all), resource.MustParse(free)
	return r
}

func httpGet(port int32, path string) *corev1.Probe {
	get := &corev1.HTTPGetAction{Path: path}
	get.Port.IntVal = port
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: get}}
}

func printed(lines ...string) map[string][]string { return map[string][]string{"main": lines} }

func events(list ...corev1.Event) []corev1.Event { return list }

func normal(reason, message string) corev1.Event {
	return corev1.Event{Type: corev1.EventTypeNormal, Reason: reason, Message: message}
}

func warning(reason, message string) corev1.Event {
	return corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, Message: message}
}

// at is an event that happened once, so long after the first of a case.
func at(after time.Duration, e corev1.Event) corev1.Event {
	e.FirstTimestamp = metav1.NewTime(firstEvent.Add(after))
	e.LastTimestamp = e.FirstTimestamp
	return e
}

// again is an event that happened again and again, for so long.
func again(lasting time.Duration, e corev1.Event) corev1.Event {
	e = at(0, e)
	e.LastTimestamp = metav1.NewTime(firstEvent.Add(lasting))
	return e
}

// series is the same as new events say it.
func series(lasting time.Duration, e corev1.Event) corev1.Event {
	e.EventTime = metav1.NewMicroTime(firstEvent)
	e.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(firstEvent.Add(lasting))}
	return e
}

var firstEvent = time.Unix(1e9, 0)
