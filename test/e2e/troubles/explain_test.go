package troubles_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each trouble is made for real, and weir explain and the event on the object
// say the same about it.
func TestExplain(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		why       string
		manifest  string // applied in a namespace of its own
		about     string // what is asked about; pod/it when empty
		reason    string
		sentence  string // part of what is said
		code      int
		noEvent   bool // it is no trouble, or another controller's to say
		needs     func(t *testing.T)
		afterward func(t *testing.T, namespace string)
	}{
		"MalformedReference": {
			why:      "The reference as a book printed it.",
			manifest: pod(`image: docker.io//tf-dist-mnist-test:1.0`),
			reason:   "InvalidImageName", code: 2,
			sentence: `"docker.io//tf-dist-mnist-test:1.0" is malformed, since a part of its path is empty (//)`,
		},
		"ImageNotFound": {
			why:      "What was tried and what to do.",
			manifest: pod(`image: nobody/has-this:1`),
			reason:   "ImageNotFound", code: 2,
			sentence: `"nobody/has-this:1" cannot be resolved: not in the catalogue of environments`,
		},
		"EnvironmentNotBuilt": {
			why:      "Which package, and what the index said.",
			manifest: pod(`image: weir.local/broken:1`),
			reason:   "EnvironmentNotBuilt", code: 2,
			sentence: noPackage,
		},
		"CommandNotFound": {
			why:      "A slip in the command.",
			manifest: pod(`command: [pyton, train.py]`),
			reason:   "CommandNotFound", code: 2,
			sentence: `runs "pyton", which is not on the PATH`,
		},
		"CommandNotFoundInShell": {
			why:      "The same slip in a shell.",
			manifest: pod(`command: [sh, -c, "pyton train.py"]`),
			reason:   "CommandNotFound", code: 2,
			sentence: `calls pyton, which is not on the PATH`,
		},
		"ConfigMapNotFound": {
			why:      "A variable from a ConfigMap that is not there.",
			manifest: pod(`envFrom: [{configMapRef: {name: settings}}]`),
			reason:   "ConfigMapNotFound", code: 2,
			sentence: `Pod it needs ConfigMap "settings", which does not exist.`,
		},
		"SecretNotFound": {
			why:      "The same for a Secret.",
			manifest: pod(`envFrom: [{secretRef: {name: keys}}]`),
			reason:   "SecretNotFound", code: 2,
			sentence: `Pod it needs Secret "keys", which does not exist.`,
		},
		"KeyNotFound": {
			why:      "The ConfigMap is there, the key is not.",
			manifest: pod(`env: [{name: LR, valueFrom: {configMapKeyRef: {name: kube-root-ca.crt, key: lr}}}]`),
			reason:   "ConfigMapKeyNotFound", code: 2,
			sentence: `Pod it needs key "lr" of ConfigMap "kube-root-ca.crt", which has no such key.`,
		},
		"VolumeOfMissingSecret": {
			why:      "For volumes the kubelet says it in events only.",
			manifest: podWith(`volumes: [{name: v, secret: {secretName: keys}}]`, `volumeMounts: [{name: v, mountPath: /v}]`),
			reason:   "SecretNotFound", code: 2,
			sentence: `Pod it needs Secret "keys", which does not exist.`,
		},
		"VolumeOfMissingKey": {
			why:      "And without the name of the ConfigMap.",
			manifest: podWith(`volumes: [{name: v, configMap: {name: kube-root-ca.crt, items: [{key: lr, path: lr}]}}]`, `volumeMounts: [{name: v, mountPath: /v}]`),
			reason:   "ConfigMapKeyNotFound", code: 2,
			sentence: `Pod it needs key "lr" of ConfigMap "kube-root-ca.crt", which has no such key.`,
		},
		"ClaimNotFound": {
			why:      "A volume from a claim that is not there.",
			manifest: podWith(`volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]`, `volumeMounts: [{name: v, mountPath: /v}]`),
			reason:   "ClaimNotFound", code: 2,
			sentence: `Pod it needs PersistentVolumeClaim "data", which does not exist.`,
		},
		"StorageClassNotFound": {
			why:      "A claim of a class that is not there.",
			manifest: `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`,
			about:    "pvc/data",
			reason:   "StorageClassNotFound", code: 2,
			sentence: `Claim data wants storage class "fast", which does not exist.`,
		},
		"TooMuchCPU": {
			why:      "Asked, free, of how much.",
			manifest: pod(`resources: {requests: {cpu: 6400}}`),
			reason:   "NotEnoughCPU", code: 2,
			sentence: `Pod it asks for 6400 cpu; node weir has `,
		},
		"TooMuchMemory": {
			why:      "The same for memory.",
			manifest: pod(`resources: {requests: {memory: 640Ti}}`),
			reason:   "NotEnoughMemory", code: 2,
			sentence: `Pod it asks for 6.554e+05Gi of memory; node weir has `,
		},
		"NoGPU": {
			why:      "A GPU where there is none.",
			manifest: pod(`resources: {limits: {nvidia.com/gpu: 99}}`),
			reason:   "NotEnoughGPU", code: 2,
			sentence: `Pod it asks for 99 nvidia.com/gpu`,
		},
		"WrongSelector": {
			why:      "A label that no node has.",
			manifest: podWith(`nodeSelector: {disk: ssd}`, ``),
			reason:   "NoNodeMatches", code: 2,
			sentence: `its nodeSelector or affinity matches (disk=ssd)`,
		},
		"CrashLoop": {
			why:      "The exit code and what the program said last.",
			manifest: podWith(`restartPolicy: Always`, `command: [sh, -c, "echo 'ValueError: shapes differ'; exit 3"]`),
			reason:   "ProgramError", code: 2,
			sentence: `Pod it ended with exit code 3: ValueError: shapes differ.`,
		},
		"Signal": {
			why:      "A signal by its name.",
			manifest: podWith(`shareProcessNamespace: true`, `command: [sh, -c, "kill -SEGV $$$$"]`),
			reason:   "KilledBySignal", code: 2,
			sentence: `Pod it was ended by signal 11 (SIGSEGV).`,
		},
		"OutOfMemory": {
			why:      "The limit, not exit code 137.",
			manifest: pod("command: [sh, -c, \"x=0123456789; while true; do x=$x$x; done\"]\n    resources: {limits: {memory: 32Mi}}"),
			reason:   "OutOfMemory", code: 2,
			sentence: `Pod it used more memory than its limit of 32Mi and was killed.`,
			needs: func(t *testing.T) {
				if status := call(t, "", "status"); strings.Contains(status.Out, "memory") {
					t.Skip("memory is not limited on this machine: " + status.Out)
				}
			},
		},
		"ReadinessProbe": {
			why:      "Which probe, what it asks, what it got.",
			manifest: pod("command: [sleep, '1000']\n    readinessProbe: {exec: {command: [ls, /nope]}, periodSeconds: 1}"),
			reason:   "ReadinessProbeFails", code: 2,
			sentence: `its readiness probe fails (ls /nope): ls: `,
		},
		"LivenessProbe": {
			why:      "A kill by the kubelet looks like a crash.",
			manifest: podWith("restartPolicy: Always\n  terminationGracePeriodSeconds: 1", "command: [sleep, '1000']\n    livenessProbe: {exec: {command: [ls, /nope]}, periodSeconds: 1, failureThreshold: 1}"),
			reason:   "LivenessProbeFails", code: 2,
			sentence: `was killed since its probe failed: Liveness probe failed: ls: `,
		},
		"Finalizer": {
			why:      "Which finalizer, on what.",
			manifest: "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/archive]}}",
			about:    "configmap/held",
			reason:   "FinalizerBlocks", code: 2, noEvent: true,
			sentence: `ConfigMap held is deleted, but finalizer example.com/archive on it`,
			afterward: func(t *testing.T, namespace string) {
				kubectl(t, "", "delete", "configmap", "held", "-n", namespace, "--wait=false")
				t.Cleanup(func() {
					_ = exec.Command(weir.binary, "--dir", weir.dir, "kubectl", "patch", "configmap", "held", "-n", namespace, "--type", "merge", "-p", `{"metadata":{"finalizers":null}}`).Run()
				})
			},
		},
		"FinalizerOnAJob": {
			why:      "On a job it stands as an event, too.",
			manifest: "{apiVersion: kubeflow.org/v1, kind: TFJob, metadata: {name: held, finalizers: [example.com/archive]}, spec: {runPolicy: {suspend: true}, tfReplicaSpecs: {Worker: {template: {spec: {containers: [{name: tensorflow, image: " + image + "}]}}}}}}",
			about:    "tfjob/held",
			reason:   "FinalizerBlocks", code: 2,
			sentence: `TFJob held is deleted, but finalizer example.com/archive on it`,
			afterward: func(t *testing.T, namespace string) {
				kubectl(t, "", "delete", "tfjob", "held", "-n", namespace, "--wait=false")
				t.Cleanup(func() {
					_ = exec.Command(weir.binary, "--dir", weir.dir, "kubectl", "patch", "tfjob", "held", "-n", namespace, "--type", "merge", "-p", `{"metadata":{"finalizers":null}}`).Run()
				})
			},
		},
		"QuotaExceeded": {
			why: "Pods that may not be created are known from events only.",
			manifest: "{apiVersion: v1, kind: ResourceQuota, metadata: {name: few}, spec: {hard: {pods: '0'}}, status: {hard: {pods: '0'}}}\n---\n" +
				tfjob("", worker(2, `command: [sleep, '1000']`)),
			about:  "tfjob/it",
			reason: "QuotaExceeded", code: 2,
			sentence: `TFJob it cannot create its pods: quota "few" is used up (requested: pods=1`,
		},
		"JobOfAMalformedReference": {
			why:      "The seed, as printed.",
			manifest: seed(t, "tfjob-mnist.yaml"),
			about:    "tfjob/mnist-tf-job",
			reason:   "InvalidImageName", code: 2,
			sentence: `names no image: "docker.io//tf-dist-mnist-test:1.0" is malformed`,
		},
		"ReplicaFails": {
			why:      "Why a job failed is what its replica says.",
			manifest: tfjob("", worker(1, `command: [sh, -c, "echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1"]`)),
			about:    "tfjob/it",
			reason:   "PackageMissing", code: 2,
			sentence: `Pod it-worker-0 imports torch, which image`,
		},
		"KerasOverSeveralWorkers": {
			why:      "What TensorFlow's own tutorial runs into.",
			manifest: tfjob("", worker(1, `command: [sh, -c, "echo 'ValueError: Attempt to convert a value (PerReplica:{' >&2; exit 1"]`)),
			about:    "tfjob/it",
			reason:   "KerasNeedsLegacy", code: 2,
			sentence: `trains over several workers with Keras 3, which does not support that`,
		},
		"OneHoldsUpTheOthers": {
			why:      "The replica that cannot start counts.",
			manifest: tfjob("", chief(`command: [sleep, '1000']`)+worker(1, "command: [sleep, '1000']\n            resources: {requests: {cpu: 6400}}")),
			about:    "tfjob/it",
			reason:   "NotEnoughCPU", code: 2,
			sentence: `Running, and waiting for it: it-chief-0`,
		},
		"WaitsForPeers": {
			why:      "And those that run say for whom they wait.",
			manifest: tfjob("", chief(`command: [sleep, '1000']`)+worker(1, "command: [sleep, '1000']\n            resources: {requests: {cpu: 6400}}")),
			about:    "pod/it-chief-0",
			reason:   "WaitsForPeers", noEvent: true,
			sentence: `Pod it-chief-0 runs and waits for its peers: it-worker-0 is pending.`,
		},
		"Suspended": {
			why:      "It waits because somebody said so.",
			manifest: tfjob("runPolicy: {suspend: true}", worker(1, `command: ["true"]`)),
			about:    "tfjob/it",
			reason:   "Suspended", code: 2, noEvent: true,
			sentence: `TFJob it is suspended`,
		},
		"ManagedElsewhere": {
			why:      "Our controllers leave it alone.",
			manifest: tfjob("runPolicy: {managedBy: kueue.x-k8s.io/multikueue}", worker(1, `command: ["true"]`)),
			about:    "tfjob/it",
			reason:   "ManagedElsewhere", code: 2, noEvent: true,
			sentence: `it is managed by "kueue.x-k8s.io/multikueue"`,
		},
		"FinishedWell": {
			why:      "All is well that ends well.",
			manifest: tfjob("", worker(2, `command: ["true"]`)),
			about:    "tfjob/it",
			reason:   "Succeeded", noEvent: true,
			sentence: `TFJob it has finished well.`,
		},
		"Running": {
			why:      "And what goes on goes on.",
			manifest: tfjob("", worker(2, `command: [sleep, '1000']`)),
			about:    "tfjob/it",
			reason:   "Running", noEvent: true,
			sentence: `TFJob it is running, with 2 pods.`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.needs != nil {
				tc.needs(t)
			}
			if tc.manifest == "" {
				t.Skip("WEIR_SHARED is not set: the manifest is not here")
			}
			namespace := "t-" + strings.ToLower(name)
			newNamespace(t, namespace)
			kubectl(t, tc.manifest, "apply", "-n", namespace, "-f", "-")
			if tc.afterward != nil {
				tc.afterward(t, namespace)
			}
			about := tc.about
			if about == "" {
				about = "pod/it"
			}

			poll(t, fmt.Sprintf("%s is explained by %s (%s)", about, tc.reason, tc.why), func() (bool, string) {
				a := call(t, "", "explain", about, "-n", namespace)
				return strings.Contains(a.Out, tc.reason+"\n") && strings.Contains(a.Out, tc.sentence) && a.Code == tc.code, fmt.Sprintf("%s%sexit code %d", a.Out, a.Err, a.Code)
			})
			if tc.noEvent {
				return
			}
			kind, object, _ := strings.Cut(about, "/")
			kind = strings.Replace(kind, "pvc", "persistentvolumeclaim", 1)
			sentence, _, _ := strings.Cut(call(t, "", "explain", about, "-n", namespace).Out, "\n")
			poll(t, "an event says the same, and no other says anything", func() (bool, string) {
				all := said(t, namespace, kind, object)
				return len(all) == 1 && strings.HasPrefix(withoutReplica(all[0]), withoutReplica(sentence)[:30]), strings.Join(all, "\n")
			})
		})
	}
}

// withoutReplica makes what is said of one replica what is said of another: the
// event is about the first that was seen, the explanation about the first by
// name.
func withoutReplica(s string) string {
	return strings.NewReplacer("-0 ", " ", "-1 ", " ", "ps", "worker").Replace(s)
}

// pod is a pod it of one container, with what the lines say of the container.
func pod(container string) string { return podWith("", container) }

func podWith(spec, container string) string {
	if !strings.Contains(container, "image:") {
		container += "\n    image: " + image
	}
	if !strings.Contains(container, "command:") {
		container += "\n    command: [sleep, '1000']"
	}
	if !strings.Contains(spec, "restartPolicy:") {
		spec += "\n  restartPolicy: Never"
	}
	return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: it\nspec:\n  " + strings.TrimSpace(spec) +
		"\n  containers:\n  - name: main\n    " + strings.TrimSpace(container) + "\n"
}

// tfjob is a TFJob it of these replicas.
func tfjob(spec, replicas string) string {
	return "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata:\n  name: it\nspec:\n  " + spec + "\n  tfReplicaSpecs:\n" + replicas
}

func chief(container string) string { return replicas("Chief", 1, container) }

func worker(n int, container string) string { return replicas("Worker", n, container) }

func replicas(kind string, n int, container string) string {
	return fmt.Sprintf("    %s:\n      replicas: %d\n      template:\n        spec:\n          containers:\n          - name: tensorflow\n            image: %s\n            %s\n", kind, n, image, container)
}

// seed reads a manifest that is not part of the sources; "" if it is not here.
func seed(t *testing.T, name string) string {
	t.Helper()
	shared := os.Getenv("WEIR_SHARED")
	if shared == "" {
		return ""
	}
	data, err := os.ReadFile(filepath.Join(shared, "seeds", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
