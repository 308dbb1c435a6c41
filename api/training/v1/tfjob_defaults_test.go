package v1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestDefault(t *testing.T) {
	tfPort := corev1.ContainerPort{Name: TFJobPortName, ContainerPort: TFJobPort, Protocol: corev1.ProtocolTCP}
	cases := map[string]struct {
		why  string
		job  *TFJob
		want *TFJob
	}{
		"Bare": {
			why: "One worker that is not restarted, on the usual port, and all pods kept.",
			job: tfJob(replica("Worker", "", container("tensorflow"))),
			want: tfJob(cleanPods(CleanPodNone), success(SuccessDefault),
				count("Worker", 1), replica("Worker", RestartNever, container("tensorflow", tfPort))),
		},
		"SaidByTheUser": {
			why: "What the user says stays.",
			job: tfJob(cleanPods(CleanPodAll), success(SuccessAllWorkers), count("Worker", 3),
				replica("Worker", RestartExitCode, container("tensorflow", corev1.ContainerPort{Name: TFJobPortName, ContainerPort: 3333}))),
			want: tfJob(cleanPods(CleanPodAll), success(SuccessAllWorkers), count("Worker", 3),
				replica("Worker", RestartExitCode, container("tensorflow", corev1.ContainerPort{Name: TFJobPortName, ContainerPort: 3333}))),
		},
		"OldWords": {
			why: "Undefined is what old files say for None.",
			job: tfJob(cleanPods(CleanPodUndefined), replica("Worker", "", container("tensorflow"))),
			want: tfJob(cleanPods(CleanPodNone), success(SuccessDefault), count("Worker", 1),
				replica("Worker", RestartNever, container("tensorflow", tfPort))),
		},
		"OtherCase": {
			why: "A type in another case is that type.",
			job: tfJob(replica("ps", "", container("tensorflow")), replica("WORKER", "", container("tensorflow"))),
			want: tfJob(cleanPods(CleanPodNone), success(SuccessDefault), count("PS", 1), count("Worker", 1),
				replica("PS", RestartNever, container("tensorflow", tfPort)),
				replica("Worker", RestartNever, container("tensorflow", tfPort))),
		},
		"Sidecar": {
			why: "The port belongs to the container called tensorflow, wherever it stands.",
			job: tfJob(replica("Worker", "", container("proxy"), container("tensorflow"))),
			want: tfJob(cleanPods(CleanPodNone), success(SuccessDefault), count("Worker", 1),
				replica("Worker", RestartNever, container("proxy"), container("tensorflow", tfPort))),
		},
		"OtherName": {
			why: "If no container has the name, the first one gets the port.",
			job: tfJob(replica("Worker", "", container("main"))),
			want: tfJob(cleanPods(CleanPodNone), success(SuccessDefault), count("Worker", 1),
				replica("Worker", RestartNever, container("main", tfPort))),
		},
		"Empty": {
			why:  "A replica without a spec is left for validation to speak of.",
			job:  tfJob(func(j *TFJob) { j.Spec.TFReplicaSpecs["Worker"] = nil }),
			want: tfJob(cleanPods(CleanPodNone), success(SuccessDefault), func(j *TFJob) { j.Spec.TFReplicaSpecs["Worker"] = nil }),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			if diff := cmp.Diff(tc.want, tc.job); diff != "" {
				t.Errorf("%s\nDefault(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// The makers below say only what a case is about.

type option func(*TFJob)

func tfJob(opts ...option) *TFJob {
	j := &TFJob{Spec: TFJobSpec{TFReplicaSpecs: map[ReplicaType]*ReplicaSpec{}}}
	j.Namespace, j.Name = "ada", "mnist"
	for _, o := range opts {
		o(j)
	}
	return j
}

func (j *TFJob) at(t ReplicaType) *ReplicaSpec {
	if j.Spec.TFReplicaSpecs[t] == nil {
		j.Spec.TFReplicaSpecs[t] = &ReplicaSpec{}
	}
	return j.Spec.TFReplicaSpecs[t]
}

func replica(t ReplicaType, restart RestartPolicy, containers ...corev1.Container) option {
	return func(j *TFJob) {
		j.at(t).RestartPolicy = restart
		j.at(t).Template.Spec.Containers = containers
	}
}

func count(t ReplicaType, n int32) option {
	return func(j *TFJob) { j.at(t).Replicas = &n }
}

func cleanPods(p CleanPodPolicy) option {
	return func(j *TFJob) { j.Spec.RunPolicy.CleanPodPolicy = &p }
}

func success(p SuccessPolicy) option {
	return func(j *TFJob) { j.Spec.SuccessPolicy = &p }
}

func container(name string, ports ...corev1.ContainerPort) corev1.Container {
	return corev1.Container{Name: name, Image: "tensorflow/tensorflow:2.21.0", Ports: ports}
}
