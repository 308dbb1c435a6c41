package trainjob

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	training "github.com/weir-ml/weir/api/training/v1"
)

// Whatever a TrainJob or its runtime leaves out or says, it is completed, checked
// and planned for, or refused, and nothing falls over.
func FuzzTrainJob(f *testing.F) {
	for seed := range int64(300) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed int64) {
		random := filler(seed)
		now, before := &trainer.TrainJob{}, &trainer.TrainJob{}
		by := &runtimeOf{kind: trainer.TrainingRuntimeKind}
		random.Fill(now)
		random.Fill(before)
		random.Fill(&by.spec)
		now.Name, now.UID = "digits", "1"

		stamp(now, before, time.Now())
		unsupported(now)
		by.spec.Validate()
		now.ValidateUpdate(before)
		training.ValidateTogether(now)
		now.Validate(&by.spec)
		validateTune(now, &by.spec)
		warnings(now, by)
		_, _ = newPlan(now, by, Options{Reporting: &Reporting{}}, []string{groupCoscheduling.Group, groupVolcano.Group})
	})
}

// filler fills TrainJobs and runtimes at random, with words that mean something
// often enough.
func filler(seed int64) *randfill.Filler {
	pick := func(c randfill.Continue, from ...string) string { return from[c.Intn(len(from))] }
	return randfill.NewWithSeed(seed).NilChance(0.3).NumElements(0, 2).MaxDepth(14).Funcs(
		func(m *metav1.ObjectMeta, c randfill.Continue) {
			m.Labels = map[string]string{trainer.LabelAncestor: pick(c, "trainer", "dataset-initializer", "model-initializer", "other")}
		},
		func(s *string, c randfill.Continue) {
			*s = pick(c, "", "node", "launcher", "dataset-initializer", "tune", "run", "torchtune-llama3.2-1b", "lora=true", "s3://a/b", "x y")
		},
		func(n *int32, c randfill.Continue) { *n = int32(c.Intn(5)) - 1 },
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(int64(c.Intn(5)), resource.DecimalSI)
		},
		func(v *intstr.IntOrString, c randfill.Continue) {
			*v = intstr.Parse(pick(c, "auto", "gpu", "cpu", "0", "2", "other"))
		},
		func(e *runtime.RawExtension, c randfill.Continue) { e.Raw = []byte(pick(c, `{}`, `null`, `{"a": 1}`)) },
	)
}
