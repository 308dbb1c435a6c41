package trainjob

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/admission"
)

// Rules are what happens to TrainJobs and runtimes on their way in. Runtimes are
// read past the cache: a TrainJob may follow its runtime at once.
func Rules(live client.Reader) []admission.Rule {
	gv := trainer.GroupVersion
	return []admission.Rule{
		admission.Complete(gv.WithResource("trainjobs"), func(now, before *trainer.TrainJob) error {
			stamp(now, before, time.Now())
			return nil
		}),
		admission.Check(gv.WithKind(trainer.TrainJobKind).GroupKind(), gv.WithResource("trainjobs"), checkJob(live)),
		admission.Check(gv.WithKind(trainer.TrainingRuntimeKind).GroupKind(), gv.WithResource("trainingruntimes"),
			func(_ context.Context, now, _ *trainer.TrainingRuntime) ([]string, field.ErrorList) {
				return nil, now.Spec.Validate()
			}),
		admission.Check(gv.WithKind(trainer.ClusterTrainingRuntimeKind).GroupKind(), gv.WithResource("clustertrainingruntimes"),
			func(_ context.Context, now, _ *trainer.ClusterTrainingRuntime) ([]string, field.ErrorList) {
				return nil, now.Spec.Validate()
			}),
	}
}

// stamp says when each patch was last changed.
func stamp(now, before *trainer.TrainJob, at time.Time) {
	for i := range now.Spec.RuntimePatches {
		p := &now.Spec.RuntimePatches[i]
		was := patchOf(before, p.Manager)
		switch {
		case was == nil && p.Time == nil:
			p.Time = new(metav1.NewTime(at))
		case was != nil:
			same := equality.Semantic.DeepEqual(was.TrainingRuntimeSpec, p.TrainingRuntimeSpec)
			if p.Time = was.Time; !same || p.Time == nil {
				p.Time = new(metav1.NewTime(at))
			}
		}
	}
}

func patchOf(j *trainer.TrainJob, manager string) *trainer.RuntimePatch {
	if j == nil {
		return nil
	}
	for i := range j.Spec.RuntimePatches {
		if p := &j.Spec.RuntimePatches[i]; p.Manager == manager {
			return p
		}
	}
	return nil
}

func checkJob(live client.Reader) admission.Checker[*trainer.TrainJob] {
	return func(ctx context.Context, now, before *trainer.TrainJob) ([]string, field.ErrorList) {
		at := field.NewPath("spec", "runtimeRef")
		if kind, no := unsupported(now); no {
			return nil, field.ErrorList{field.Invalid(at.Child("kind"), kind, fmt.Sprintf(
				"unsupported runtime: use %s or %s of %s", trainer.ClusterTrainingRuntimeKind, trainer.TrainingRuntimeKind, trainer.GroupVersion.Group))}
		}
		if before != nil {
			if problems := now.ValidateUpdate(before); len(problems) > 0 || equality.Semantic.DeepEqual(now.Spec, before.Spec) {
				return nil, problems // Nothing else has changed, whatever has become of the runtime.
			}
		}
		by, err := readRuntime(ctx, live, now)
		if isUsers(err) {
			if before != nil {
				return nil, nil // It goes on by its copy.
			}
			return nil, field.ErrorList{field.Invalid(at.Child("name"), now.Spec.RuntimeRef.Name, err.Error())}
		}
		if err != nil {
			return nil, field.ErrorList{field.InternalError(at, err)}
		}
		return warnings(now, by), slices.Concat(training.ValidateTogether(now), now.Validate(&by.spec), validateTune(now, &by.spec))
	}
}

func warnings(j *trainer.TrainJob, by *runtimeOf) []string {
	var all []string
	if by.meta.Labels[trainer.LabelSupport] == "deprecated" {
		all = append(all, fmt.Sprintf("%s %q is deprecated and will be removed: name another in spec.runtimeRef", by.kind, by.meta.Name))
	}
	if j.Annotations[training.AnnotationGang] == "true" {
		all = append(all, training.AnnotationGang+" has no effect on a TrainJob: name a runtime with spec.podGroupPolicy")
	}
	if p := by.spec.MLPolicy; p != nil && p.Torch != nil && p.Torch.ElasticPolicy != nil && len(p.Torch.ElasticPolicy.Metrics) > 0 {
		all = append(all, "elasticPolicy.metrics has no effect: a JobSet cannot be scaled")
	}
	return all
}
