package trainjob

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	"sigs.k8s.io/yaml"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/apply"
)

// jobOf reads the spec of a TrainJob called t.
func jobOf(t *testing.T, spec string) *trainer.TrainJob {
	t.Helper()
	j := &trainer.TrainJob{ObjectMeta: metav1.ObjectMeta{Namespace: "ada", Name: "t", UID: "u", Generation: 1}}
	if err := yaml.UnmarshalStrict([]byte(spec), &j.Spec); err != nil {
		t.Fatal(err)
	}
	return j
}

// shipped is a runtime that comes with weir.
func shipped(t *testing.T, name string) *runtimeOf {
	t.Helper()
	for _, f := range install.Runtimes() {
		objects, err := apply.Parse(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if o.GetName() == name {
				return runtimeFrom(t, f.Data)
			}
		}
	}
	t.Fatalf("no runtime %s comes with weir", name)
	return nil
}

// runtimeFrom reads a runtime.
func runtimeFrom(t *testing.T, data []byte) *runtimeOf {
	t.Helper()
	var r trainer.ClusterTrainingRuntime
	if err := yaml.UnmarshalStrict(data, &r); err != nil {
		t.Fatal(err)
	}
	for i := range r.Spec.Template.Spec.ReplicatedJobs {
		r.Spec.Template.Spec.ReplicatedJobs[i].Replicas = 1 // As the API server has it.
	}
	return &runtimeOf{kind: trainer.ClusterTrainingRuntimeKind, meta: r.ObjectMeta, spec: r.Spec}
}

// planned is the JobSet of a plan, and all its objects by kind and name.
func planned(t *testing.T, p plan) (*jobsetv1alpha2.JobSet, map[string]client.Object) {
	t.Helper()
	all := map[string]client.Object{}
	var js *jobsetv1alpha2.JobSet
	for _, o := range p.objects {
		all[o.GetObjectKind().GroupVersionKind().Kind+" "+o.GetName()] = o
		if j, ok := o.(*jobsetv1alpha2.JobSet); ok {
			js = j
		}
	}
	return js, all
}

func jobNamed(t *testing.T, js *jobsetv1alpha2.JobSet, name string) *jobsetv1alpha2.ReplicatedJob {
	t.Helper()
	for i := range js.Spec.ReplicatedJobs {
		if js.Spec.ReplicatedJobs[i].Name == name {
			return &js.Spec.ReplicatedJobs[i]
		}
	}
	t.Fatalf("the JobSet has no job %s", name)
	return nil
}

// said is a container's environment as lines; a place among the nodes is #.
func said(c *corev1.Container) []string {
	var all []string
	for _, e := range c.Env {
		value := e.Value
		if f := e.ValueFrom; f != nil && f.FieldRef != nil && f.FieldRef.FieldPath == "metadata.annotations['batch.kubernetes.io/job-completion-index']" {
			value = "#"
		}
		all = append(all, e.Name+"="+value)
	}
	return all
}

// What each framework's nodes are told, in order.
func TestEnvironment(t *testing.T) {
	cases := map[string]struct {
		why, runtime, spec string
		job                string
		want               []string
		count              int32
	}{
		"Torch": {
			why:     "torchrun reads its flags from PET_*; the TrainJob's own variables come first.",
			runtime: "torch-distributed", job: "node", count: 3,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 3, env: [{name: A, value: b}]}}`,
			want: []string{"A=b", "PET_NNODES=3", "PET_NPROC_PER_NODE=1", "PET_NODE_RANK=#", "PET_MASTER_ADDR=t-node-0-0.t", "PET_MASTER_PORT=29500"},
		},
		"TorchProcessors": {
			why:     "Without GPUs there is a process for each processor that a node asks for.",
			runtime: "torch-distributed", job: "node", count: 1,
			spec: `{runtimeRef: {name: r}, trainer: {resourcesPerNode: {requests: {cpu: 2500m}}}}`,
			want: []string{"PET_NNODES=1", "PET_NPROC_PER_NODE=3", "PET_NODE_RANK=#", "PET_MASTER_ADDR=t-node-0-0.t", "PET_MASTER_PORT=29500"},
		},
		"TorchGPUs": {
			why:     "With GPUs torchrun counts them itself.",
			runtime: "torch-distributed", job: "node", count: 1,
			spec: `{runtimeRef: {name: r}, trainer: {resourcesPerNode: {limits: {nvidia.com/gpu: 2, cpu: 8}}}}`,
			want: []string{"PET_NNODES=1", "PET_NPROC_PER_NODE=auto", "PET_NODE_RANK=#", "PET_MASTER_ADDR=t-node-0-0.t", "PET_MASTER_PORT=29500"},
		},
		"TorchNumber": {
			why:     "A number is a number, as 2.3 writes it.",
			runtime: "torch-distributed", job: "node", count: 1,
			spec: `{runtimeRef: {name: r}, trainer: {numProcPerNode: 4}}`,
			want: []string{"PET_NNODES=1", "PET_NPROC_PER_NODE=4", "PET_NODE_RANK=#", "PET_MASTER_ADDR=t-node-0-0.t", "PET_MASTER_PORT=29500"},
		},
		"TorchWord": {
			why:     "2.0 and 2.1 have words too.",
			runtime: "torch-distributed", job: "node", count: 1,
			spec: `{runtimeRef: {name: r}, trainer: {numProcPerNode: gpu}}`,
			want: []string{"PET_NNODES=1", "PET_NPROC_PER_NODE=gpu", "PET_NODE_RANK=#", "PET_MASTER_ADDR=t-node-0-0.t", "PET_MASTER_PORT=29500"},
		},
		"JAX": {
			why:     "The TrainJob's own variables come last, and may say more of those before.",
			runtime: "jax-distributed", job: "node", count: 2,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 2, env: [{name: A, value: b}]}}`,
			want: []string{"JAX_NUM_PROCESSES=2", "JAX_PROCESS_ID=#", "JAX_COORDINATOR_ADDRESS=t-node-0-0.t:29500", "A=b"},
		},
		"XGBoost": {
			why:     "One worker a node.",
			runtime: "xgboost-distributed", job: "node", count: 2,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 2}}`,
			want: []string{"DMLC_TRACKER_URI=t-node-0-0.t", "DMLC_TRACKER_PORT=29500", "DMLC_TASK_ID=#", "DMLC_NUM_WORKER=2"},
		},
		"XGBoostGPUs": {
			why:     "Or one a GPU.",
			runtime: "xgboost-distributed", job: "node", count: 2,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 2, resourcesPerNode: {limits: {nvidia.com/gpu: 4}}}}`,
			want: []string{"DMLC_TRACKER_URI=t-node-0-0.t", "DMLC_TRACKER_PORT=29500", "DMLC_TASK_ID=#", "DMLC_NUM_WORKER=8"},
		},
		"TensorFlow": {
			why:     "All are workers, and Kubernetes fills in which.",
			runtime: "tensorflow-distributed", job: "node", count: 2,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 2}}`,
			want: []string{"TF_TASK_INDEX=#", `TF_CONFIG={"cluster":{"worker":["t-node-0-0.t:29500","t-node-0-1.t:29500"]},"task":{"type":"worker","index":$(TF_TASK_INDEX)},"environment":"cloud"}`},
		},
		"Paddle": {
			why:     "A node calls itself by its name, so that the first recognises itself.",
			runtime: "paddle-distributed", job: "node", count: 2,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 2}}`,
			want: []string{
				"PADDLE_JOB_ID=t", "PADDLE_NNODES=2", "PADDLE_RANK=#", "PADDLE_MASTER=t-node-0-0.t:29500",
				"POD_IP=t-node-0-$(PADDLE_RANK).t", "PADDLE_NPROC_PER_NODE=1",
			},
		},
		"MPI": {
			why:     "The launcher is told where the hosts are listed, and is alone.",
			runtime: "mpi-distributed", job: "launcher", count: 1,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 3, numProcPerNode: 2, env: [{name: A, value: b}]}}`,
			want: []string{
				"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
				"OMPI_MCA_orte_default_hostfile=/etc/mpi/hostfile", "OMPI_MCA_orte_keep_fqdn_hostnames=true",
				"OMPI_MCA_orte_set_default_slots=2", "OMPI_MCA_plm_rsh_args=-o ConnectionAttempts=10", "A=b",
			},
		},
		"MPINodes": {
			why:     "The launcher is one of the nodes, so there is one less of the others.",
			runtime: "mpi-distributed", job: "node", count: 2,
			spec: `{runtimeRef: {name: r}, trainer: {numNodes: 3}}`,
			want: []string{"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"},
		},
		"DeepSpeed": {
			why:     "Here it is MPI.",
			runtime: "deepspeed-distributed", job: "launcher", count: 1,
			spec: `{runtimeRef: {name: r}, trainer: {resourcesPerNode: {limits: {nvidia.com/gpu: 4}}}}`,
			want: []string{
				"OMPI_MCA_orte_default_hostfile=/etc/mpi/hostfile", "OMPI_MCA_orte_keep_fqdn_hostnames=true",
				"OMPI_MCA_orte_set_default_slots=4", "OMPI_MCA_plm_rsh_args=-o ConnectionAttempts=10",
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := newPlan(jobOf(t, tc.spec), shipped(t, tc.runtime), Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			js, _ := planned(t, p)
			job := jobNamed(t, js, tc.job)
			if diff := cmp.Diff(tc.want, said(containerOf(job, trainer.Node))); diff != "" {
				t.Errorf("%s -want, +got:\n%s", tc.why, diff)
			}
			if got := *job.Template.Spec.Completions; got != tc.count || *job.Template.Spec.Parallelism != tc.count {
				t.Errorf("%d pods, want %d", got, tc.count)
			}
		})
	}
}

func TestElastic(t *testing.T) {
	by := shipped(t, "torch-distributed")
	by.spec.MLPolicy.Torch.ElasticPolicy = &trainer.TorchElasticPolicy{MinNodes: new(int32(1)), MaxNodes: new(int32(3)), MaxRestarts: new(int32(5))}
	p, err := newPlan(jobOf(t, `{runtimeRef: {name: r}, trainer: {numNodes: 3}}`), by, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	js, _ := planned(t, p)
	want := []string{
		"PET_NNODES=1:3", "PET_NPROC_PER_NODE=1", "PET_NODE_RANK=#", "PET_RDZV_BACKEND=c10d", "PET_RDZV_ENDPOINT=t-node-0-0.t:29500",
		"PET_RDZV_ID=t", "PET_MAX_RESTARTS=5", "PET_MASTER_ADDR=t-node-0-0.t", "PET_MASTER_PORT=29500",
	}
	if diff := cmp.Diff(want, said(containerOf(jobNamed(t, js, "node"), "node"))); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// A TensorFlow runtime may have servers and a chief of its own.
func TestTensorFlowServers(t *testing.T) {
	by := runtimeFrom(t, []byte(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: r}
spec:
  mlPolicy: {tensorflow: {}}
  template:
    spec:
      replicatedJobs:
      - {name: ps, template: {spec: {parallelism: 2, template: {spec: {containers: [{name: node}]}}}}}
      - {name: node, template: {metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}, spec: {template: {spec: {containers: [{name: node}]}}}}}
`))
	p, err := newPlan(jobOf(t, `{runtimeRef: {name: r}}`), by, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	js, _ := planned(t, p)
	want := []string{"TF_TASK_INDEX=#", `TF_CONFIG={"cluster":{"ps":["t-ps-0-0.t:29500","t-ps-0-1.t:29500"],"worker":["t-node-0-0.t:29500"]},"task":{"type":"ps","index":$(TF_TASK_INDEX)},"environment":"cloud"}`}
	if diff := cmp.Diff(want, said(containerOf(jobNamed(t, js, "ps"), "node"))); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestTrainer(t *testing.T) {
	p, err := newPlan(jobOf(t, `
runtimeRef: {name: r}
trainer: {image: i, command: [c], args: [a], resourcesPerNode: {limits: {cpu: 2}}}
labels: {l: "1"}
annotations: {m: "2"}
suspend: true
`), shipped(t, "jax-distributed"), Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	js, all := planned(t, p)
	c := containerOf(jobNamed(t, js, "node"), "node")
	if c.Image != "i" || c.Command[0] != "c" || c.Args[0] != "a" || c.Resources.Limits.Cpu().Value() != 2 || c.Ports[0].ContainerPort != 29500 {
		t.Errorf("container: %+v", c)
	}
	if js.Labels["l"] != "1" || js.Annotations["m"] != "2" || !*js.Spec.Suspend {
		t.Errorf("JobSet: %+v, suspend %v", js.ObjectMeta, *js.Spec.Suspend)
	}
	if o := js.OwnerReferences[0]; o.Kind != "TrainJob" || o.UID != "u" || !*o.Controller || !*o.BlockOwnerDeletion {
		t.Errorf("owner: %+v", o)
	}
	if names := namesOf(js); !slices.Equal(names, []string{"node"}) {
		t.Errorf("initializers with nothing to fetch are there: %v", names)
	}
	if len(c.VolumeMounts) > 0 || len(all) != 2 || all["ConfigMap t-runtime-snapshot"] == nil {
		t.Errorf("mounts %v, objects %v", c.VolumeMounts, all)
	}
}

func namesOf(js *jobsetv1alpha2.JobSet) []string {
	var all []string
	for _, r := range js.Spec.ReplicatedJobs {
		all = append(all, r.Name)
	}
	return all
}

// An initializer is told what to fetch; the nodes wait for it and share its
// volume. The one that has nothing to fetch is left out.
func TestInitializer(t *testing.T) {
	p, err := newPlan(jobOf(t, `
runtimeRef: {name: r}
initializer: {dataset: {storageUri: "s3://b/k", env: [{name: REGION, value: x}], secretRef: {name: keys}}}
`), shipped(t, "torch-distributed"), Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	js, all := planned(t, p)
	if names := namesOf(js); !slices.Equal(names, []string{"dataset-initializer", "node"}) {
		t.Errorf("jobs: %v", names)
	}
	fetch := containerOf(jobNamed(t, js, "dataset-initializer"), "dataset-initializer")
	if diff := cmp.Diff([]string{"STORAGE_URI=s3://b/k", "REGION=x"}, said(fetch)); diff != "" || fetch.EnvFrom[0].SecretRef.Name != "keys" {
		t.Errorf("initializer: %s, %v", diff, fetch.EnvFrom)
	}
	node := jobNamed(t, js, "node")
	if d := node.DependsOn; len(d) != 1 || d[0].Name != "dataset-initializer" || d[0].Status != jobsetv1alpha2.DependencyComplete {
		t.Errorf("the node waits for %v", d)
	}
	for _, name := range []string{"dataset-initializer", "node"} {
		v := jobNamed(t, js, name).Template.Spec.Template.Spec.Volumes
		if len(v) != 1 || v[0].Name != "initializer" || v[0].PersistentVolumeClaim.ClaimName != "initializer-t" {
			t.Errorf("volumes of %s: %v", name, v)
		}
	}
	if c := all["PersistentVolumeClaim initializer-t"]; c == nil || len(c.GetOwnerReferences()) != 1 {
		t.Errorf("claim: %v", c)
	}
}

// The same change in the words of each version.
func TestPatches(t *testing.T) {
	change := `{nodeSelector: {zone: a}, volumes: [{name: v, emptyDir: {}}], containers: [{name: side, env: [{name: A, value: new}], volumeMounts: [{name: v, mountPath: /v}]}]}`
	by := runtimeFrom(t, []byte(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: r}
spec:
  template:
    spec:
      replicatedJobs:
      - {name: first, template: {spec: {template: {spec: {containers: [{name: x, image: x}]}}}}}
      - name: node
        template: {metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}, spec: {template: {spec: {nodeSelector: {disk: ssd}, containers: [{name: node, image: i}, {name: side, image: s, env: [{name: A, value: old}, {name: B, value: b}]}]}}}}
`))
	for name, spec := range map[string]string{
		"2.0": fmt.Sprintf(`{runtimeRef: {name: r}, podSpecOverrides: [{targetJobs: [{name: node}], %s]}`, strings.TrimPrefix(change, "{")),
		"2.1": fmt.Sprintf(`{runtimeRef: {name: r}, podTemplateOverrides: [{targetJobs: [{name: node}], spec: %s}]}`, change),
		"2.2": fmt.Sprintf(`{runtimeRef: {name: r}, runtimePatches: [{manager: a.io/b, trainingRuntimeSpec: {template: {spec: {replicatedJobs: [{name: node, template: {spec: {template: {spec: %s}}}}]}}}}]}`, change),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newPlan(jobOf(t, spec), by, Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			js, _ := planned(t, p)
			if names := namesOf(js); !slices.Equal(names, []string{"first", "node"}) {
				t.Errorf("jobs: %v", names)
			}
			job := jobNamed(t, js, "node")
			pod, side := job.Template.Spec.Template.Spec, containerOf(job, "side")
			if diff := cmp.Diff(map[string]string{"zone": "a", "disk": "ssd"}, pod.NodeSelector); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"A=new", "B=b"}, said(side)); diff != "" || side.Image != "s" || side.VolumeMounts[0].MountPath != "/v" || pod.Volumes[0].Name != "v" {
				t.Errorf("%s\n%+v", diff, side)
			}
		})
	}
}

func TestHostfile(t *testing.T) {
	for implementation, want := range map[trainer.MPIImplementation]string{
		"":              "t-node-0-0.t slots=2\nt-node-0-1.t slots=2\nt-launcher-0-0.t slots=2\n",
		trainer.OpenMPI: "t-node-0-0.t slots=2\nt-node-0-1.t slots=2\nt-launcher-0-0.t slots=2\n",
		trainer.MPICH:   "t-node-0-0.t:2\nt-node-0-1.t:2\nt-launcher-0-0.t:2\n",
		trainer.Intel:   "t-node-0-0.t:2\nt-node-0-1.t:2\nt-launcher-0-0.t:2\n",
	} {
		by := shipped(t, "mpi-distributed")
		by.spec.MLPolicy.MPI.MPIImplementation = &implementation
		p, err := newPlan(jobOf(t, `{runtimeRef: {name: r}, trainer: {numNodes: 3, numProcPerNode: 2}}`), by, Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, all := planned(t, p)
		c, ok := all["ConfigMap t-mpi-hostfile"].(*corev1.ConfigMap)
		if !ok || c.Data["hostfile"] != want || !p.keys {
			t.Errorf("%s: %q, want %q", implementation, c.Data["hostfile"], want)
		}
	}
	keys := newKeys("t")
	if keys.Name != "t-mpi-ssh-auth" || !strings.HasPrefix(string(keys.Data["ssh-publickey"]), "ecdsa-sha2-nistp521 ") || !*keys.Immutable {
		t.Errorf("keys: %v", keys)
	}
}

// All nodes start again when one fails, if the TrainJob says so and the runtime
// nothing else.
func TestRestartWhole(t *testing.T) {
	for limit, want := range map[string]int32{"": 3, "7": 7} {
		j := jobOf(t, `{runtimeRef: {name: r}}`)
		j.Annotations = map[string]string{"weir-ml.github.io/restart": "job"}
		if limit != "" {
			j.Annotations["weir-ml.github.io/restart-limit"] = limit
		}
		by := shipped(t, "torch-distributed")
		p, err := newPlan(j, by, Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		js, _ := planned(t, p)
		node := jobNamed(t, js, "node").Template.Spec
		if js.Spec.FailurePolicy.MaxRestarts != want || *node.BackoffLimit != 0 || node.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			t.Errorf("limit %q: %+v, %+v", limit, js.Spec.FailurePolicy, node)
		}
		by.spec.Template.Spec.FailurePolicy = &jobsetv1alpha2.FailurePolicy{MaxRestarts: 1}
		if p, err = newPlan(j, by, Options{}, nil); err != nil {
			t.Fatal(err)
		}
		if js, _ = planned(t, p); js.Spec.FailurePolicy.MaxRestarts != 1 || jobNamed(t, js, "node").Template.Spec.BackoffLimit != nil {
			t.Errorf("the runtime's own policy: %+v", js.Spec.FailurePolicy)
		}
	}
}

// Pods that start together are a group of their scheduler's.
func TestGang(t *testing.T) {
	needs := func(members int, least map[string]any, more map[string]any) map[string]any {
		spec := map[string]any{"minMember": int64(members)}
		if least != nil {
			spec["minResources"] = least
		}
		maps.Copy(spec, more)
		return spec
	}
	const threeOfTwo = `trainer: {numNodes: 3, resourcesPerNode: {requests: {cpu: 2}}}`
	cases := map[string]struct {
		why, runtime, spec string
		policy             trainer.PodGroupPolicy
		edit               func(*trainer.TrainingRuntimeSpec)
		want               map[string]any
	}{
		"Coscheduling": {
			why: "All nodes are in it, with what they ask for.", runtime: "jax-distributed", spec: threeOfTwo,
			policy: trainer.PodGroupPolicy{Coscheduling: &trainer.CoschedulingPolicy{ScheduleTimeoutSeconds: new(int32(7))}},
			want:   needs(3, map[string]any{"cpu": "6"}, map[string]any{"scheduleTimeoutSeconds": int64(7)}),
		},
		"Volcano": {
			why: "Volcano is told as much.", runtime: "jax-distributed", spec: threeOfTwo,
			policy: trainer.PodGroupPolicy{Volcano: &trainer.VolcanoPolicy{}},
			want:   needs(3, map[string]any{"cpu": "6"}, nil),
		},
		"Queue": {
			why: "Its queue is in an annotation; the TrainJob's goes before the runtime's.", runtime: "jax-distributed",
			spec:   `annotations: {scheduling.volcano.sh/queue-name: mine}`,
			policy: trainer.PodGroupPolicy{Volcano: &trainer.VolcanoPolicy{}},
			edit: func(s *trainer.TrainingRuntimeSpec) {
				s.Template.Annotations = map[string]string{"scheduling.volcano.sh/queue-name": "ours"}
			},
			want: needs(1, nil, map[string]any{"queue": "mine"}),
		},
		"Topology": {
			why: "And how near pods are to be, and how urgent.", runtime: "jax-distributed",
			policy: trainer.PodGroupPolicy{Volcano: &trainer.VolcanoPolicy{NetworkTopology: &trainer.NetworkTopology{Mode: "hard", HighestTierAllowed: new(int32(1))}}},
			edit: func(s *trainer.TrainingRuntimeSpec) {
				jobs := s.Template.Spec.ReplicatedJobs
				jobs[len(jobs)-1].Template.Spec.Template.Spec.PriorityClassName = "urgent"
			},
			want: needs(1, nil, map[string]any{
				"networkTopology": map[string]any{"mode": "hard", "highestTierAllowed": int64(1)}, "priorityClassName": "urgent",
			}),
		},
		"Initializers": {
			why: "What has ended before the nodes begin is not waited for.", runtime: "torch-distributed", spec: threeOfTwo + `, initializer: {dataset: {storageUri: "s3://b/k"}}`,
			policy: trainer.PodGroupPolicy{Coscheduling: &trainer.CoschedulingPolicy{}},
			want:   needs(3, map[string]any{"cpu": "6"}, nil),
		},
		"Launcher": {
			why: "Nor is a launcher that begins when its nodes are ready.", runtime: "mpi-distributed", spec: threeOfTwo,
			policy: trainer.PodGroupPolicy{Coscheduling: &trainer.CoschedulingPolicy{}},
			want:   needs(2, map[string]any{"cpu": "4"}, nil),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			by := shipped(t, tc.runtime)
			by.spec.PodGroupPolicy = &tc.policy
			if tc.edit != nil {
				tc.edit(&by.spec)
			}
			p, err := newPlan(jobOf(t, "{runtimeRef: {name: r}, "+tc.spec+"}"), by, Options{}, []string{"scheduling.x-k8s.io", "scheduling.volcano.sh"})
			if err != nil {
				t.Fatal(err)
			}
			js, all := planned(t, p)
			group, ok := all["PodGroup t"].(*unstructured.Unstructured)
			if !ok {
				t.Fatalf("objects: %v", all)
			}
			if diff := cmp.Diff(tc.want, group.Object["spec"]); diff != "" {
				t.Errorf("%s -want, +got:\n%s", tc.why, diff)
			}
			version, pod := "scheduling.x-k8s.io/v1alpha1", jobNamed(t, js, "node").Template.Spec.Template
			member := pod.Labels["scheduling.x-k8s.io/pod-group"] == "t" && pod.Spec.SchedulerName == ""
			if tc.policy.Volcano != nil {
				version, member = "scheduling.volcano.sh/v1beta1", pod.Annotations["scheduling.k8s.io/group-name"] == "t" && pod.Spec.SchedulerName == "volcano"
			}
			if !member || group.GetAPIVersion() != version {
				t.Errorf("%s: pod %+v, scheduler %q", group.GetAPIVersion(), pod.ObjectMeta, pod.Spec.SchedulerName)
			}
		})
	}
}

func TestReporting(t *testing.T) {
	p, err := newPlan(jobOf(t, `{runtimeRef: {name: r}}`), shipped(t, "xgboost-distributed"), Options{Reporting: &Reporting{URL: "https://h:1", Authority: []byte("ca")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	js, all := planned(t, p)
	job := jobNamed(t, js, "node")
	want := []string{
		"KUBEFLOW_TRAINER_SERVER_URL=https://h:1/apis/trainer.kubeflow.org/v1alpha1/namespaces/ada/trainjobs/t/status",
		"KUBEFLOW_TRAINER_SERVER_CA_CERT=/var/run/secrets/kubeflow/trainer/ca.crt",
		"KUBEFLOW_TRAINER_SERVER_TOKEN=/var/run/secrets/kubeflow/trainer/token",
	}
	if diff := cmp.Diff(want, said(containerOf(job, "node"))[4:]); diff != "" {
		t.Error(diff)
	}
	sources := job.Template.Spec.Template.Spec.Volumes[0].Projected.Sources
	if a := sources[0].ServiceAccountToken.Audience; a != "trainer.kubeflow.org/v1alpha1/namespaces/ada/trainjobs/t/status" {
		t.Errorf("audience %q", a)
	}
	if c := all["ConfigMap t-tls-config"].(*corev1.ConfigMap); c.Data["ca.crt"] != "ca" {
		t.Errorf("authority %v", c.Data)
	}
}

func TestSnapshot(t *testing.T) {
	by := shipped(t, "torch-distributed")
	by.meta.Name = "r"
	j := jobOf(t, `{runtimeRef: {name: r}}`)
	c, err := snapshotOf(j, by)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := readSnapshot(j, c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(by.spec, kept.spec); diff != "" || !kept.snapshot {
		t.Errorf("-written, +read:\n%s", diff)
	}
	j.Spec.RuntimeRef.Name = "other"
	if _, err := readSnapshot(j, c); err == nil || !strings.Contains(err.Error(), "holds a copy of ClusterTrainingRuntime r instead") {
		t.Errorf("another runtime's copy: %v", err)
	}
}

func TestDeadline(t *testing.T) {
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		why       string
		suspend   bool
		condition metav1.ConditionStatus
		want      time.Time
	}{
		"Made":      {why: "It counts from when the job was made.", want: made.Add(10 * time.Second)},
		"Suspended": {why: "A job that does not run does not run too long.", suspend: true, condition: metav1.ConditionTrue},
		"Resuming":  {why: "Nor does one that is just resumed.", condition: metav1.ConditionTrue},
		"Resumed":   {why: "Then it counts anew.", condition: metav1.ConditionFalse, want: made.Add(time.Hour + 10*time.Second)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := jobOf(t, `{runtimeRef: {name: r}, activeDeadlineSeconds: 10}`)
			j.CreationTimestamp, j.Spec.Suspend = metav1.NewTime(made), &tc.suspend
			if tc.condition != "" {
				j.Status.Conditions = []metav1.Condition{{Type: trainer.TrainJobSuspended, Status: tc.condition, LastTransitionTime: metav1.NewTime(made.Add(time.Hour))}}
			}
			if got, _ := deadline(j); !got.Equal(tc.want) {
				t.Errorf("%s Got %v, want %v", tc.why, got, tc.want)
			}
		})
	}
}

// Whatever is left out, a plan is made or refused, and nothing falls over.
func TestEmptyPlans(t *testing.T) {
	for _, runtime := range []string{
		`{}`, `{spec: {mlPolicy: {}}}`, `{spec: {mlPolicy: {torch: {envInjection: {targets: [{jobName: x, containerNames: [y]}]}}}}}`,
		`{spec: {mlPolicy: {mpi: {}}}}`, `{spec: {mlPolicy: {tensorflow: {}}, podGroupPolicy: {coscheduling: {}}}}`, `{spec: {mlPolicy: {paddle: {}}, podGroupPolicy: {volcano: {}}}}`,
		`{spec: {mlPolicy: {jax: {}}, template: {spec: {replicatedJobs: [{name: node, template: {metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}]}}}}`,
		`{spec: {mlPolicy: {xgboost: {}}, template: {spec: {volumeClaimPolicies: [{templates: [{spec: {}}]}], replicatedJobs: [{name: node, template: {}}]}}}}`,
		`{spec: {template: {spec: {replicatedJobs: [{name: d, template: {metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: dataset-initializer}}}}]}}}}`,
	} {
		for _, spec := range []string{
			`{}`, `{trainer: {}, initializer: {}}`, `{trainer: {numNodes: 0, resourcesPerNode: {}}, initializer: {dataset: {}, model: {}}}`,
			`{runtimePatches: [{manager: a.io/b}, {manager: c.io/d, trainingRuntimeSpec: {template: {spec: {replicatedJobs: [{name: node}, {name: x}]}}}}]}`,
			`{podSpecOverrides: [{targetJobs: []}], podTemplateOverrides: [{targetJobs: [{name: node}]}]}`,
			`{runtimeRef: {name: a-b-c}, trainer: {command: [tune, run], args: [model.quantize_base=true]}}`,
		} {
			_, _ = newPlan(jobOf(t, spec), runtimeFrom(t, []byte(runtime)), Options{Reporting: &Reporting{}}, []string{groupCoscheduling.Group, groupVolcano.Group})
		}
	}
}
