package trainjob

import (
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// patch changes the runtime as the TrainJob says, in the words of any version:
// labels, overrides of pods, patches. Lists are merged by name.
func (d *draft) patch() error {
	addLabels(&d.meta.ObjectMeta, &metav1.ObjectMeta{Labels: d.job.Spec.Labels, Annotations: d.job.Spec.Annotations})
	for _, p := range patchesOf(d.job) {
		addLabels(&d.meta.ObjectMeta, p.Metadata)
		if p.Spec == nil {
			continue
		}
		if err := d.merge(p.Spec); err != nil {
			return err
		}
	}
	return nil
}

// patchesOf says in the words of runtimePatches what a TrainJob changes.
func patchesOf(j *trainer.TrainJob) []trainer.JobSetTemplatePatch {
	var all []trainer.JobSetTemplatePatch
	pods := func(targets []trainer.TargetJob, meta *metav1.ObjectMeta, spec *trainer.PodSpecPatch) {
		p := &trainer.JobSetSpecPatch{}
		for _, t := range targets {
			p.ReplicatedJobs = append(p.ReplicatedJobs, trainer.ReplicatedJobPatch{Name: t.Name, Template: &trainer.JobTemplatePatch{
				Spec: &trainer.JobSpecPatch{Template: &trainer.PodTemplatePatch{Metadata: meta, Spec: spec}},
			}})
		}
		all = append(all, trainer.JobSetTemplatePatch{Spec: p})
	}
	for _, o := range j.Spec.PodSpecOverrides {
		pods(o.TargetJobs, nil, &o.PodSpecPatch)
	}
	for _, o := range j.Spec.PodTemplateOverrides {
		pods(o.TargetJobs, o.Metadata, o.Spec)
	}
	for _, p := range j.Spec.RuntimePatches {
		if p.TrainingRuntimeSpec != nil && p.TrainingRuntimeSpec.Template != nil {
			all = append(all, *p.TrainingRuntimeSpec.Template)
		}
	}
	return all
}

// merge lays a patch over the jobs that it names.
func (d *draft) merge(p *trainer.JobSetSpecPatch) error {
	for _, change := range p.ReplicatedJobs {
		for i := range d.meta.Spec.ReplicatedJobs {
			if r := &d.meta.Spec.ReplicatedJobs[i]; r.Name == change.Name && change.Template != nil {
				if err := mergeJob(&r.Template, change.Template); err != nil {
					return fmt.Errorf("patch job %s of the runtime: %w", r.Name, err)
				}
			}
		}
	}
	return nil
}

func mergeJob(job *batchv1.JobTemplateSpec, p *trainer.JobTemplatePatch) error {
	addLabels(&job.ObjectMeta, p.Metadata)
	if p.Spec == nil || p.Spec.Template == nil {
		return nil
	}
	addLabels(&job.Spec.Template.ObjectMeta, p.Spec.Template.Metadata)
	if p.Spec.Template.Spec == nil {
		return nil
	}
	before, err := json.Marshal(job.Spec.Template.Spec)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(p.Spec.Template.Spec)
	if err != nil {
		return err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, corev1.PodSpec{})
	if err != nil {
		return err
	}
	var spec corev1.PodSpec
	if err := json.Unmarshal(after, &spec); err != nil {
		return err
	}
	job.Spec.Template.Spec = spec
	return nil
}

func addLabels(to, from *metav1.ObjectMeta) {
	if from == nil {
		return
	}
	for k, v := range from.Labels {
		metav1.SetMetaDataLabel(to, k, v)
	}
	for k, v := range from.Annotations {
		metav1.SetMetaDataAnnotation(to, k, v)
	}
}
