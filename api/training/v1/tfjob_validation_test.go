package v1

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestValidate(t *testing.T) {
	worker := replica("Worker", "", container("tensorflow"))
	cases := map[string]struct {
		why  string
		job  *TFJob
		want []string
	}{
		"Good": {
			why: "A job as tutorials print it.",
			job: tfJob(worker, replica("ps", RestartOnFailure, container("tensorflow"))),
		},
		"NoReplicas": {
			why:  "A job of nothing cannot run.",
			job:  tfJob(),
			want: []string{`spec.tfReplicaSpecs: Required value: say which replicas the job has, as Worker`},
		},
		"UnknownType": {
			why:  "TensorFlow knows five parts; a sixth would be waited for for ever.",
			job:  tfJob(worker, replica("Sheduler", "", container("tensorflow"))),
			want: []string{`spec.tfReplicaSpecs: Unsupported value: "Sheduler": supported values: "Chief", "Master", "PS", "Worker", "Evaluator"`},
		},
		"SameTypeTwice": {
			why:  "Two spellings of one type would be two sets of pods of one name.",
			job:  tfJob(worker, replica("worker", "", container("tensorflow"))),
			want: []string{`spec.tfReplicaSpecs: Invalid value: "worker": the same type is there as "Worker": keep one of the two`},
		},
		"TwoChiefs": {
			why:  "Only one replica can decide.",
			job:  tfJob(replica("Chief", "", container("tensorflow")), replica("master", "", container("tensorflow"))),
			want: []string{`spec.tfReplicaSpecs: Forbidden: must not have more than 1 Chief or Master role: Master is an older name for Chief, so keep one of the two`},
		},
		"NoContainers": {
			why:  "A pod needs a container.",
			job:  tfJob(replica("Worker", "")),
			want: []string{`spec.tfReplicaSpecs[Worker].template.spec.containers: Required value: must be specified: give one container named "tensorflow", with an image`},
		},
		"OtherName": {
			why:  "TF_CONFIG goes to the container of the name, so one must have it.",
			job:  tfJob(replica("Worker", "", container("main"))),
			want: []string{`spec.tfReplicaSpecs[Worker].template.spec.containers: Required value: must have at least one container with name tensorflow: rename the one that does the training`},
		},
		"NoImage": {
			why:  "Every container needs an image.",
			job:  tfJob(replica("Worker", "", corev1.Container{Name: "tensorflow"})),
			want: []string{`spec.tfReplicaSpecs[Worker].template.spec.containers[0].image: Required value: must be required: name the image that container "tensorflow" runs`},
		},
		"Policies": {
			why: "Each setting that makes no sense is named, with what would.",
			job: tfJob(worker, success("AnyWorker"), cleanPods("Some"), count("Worker", -1), func(j *TFJob) {
				j.Spec.TFReplicaSpecs["Worker"].RestartPolicy = "Sometimes"
				j.Spec.RunPolicy.TTLSecondsAfterFinished = new(int32(-1))
				j.Spec.RunPolicy.ActiveDeadlineSeconds = new(int64(0))
				j.Spec.RunPolicy.BackoffLimit = new(int32(-1))
				j.Spec.RunPolicy.ManagedBy = new("somebody")
			}),
			want: []string{
				`spec.runPolicy.cleanPodPolicy: Unsupported value: "Some": supported values: "None", "Running", "All"`,
				`spec.runPolicy.ttlSecondsAfterFinished: Invalid value: -1: give the seconds a finished job is kept, 0 or more, or leave it out to keep it`,
				`spec.runPolicy.activeDeadlineSeconds: Invalid value: 0: give the seconds the job may run, 1 or more, or leave it out`,
				`spec.runPolicy.backoffLimit: Invalid value: -1: give the restarts that are borne, 0 or more, or leave it out`,
				`spec.runPolicy.managedBy: Unsupported value: "somebody": supported values: "kubeflow.org/training-operator", "kueue.x-k8s.io/multikueue"`,
				`spec.tfReplicaSpecs[Worker].replicas: Invalid value: -1: give 0 or more`,
				`spec.tfReplicaSpecs[Worker].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never", "ExitCode"`,
				`spec.successPolicy: Unsupported value: "AnyWorker": supported values: "", "AllWorkers"`,
			},
		},
		"BadAnnotations": {
			why: "A word that nobody knows would be taken for none.",
			job: tfJob(worker, func(j *TFJob) {
				j.Annotations = map[string]string{AnnotationRestart: "pod", AnnotationRestartLimit: "many", AnnotationGang: "yes"}
			}),
			want: []string{
				`metadata.annotations[weir-ml.github.io/restart]: Unsupported value: "pod": supported values: "job"`,
				`metadata.annotations[weir-ml.github.io/gang]: Unsupported value: "yes": supported values: "true", "false"`,
				`metadata.annotations[weir-ml.github.io/restart-limit]: Invalid value: "many": give how often all replicas may be started again, 0 or more, or leave it out for 3`,
			},
		},
		"BadName": {
			why:  "A job's services carry its name, and may not begin with a digit.",
			job:  tfJob(worker, func(j *TFJob) { j.Name = "2nd" }),
			want: []string{`metadata.name: Invalid value: "2nd": the replicas' services are called after the job: use lower-case letters, digits and '-', beginning with a letter, at most 63`},
		},
		"LongName": {
			why: "A name that leaves no room for the replica's is refused now, not when the tenth worker cannot be made.",
			job: tfJob(worker, count("Worker", 11), func(j *TFJob) { j.Name = strings.Repeat("m", 54) }),
			want: []string{`metadata.name: Invalid value: "` + strings.Repeat("m", 54) + `": replica "` + strings.Repeat("m", 54) +
				`-worker-10" would have a name of 64 characters, and a service's may have 63: shorten the job's by 1`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.job.DeepCopy()
			var got []string
			for _, problem := range tc.job.Validate() {
				got = append(got, problem.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nValidate(): -want, +got:\n%s", tc.why, diff)
			}
			if diff := cmp.Diff(before, tc.job); diff != "" {
				t.Errorf("Validate() changed the job: -before, +after:\n%s", diff)
			}
		})
	}
}
