package job_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/randfill"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/jax"
	"github.com/weir-ml/weir/platform/training/job"
	"github.com/weir-ml/weir/platform/training/mpi"
	"github.com/weir-ml/weir/platform/training/mxnet"
	"github.com/weir-ml/weir/platform/training/paddle"
	"github.com/weir-ml/weir/platform/training/pytorch"
	"github.com/weir-ml/weir/platform/training/tensorflow"
	"github.com/weir-ml/weir/platform/training/xgboost"
)

// Whatever a job leaves out or says, a look at it decides something. A job that
// is complete stays as it is.
func FuzzDecide(f *testing.F) {
	for seed := range int64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed int64) {
		look(t, seed, tensorflow.Framework{})
		look(t, seed, pytorch.Framework{})
		look(t, seed, xgboost.Framework{})
		look(t, seed, paddle.Framework{})
		look(t, seed, jax.Framework{})
		look(t, seed, mxnet.Framework{})
		look(t, seed, mpi.Framework{})
		look(t, seed, inV2{})
	})
}

// inV2 runs MPIJobs that were written as v2beta1.
type inV2 struct{ mpi.V2 }

func (inV2) New() *training.MPIJob {
	j := &training.MPIJob{}
	j.Annotations = map[string]string{training.AnnotationWrittenAs: training.MPIJobV2}
	return j
}

func look[J training.Job](t *testing.T, seed int64, f job.Framework[J]) {
	t.Helper()
	j := f.New()
	random := filler(seed, f.Traits().Container)
	random.Fill(j)
	j.SetName("mnist")
	problems := j.Validate()
	j.Default()
	once := j.DeepCopyObject()
	if j.Default(); !equality.Semantic.DeepEqual(once, j) {
		t.Errorf("%s, seed %d: what is complete changes when it is completed again", f.Traits().Kind, seed)
	}
	if after := j.Validate(); (len(after) > 0) != (len(problems) > 0) {
		t.Errorf("%s, seed %d: as written it has the problems %v, and complete %v", f.Traits().Kind, seed, problems, after)
	}

	var pods []*corev1.Pod
	for _, rt := range slices.Sorted(maps.Keys(j.Replicas())) {
		for i := range 3 {
			p := &corev1.Pod{}
			random.Fill(&p.Status)
			p.Name = training.ReplicaName("mnist", rt, i)
			pods = append(pods, p)
		}
	}
	job.Decide(f, j, pods)
}

// filler fills a job at random, with what its rules ask for often enough.
func filler(seed int64, container string) *randfill.Filler {
	pick := func(c randfill.Continue, from ...string) string { return from[c.Intn(len(from))] }
	return randfill.NewWithSeed(seed).NilChance(0.3).NumElements(0, 2).MaxDepth(12).Funcs(
		func(n *int32, c randfill.Continue) { *n = int32(c.Intn(6)) - 1 },
		func(*metav1.ObjectMeta, randfill.Continue) {},
		func(t *training.ReplicaType, c randfill.Continue) {
			*t = training.ReplicaType(pick(c, "Master", "Worker", "worker", "Chief", "PS", "Scheduler", "Server", "Tuner", "Launcher", "Other"))
		},
		func(p *training.RestartPolicy, c randfill.Continue) {
			*p = training.RestartPolicy(pick(c, "", "Always", "OnFailure", "Never", "ExitCode"))
		},
		func(p *training.CleanPodPolicy, c randfill.Continue) {
			*p = training.CleanPodPolicy(pick(c, "", "Undefined", "None", "Running", "All"))
		},
		func(s *training.ReplicaSpec, c randfill.Continue) {
			c.FillNoCustom(s)
			if s.RestartPolicy != "" && c.Intn(4) > 0 {
				s.Template.Spec.Containers = []corev1.Container{{Name: container, Image: "x"}}
			}
		},
		func(p *corev1.PodPhase, c randfill.Continue) {
			*p = corev1.PodPhase(pick(c, "Pending", "Running", "Succeeded", "Failed", ""))
		},
		func(s *string, c randfill.Continue) { *s = fmt.Sprint("s", c.Intn(100)) },
		func(s *training.JobConditionType, c randfill.Continue) {
			*s = training.JobConditionType(pick(c, "Created", "Running", "Restarting", "Suspended", "Succeeded", "Failed"))
		},
		func(s *corev1.ConditionStatus, c randfill.Continue) {
			*s = corev1.ConditionStatus(pick(c, "True", "False"))
		},
	)
}
