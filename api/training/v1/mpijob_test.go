package v1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inV2 makes a job one that was written as v2beta1.
func inV2(j Job) *MPIJob {
	j.SetAnnotations(map[string]string{AnnotationWrittenAs: MPIJobV2})
	return j.(*MPIJob)
}

func TestMPIJobDefaults(t *testing.T) {
	const replicas = `mpiReplicaSpecs: {Launcher: {}, Worker: {}}`
	cases := map[string]struct {
		spec, want string
		v2         bool
	}{
		"V1": {
			spec: `{cleanPodPolicy: Running, ` + replicas + `}`,
			want: `{cleanPodPolicy: Running, runPolicy: {cleanPodPolicy: Running},
			  mpiReplicaSpecs: {Launcher: {replicas: 1, restartPolicy: Never}, Worker: {replicas: 0, restartPolicy: Never}}}`,
		},
		"V2": {
			v2: true, spec: `{` + replicas + `}`,
			want: `{runPolicy: {cleanPodPolicy: None}, sshAuthMountPath: /root/.ssh, launcherCreationPolicy: AtStartup,
			  mpiReplicaSpecs: {Launcher: {replicas: 1, restartPolicy: OnFailure}, Worker: {replicas: 0, restartPolicy: Never}}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, want := read(t, MPIJobKind, tc.spec), read(t, MPIJobKind, tc.want)
			if tc.v2 {
				inV2(got)
				inV2(want)
			}
			got.Default()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Default(): -want, +got:\n%s", diff)
			}
		})
	}
}

func TestMPIJobValidation(t *testing.T) {
	const (
		pod  = `template: {spec: {containers: [{name: any, image: x}]}}`
		good = `mpiReplicaSpecs: {Launcher: {` + pod + `}, Worker: {replicas: 2, ` + pod + `}}`
	)
	cases := map[string]struct {
		spec string
		v2   bool
		want []string
	}{
		"Good":   {spec: `{` + good + `}`},
		"GoodV2": {v2: true, spec: `{runPolicy: {managedBy: kubeflow.org/mpi-operator}, ` + good + `}`},
		"NoLauncher": {spec: `{mpiReplicaSpecs: {Worker: {` + pod + `}}}`, want: []string{
			`spec.mpiReplicaSpecs[Launcher]: Required value: must be present: it runs mpirun, so give one`}},
		"TwoLaunchers": {spec: `{mpiReplicaSpecs: {Launcher: {replicas: 2, ` + pod + `}}}`, want: []string{
			`spec.mpiReplicaSpecs[Launcher].replicas: Invalid value: 2: must be 1: there can be one Launcher only`}},
		"NoContainers": {spec: `{mpiReplicaSpecs: {Launcher: {}}}`, want: []string{
			`spec.mpiReplicaSpecs[Launcher].template.spec.containers: Required value: must be specified: give one container, with an image`}},
		"Words": {spec: `{slotsPerWorker: 0, mpiImplementation: LAM, mpiDistribution: Intel, launcherCreationPolicy: Soon, sshAuthMountPath: keys, ` + good + `}`, want: []string{
			`spec.slotsPerWorker: Invalid value: 0: give the processes that a worker takes, 1 or more, or leave it out for 1`,
			`spec.mpiImplementation: Unsupported value: "LAM": supported values: "OpenMPI", "Intel", "MPICH"`,
			`spec.mpiDistribution: Unsupported value: "Intel": supported values: "OpenMPI", "IntelMPI", "MPICH"`,
			`spec.launcherCreationPolicy: Unsupported value: "Soon": supported values: "AtStartup", "WaitForWorkersReady"`,
			`spec.sshAuthMountPath: Invalid value: "keys": give a path from the root, as /root/.ssh`,
		}},
		"RestartV2": {v2: true, spec: `{mpiReplicaSpecs: {Launcher: {restartPolicy: ExitCode, ` + pod + `}, Worker: {replicas: 0, ` + pod + `}}}`, want: []string{
			`spec.mpiReplicaSpecs[Worker].replicas: Invalid value: 0: give 1 or more, or leave Worker out`,
			`spec.mpiReplicaSpecs[Launcher].restartPolicy: Unsupported value: "ExitCode": supported values: "Never", "OnFailure"`,
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := read(t, MPIJobKind, tc.spec)
			if tc.v2 {
				inV2(j)
			}
			if diff := cmp.Diff(tc.want, sentences(j.Validate())); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}

	before, now := read(t, MPIJobKind, `{`+good+`}`), inV2(read(t, MPIJobKind, `{`+good+`}`))
	want := []string{`apiVersion: Forbidden: a job of v2beta1 is run in another way than the rest, and cannot change it: delete the job and create it anew`}
	if diff := cmp.Diff(want, sentences(ValidateUpdate(now, before))); diff != "" {
		t.Errorf("a job of v1 made one of v2beta1: -want, +got:\n%s", diff)
	}
}
