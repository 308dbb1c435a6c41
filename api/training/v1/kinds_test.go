package v1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// everyKind makes an empty job of each kind.
var everyKind = map[string]func() Job{
	TFJobKind:      func() Job { return &TFJob{} },
	PyTorchJobKind: func() Job { return &PyTorchJob{} },
	XGBoostJobKind: func() Job { return &XGBoostJob{} },
	PaddleJobKind:  func() Job { return &PaddleJob{} },
	JAXJobKind:     func() Job { return &JAXJob{} },
	MXJobKind:      func() Job { return &MXJob{} },
	MPIJobKind:     func() Job { return &MPIJob{} },
}

// read is the job that a manifest's spec, written in YAML, makes.
func read(t *testing.T, kind, spec string) Job {
	t.Helper()
	j := everyKind[kind]()
	if err := yaml.UnmarshalStrict([]byte("metadata: {name: mnist}\nspec: "+spec), j); err != nil {
		t.Fatal(err)
	}
	return j
}

func sentences(problems field.ErrorList) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Error())
	}
	return all
}

// What each kind fills in, as the whole spec it makes of a short one.
func TestDefaultsOfKinds(t *testing.T) {
	cases := map[string]struct{ kind, spec, want string }{
		"PyTorch": {
			PyTorchJobKind, `{pytorchReplicaSpecs: {worker: {template: {spec: {containers: [{name: pytorch}]}}}}}`,
			`{runPolicy: {cleanPodPolicy: None}, nprocPerNode: auto, pytorchReplicaSpecs: {Worker: {replicas: 1, restartPolicy: OnFailure,
			  template: {spec: {containers: [{name: pytorch, ports: [{name: pytorchjob-port, containerPort: 23456, protocol: TCP}]}]}}}}}`,
		},
		"ElasticFromWorkers": {
			PyTorchJobKind, `{elasticPolicy: {}, pytorchReplicaSpecs: {Worker: {replicas: 3}}}`,
			`{runPolicy: {cleanPodPolicy: None}, nprocPerNode: auto, elasticPolicy: {minReplicas: 3, maxReplicas: 3, rdzvBackend: c10d},
			  pytorchReplicaSpecs: {Worker: {replicas: 3, restartPolicy: OnFailure}}}`,
		},
		"ElasticFromEachOther": {
			PyTorchJobKind, `{elasticPolicy: {maxReplicas: 4, nProcPerNode: 2, rdzvBackend: etcd}, pytorchReplicaSpecs: {Worker: {replicas: 3}}}`,
			`{runPolicy: {cleanPodPolicy: None}, elasticPolicy: {minReplicas: 4, maxReplicas: 4, nProcPerNode: 2, rdzvBackend: etcd},
			  pytorchReplicaSpecs: {Worker: {replicas: 3, restartPolicy: OnFailure}}}`,
		},
		"XGBoost": {
			XGBoostJobKind, `{cleanPodPolicy: All, xgbReplicaSpecs: {Master: {template: {spec: {containers: [{name: xgboost}]}}}}}`,
			`{cleanPodPolicy: All, runPolicy: {cleanPodPolicy: All}, xgbReplicaSpecs: {Master: {replicas: 1, restartPolicy: Never,
			  template: {spec: {containers: [{name: xgboost, ports: [{name: xgboostjob-port, containerPort: 9999, protocol: TCP}]}]}}}}}`,
		},
		"Paddle": {
			PaddleJobKind, `{paddleReplicaSpecs: {Worker: {template: {spec: {containers: [{name: paddle}]}}}}}`,
			`{runPolicy: {cleanPodPolicy: None}, paddleReplicaSpecs: {Worker: {replicas: 1, restartPolicy: OnFailure,
			  template: {spec: {containers: [{name: paddle, ports: [{name: master, containerPort: 36543, protocol: TCP}]}]}}}}}`,
		},
		"JAX": {
			JAXJobKind, `{jaxReplicaSpecs: {Worker: {template: {spec: {containers: [{name: jax}]}}}}}`,
			`{runPolicy: {cleanPodPolicy: None}, jaxReplicaSpecs: {Worker: {replicas: 1, restartPolicy: Never,
			  template: {spec: {containers: [{name: jax, ports: [{name: jaxjob-port, containerPort: 6666, protocol: TCP}]}]}}}}}`,
		},
		"MX": {
			MXJobKind, `{jobMode: MXTrain, mxReplicaSpecs: {scheduler: {template: {spec: {containers: [{name: mxnet}]}}}}}`,
			`{jobMode: MXTrain, runPolicy: {cleanPodPolicy: None}, mxReplicaSpecs: {Scheduler: {replicas: 1, restartPolicy: Never,
			  template: {spec: {containers: [{name: mxnet, ports: [{name: mxjob-port, containerPort: 9091, protocol: TCP}]}]}}}}}`,
		},
		"OldPlaces": {
			TFJobKind, `{cleanPodPolicy: Running, backoffLimit: 3, activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 5, runPolicy: {backoffLimit: 4},
			  tfReplicaSpecs: {PS: {}}}`,
			`{cleanPodPolicy: Running, backoffLimit: 3, activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 5,
			  runPolicy: {cleanPodPolicy: Running, backoffLimit: 4, activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 5}, successPolicy: "",
			  tfReplicaSpecs: {PS: {replicas: 1, restartPolicy: Never}}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := read(t, tc.kind, tc.spec)
			got.Default()
			if diff := cmp.Diff(read(t, tc.kind, tc.want), got); diff != "" {
				t.Errorf("Default(): -want, +got:\n%s", diff)
			}
		})
	}
}

// Manifests that make no sense, and what is said of them.
func TestBadManifests(t *testing.T) {
	const (
		torch  = `{template: {spec: {containers: [{name: pytorch, image: x}]}}}`
		torch2 = `{replicas: 2, template: {spec: {containers: [{name: pytorch, image: x}]}}}`
		xgb    = `{template: {spec: {containers: [{name: xgboost, image: x}]}}}`
		mx     = `{template: {spec: {containers: [{name: mxnet, image: x}]}}}`
	)
	cases := map[string]struct {
		kind, spec string
		want       []string
	}{
		"PyTorchGood":    {kind: PyTorchJobKind, spec: `{nprocPerNode: gpu, pytorchReplicaSpecs: {Master: ` + torch + `, Worker: ` + torch2 + `}}`},
		"PyTorchNothing": {PyTorchJobKind, `{pytorchReplicaSpecs: {}}`, []string{`spec.pytorchReplicaSpecs: Required value: say which replicas the job has, as Worker`}},
		"PyTorchUnknownType": {PyTorchJobKind, `{pytorchReplicaSpecs: {Chief: ` + torch + `}}`,
			[]string{`spec.pytorchReplicaSpecs: Unsupported value: "Chief": supported values: "Master", "Worker"`}},
		"PyTorchOtherName": {PyTorchJobKind, `{pytorchReplicaSpecs: {Worker: {template: {spec: {containers: [{name: main}]}}}}}`, []string{
			`spec.pytorchReplicaSpecs[Worker].template.spec.containers[0].image: Required value: must be required: name the image that container "main" runs`,
			`spec.pytorchReplicaSpecs[Worker].template.spec.containers: Required value: must have at least one container with name pytorch: rename the one that does the training`,
		}},
		"PyTorchTwoMasters": {PyTorchJobKind, `{pytorchReplicaSpecs: {master: ` + torch2 + `}}`,
			[]string{`spec.pytorchReplicaSpecs[master].replicas: Invalid value: 2: must be 1: there can be one Master only`}},
		"PyTorchNoWorkers": {PyTorchJobKind, `{pytorchReplicaSpecs: {Worker: {replicas: 0, template: {spec: {containers: [{name: pytorch, image: x}]}}}}}`,
			[]string{`spec.pytorchReplicaSpecs[Worker].replicas: Invalid value: 0: give 1 or more, or leave Worker out`}},
		"PyTorchProcesses": {PyTorchJobKind, `{nprocPerNode: "0", pytorchReplicaSpecs: {Worker: ` + torch + `}}`,
			[]string{`spec.nprocPerNode: Invalid value: "0": give auto, cpu, gpu, or a number of 1 or more`}},
		"PyTorchElasticMaster": {PyTorchJobKind, `{elasticPolicy: {}, pytorchReplicaSpecs: {Master: ` + torch + `}}`,
			[]string{`spec.pytorchReplicaSpecs[Worker]: Required value: an elastic job needs workers: add them, or take elasticPolicy out`}},
		"PyTorchElastic": {PyTorchJobKind, `{nprocPerNode: "2", elasticPolicy: {minReplicas: 3, maxReplicas: 2, rdzvBackend: zookeeper, nProcPerNode: 2}, pytorchReplicaSpecs: {Worker: ` + torch + `}}`, []string{
			`spec.elasticPolicy.minReplicas: Invalid value: 3: is above maxReplicas: raise that one, or lower this`,
			`spec.elasticPolicy.rdzvBackend: Unsupported value: "zookeeper": supported values: "c10d", "etcd", "etcd-v2", "static"`,
			`spec.elasticPolicy.nProcPerNode: Forbidden: spec.nprocPerNode says the same: keep that one only`,
		}},
		"OldPlaces": {PyTorchJobKind, `{cleanPodPolicy: Some, backoffLimit: -1, pytorchReplicaSpecs: {Worker: ` + torch + `}}`, []string{
			`spec.cleanPodPolicy: Unsupported value: "Some": supported values: "None", "Running", "All"`,
			`spec.backoffLimit: Invalid value: -1: give the restarts that are borne, 0 or more, or leave it out`,
		}},
		"XGBoostGood": {kind: XGBoostJobKind, spec: `{xgbReplicaSpecs: {Master: ` + xgb + `, Worker: ` + xgb + `}}`},
		"XGBoostNoMaster": {XGBoostJobKind, `{xgbReplicaSpecs: {Worker: ` + xgb + `}}`,
			[]string{`spec.xgbReplicaSpecs[Master]: Required value: must be present: the others look to it, so give one`}},
		"XGBoostTwoMasters": {XGBoostJobKind, `{xgbReplicaSpecs: {Master: {replicas: 2, template: {spec: {containers: [{name: xgboost, image: x}]}}}}}`,
			[]string{`spec.xgbReplicaSpecs[Master].replicas: Invalid value: 2: must be 1: there can be one Master only`}},
		"PaddleGood": {kind: PaddleJobKind, spec: `{elasticPolicy: {minReplicas: 1}, paddleReplicaSpecs: {Master: {replicas: 2, template: {spec: {containers: [{name: paddle, image: x}]}}}}}`},
		"PaddleBounds": {PaddleJobKind, `{elasticPolicy: {minReplicas: 0, maxReplicas: -1}, paddleReplicaSpecs: {PS: {}}}`, []string{
			`spec.paddleReplicaSpecs: Unsupported value: "PS": supported values: "Master", "Worker"`,
			`spec.elasticPolicy.minReplicas: Invalid value: 0: give 1 or more`,
			`spec.elasticPolicy.maxReplicas: Invalid value: -1: give 1 or more`,
			`spec.elasticPolicy.minReplicas: Invalid value: 0: is above maxReplicas: raise that one, or lower this`,
		}},
		"JAXGood": {kind: JAXJobKind, spec: `{jaxReplicaSpecs: {Worker: {template: {spec: {containers: [{name: jax, image: x}]}}}}}`},
		"JAXMaster": {JAXJobKind, `{jaxReplicaSpecs: {Master: {}}}`,
			[]string{`spec.jaxReplicaSpecs: Unsupported value: "Master": supported values: "Worker"`}},
		"JAXManager": {JAXJobKind, `{runPolicy: {managedBy: me}, jaxReplicaSpecs: {Worker: {template: {spec: {containers: [{name: jax, image: x}]}}}}}`,
			[]string{`spec.runPolicy.managedBy: Unsupported value: "me": supported values: "kubeflow.org/training-operator", "kueue.x-k8s.io/multikueue"`}},
		"MXGood": {kind: MXJobKind, spec: `{jobMode: MXTune, mxReplicaSpecs: {TunerTracker: ` + mx + `, Tuner: ` + mx + `}}`},
		"MXMode": {MXJobKind, `{jobMode: Train, mxReplicaSpecs: {Scheduler: {replicas: 2, template: {spec: {containers: [{name: mxnet, image: x}]}}}}}`, []string{
			`spec.jobMode: Unsupported value: "Train": supported values: "MXTrain", "MXTune"`,
			`spec.mxReplicaSpecs[Scheduler].replicas: Invalid value: 2: must be 1: there can be one Scheduler only`,
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := read(t, tc.kind, tc.spec)
			if diff := cmp.Diff(tc.want, sentences(j.Validate())); diff != "" {
				t.Errorf("Validate(): -want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(read(t, tc.kind, tc.spec), j); diff != "" {
				t.Errorf("Validate() changed the job: -before, +after:\n%s", diff)
			}
		})
	}
}

// Who manages a job cannot be changed, whatever its kind.
func TestValidateUpdate(t *testing.T) {
	for kind, empty := range everyKind {
		t.Run(kind, func(t *testing.T) {
			theirs, ours := empty(), empty()
			theirs.Policy().ManagedBy = new(ManagerMultiKueue)
			same := len(theirs.Validate())
			if n := len(ValidateUpdate(theirs, theirs)); n != same {
				t.Errorf("an update that changes nothing has %d problems, and the job by itself %d", n, same)
			}
			if n := len(ValidateUpdate(theirs, ours)); n != same+1 {
				t.Errorf("a change of managedBy: %d problems, want %d", n, same+1)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	j := read(t, PyTorchJobKind, `{elasticPolicy: {nProcPerNode: 2}, pytorchReplicaSpecs: {}}`).(*PyTorchJob)
	want := []string{"spec.elasticPolicy.nProcPerNode is deprecated, use spec.nprocPerNode instead"}
	if diff := cmp.Diff(want, j.Warnings()); diff != "" {
		t.Errorf("Warnings(): -want, +got:\n%s", diff)
	}
	if w := (&PyTorchJob{}).Warnings(); len(w) > 0 {
		t.Errorf("a job that nothing is to be said of: %v", w)
	}
}
