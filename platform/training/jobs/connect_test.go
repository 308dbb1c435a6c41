package jobs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
	"github.com/weir-ml/weir/platform/training/mxnet"
	"github.com/weir-ml/weir/platform/training/pytorch"
	"github.com/weir-ml/weir/platform/training/xgboost"
)

// What replicas are told where no capture shows it: one variable a line, behind
// the container's own.
func TestConnect(t *testing.T) {
	cases := map[string]struct {
		why, spec string
		connect   func(t *testing.T, spec string) corev1.PodSpec
		want      string
	}{
		"PyTorchStandalone": {
			why: "All that an elastic policy says is passed on.",
			spec: `{elasticPolicy: {minReplicas: 2, rdzvBackend: etcd, rdzvHost: etcd, rdzvPort: 2379, nProcPerNode: 4, standalone: true},
			  pytorchReplicaSpecs: {Worker: {template: {spec: {containers: [{name: pytorch}, {name: side, env: [{name: A, value: b}]}]}}}}}`,
			connect: func(t *testing.T, spec string) corev1.PodSpec {
				return connected(t, pytorch.Framework{}, spec, job.Replica{Type: "Worker"})
			},
			want: `A=b PYTHONUNBUFFERED=1 PET_RDZV_ENDPOINT=etcd:2379 PET_RDZV_BACKEND=etcd PET_NNODES=2:2 PET_NPROC_PER_NODE=4 PET_STANDALONE=`,
		},
		"PyTorchGPU": {
			why:  "A number of processes that only torchrun can tell counts as one; the master's own port is the one that is called.",
			spec: `{nprocPerNode: gpu, pytorchReplicaSpecs: {Master: {template: {spec: {containers: [{name: pytorch, ports: [{name: pytorchjob-port, containerPort: 1234}]}]}}}}}`,
			connect: func(t *testing.T, spec string) corev1.PodSpec {
				return connected(t, pytorch.Framework{}, spec, job.Replica{Type: "Master"})
			},
			want: `PYTHONUNBUFFERED=1 MASTER_PORT=1234 PET_MASTER_PORT=1234 MASTER_ADDR=mnist-master-0 PET_MASTER_ADDR=mnist-master-0 WORLD_SIZE=1 RANK=0 PET_NODE_RANK=0 PET_NPROC_PER_NODE=gpu PET_NNODES=1`,
		},
		"XGBoostAlone": {
			why:  "A master that is alone hears of no workers.",
			spec: `{xgbReplicaSpecs: {Master: {template: {spec: {containers: [{name: xgboost}]}}}}}`,
			connect: func(t *testing.T, spec string) corev1.PodSpec {
				return connected(t, xgboost.Framework{}, spec, job.Replica{Type: "Master"})
			},
			want: `MASTER_PORT=9999 MASTER_ADDR=mnist-master-0 WORLD_SIZE=1 RANK=0 PYTHONUNBUFFERED=1`,
		},
		"MXWorker": {
			why: "A worker hears of all parts, of the scheduler as the root, and of its own number.",
			spec: `{mxReplicaSpecs: {Scheduler: {template: {spec: {containers: [{name: mxnet}]}}}, Server: {replicas: 2, template: {spec: {containers: [{name: mxnet}]}}},
			  Worker: {template: {metadata: {annotations: {tuner-server-key: 2080ti}}, spec: {containers: [{name: mxnet}]}}}}}`,
			connect: func(t *testing.T, spec string) corev1.PodSpec {
				return connected(t, mxnet.Framework{}, spec, job.Replica{Type: "Worker"})
			},
			want: `MX_CONFIG={"cluster":{"scheduler":[{"url":"mnist-scheduler-0","port":9091}],"server":[{"url":"mnist-server-0","port":9091},{"url":"mnist-server-1","port":9091}],` +
				`"worker":[{"url":"mnist-worker-0","port":9091}]},"labels":{"scheduler":"","server":"","worker":"2080ti"},"task":{"type":"worker","index":0}} ` +
				`DMLC_PS_ROOT_PORT=9091 DMLC_PS_ROOT_URI=mnist-scheduler-0 DMLC_NUM_SERVER=2 DMLC_NUM_WORKER=1 DMLC_ROLE=worker DMLC_USE_KUBERNETES=1 DMLC_WORKER_ID=0`,
		},
		"MXTuner": {
			why:  "Where there is no scheduler there is no root.",
			spec: `{jobMode: MXTune, mxReplicaSpecs: {Tuner: {template: {spec: {containers: [{name: mxnet}]}}}}}`,
			connect: func(t *testing.T, spec string) corev1.PodSpec {
				return connected(t, mxnet.Framework{}, spec, job.Replica{Type: "Tuner"})
			},
			want: `MX_CONFIG={"cluster":{"tuner":[{"url":"mnist-tuner-0","port":9091}]},"labels":{"tuner":""},"task":{"type":"tuner","index":0}} ` +
				`DMLC_PS_ROOT_PORT=0 DMLC_PS_ROOT_URI= DMLC_NUM_SERVER=0 DMLC_NUM_WORKER=0 DMLC_ROLE=tuner DMLC_USE_KUBERNETES=1`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			containers := tc.connect(t, tc.spec).Containers
			var got []string
			for _, e := range containers[len(containers)-1].Env {
				got = append(got, e.Name+"="+e.Value)
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("%s\nConnect(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// connected is the pod of a replica of a job, whose spec is YAML.
func connected[J training.Job](t *testing.T, f job.Framework[J], spec string, r job.Replica) corev1.PodSpec {
	t.Helper()
	j := f.New()
	if err := yaml.UnmarshalStrict([]byte("metadata: {name: mnist, namespace: ada}\nspec: "+spec), j); err != nil {
		t.Fatal(err)
	}
	j.Default()
	template := j.Replicas()[r.Type].Template.DeepCopy()
	f.Connect(j, r, template)
	return template.Spec
}
