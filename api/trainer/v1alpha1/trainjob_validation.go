package v1alpha1

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
)

// Validate says what is wrong with a TrainJob that is to run by a runtime. What
// the CRD's own rules refuse is not said again.
func (j *TrainJob) Validate(by *TrainingRuntimeSpec) field.ErrorList {
	spec := field.NewPath("spec")
	var problems field.ErrorList
	if i := j.Spec.Initializer; i != nil {
		problems = append(problems, j.validateFetch(i.Dataset, StepDataset, by)...)
		problems = append(problems, j.validateFetch(i.Model, StepModel, by)...)
	}
	if t := j.Spec.Trainer; t != nil {
		at := spec.Child("trainer")
		problems = append(problems, validateReserved(t.Env, by.MLPolicy, at.Child("env"))...)
		if n := t.NumProcPerNode; n != nil && n.StrVal != "" && by.MLPolicy != nil && by.MLPolicy.Torch == nil {
			problems = append(problems, field.Invalid(at.Child("numProcPerNode"), n.StrVal, "only torch counts processors by itself: give a number"))
		}
	}
	for i, o := range j.Spec.PodSpecOverrides {
		problems = append(problems, validateOverride(o.TargetJobs, &o.PodSpecPatch, by, spec.Child("podSpecOverrides").Index(i))...)
	}
	for i, o := range j.Spec.PodTemplateOverrides {
		problems = append(problems, validateOverride(o.TargetJobs, o.Spec, by, spec.Child("podTemplateOverrides").Index(i))...)
	}
	for i := range j.Spec.RuntimePatches {
		problems = append(problems, validatePatch(&j.Spec.RuntimePatches[i], by, spec.Child("runtimePatches").Index(i))...)
	}
	return problems
}

// ValidateUpdate says what is wrong with a change of a TrainJob, beside what
// Validate and the CRD's own rules say.
func (j *TrainJob) ValidateUpdate(before *TrainJob) field.ErrorList {
	if j.Suspended() || before.Suspended() {
		return nil
	}
	var problems field.ErrorList
	for _, f := range []struct {
		name     string
		now, was any
	}{
		{"podSpecOverrides", j.Spec.PodSpecOverrides, before.Spec.PodSpecOverrides},
		{"podTemplateOverrides", j.Spec.PodTemplateOverrides, before.Spec.PodTemplateOverrides},
		{"runtimePatches", j.Spec.RuntimePatches, before.Spec.RuntimePatches},
	} {
		if !equality.Semantic.DeepEqual(f.now, f.was) {
			problems = append(problems, field.Forbidden(field.NewPath("spec", f.name),
				"it can only be changed while the TrainJob is suspended: set spec.suspend in the same change, or before"))
		}
	}
	return problems
}

// Suspended tells whether the job is to be stopped.
func (j *TrainJob) Suspended() bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

// validateFetch sees that a runtime can fetch what a TrainJob asks for.
func (j *TrainJob) validateFetch(f *Fetch, step string, by *TrainingRuntimeSpec) field.ErrorList {
	if f == nil {
		return nil
	}
	lacks := func(format string, args ...any) field.ErrorList {
		return field.ErrorList{field.Invalid(field.NewPath("spec", "runtimeRef", "name"), j.Spec.RuntimeRef.Name,
			fmt.Sprintf(format, args...)+": name a runtime that fetches it, or leave spec.initializer out")}
	}
	for _, r := range by.Template.Spec.ReplicatedJobs {
		if r.Name != step {
			continue
		}
		for _, c := range r.Template.Spec.Template.Spec.Containers {
			if c.Name != step {
				continue
			}
			if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == VolumeInitializer }) {
				return lacks("the runtime's container %s mounts no volume named %s", step, VolumeInitializer)
			}
			return nil
		}
		return lacks("the runtime's job %s has no container of that name", step)
	}
	return lacks("the runtime has no job named %s", step)
}

// reserved are variables that a policy sets, and a TrainJob must not.
func reserved(p *MLPolicy) []string {
	switch {
	case p == nil:
		return nil
	case p.Torch != nil:
		return []string{"PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"}
	case p.XGBoost != nil:
		return []string{"DMLC_TRACKER_URI", "DMLC_TRACKER_PORT", "DMLC_TASK_ID", "DMLC_NUM_WORKER"}
	case p.MPI != nil:
		return []string{"OMPI_MCA_orte_default_hostfile", "OMPI_MCA_plm_rsh_args", "OMPI_MCA_orte_keep_fqdn_hostnames", "OMPI_MCA_orte_set_default_slots"}
	case p.TensorFlow != nil:
		return []string{"TF_CONFIG", "TF_TASK_INDEX"}
	case p.Paddle != nil:
		return []string{"PADDLE_MASTER", "PADDLE_NNODES", "PADDLE_RANK", "PADDLE_JOB_ID", "PADDLE_NPROC_PER_NODE", "POD_IP"}
	}
	return nil
}

func validateReserved(env []corev1.EnvVar, p *MLPolicy, at *field.Path) field.ErrorList {
	var taken []string
	for _, v := range env {
		if slices.Contains(reserved(p), v.Name) {
			taken = append(taken, v.Name)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	slices.Sort(taken)
	return field.ErrorList{field.Invalid(at, strings.Join(taken, ", "),
		fmt.Sprintf("must not have reserved envs, invalid envs configured: %v: the runtime sets them, so leave them out", taken))}
}

func validatePatch(p *RuntimePatch, by *TrainingRuntimeSpec, at *field.Path) field.ErrorList {
	problems := validation.IsDomainPrefixedPath(at.Child("manager"), p.Manager)
	if p.TrainingRuntimeSpec == nil || p.TrainingRuntimeSpec.Template == nil || p.TrainingRuntimeSpec.Template.Spec == nil {
		return problems
	}
	at = at.Child("trainingRuntimeSpec", "template", "spec", "replicatedJobs")
	for i, r := range p.TrainingRuntimeSpec.Template.Spec.ReplicatedJobs {
		var pod *PodSpecPatch
		if r.Template != nil && r.Template.Spec != nil && r.Template.Spec.Template != nil {
			pod = r.Template.Spec.Template.Spec
		}
		problems = append(problems, validateOverride([]TargetJob{{Name: r.Name}}, pod, by, at.Index(i))...)
	}
	return problems
}

// validateOverride sees that what is changed is there, and may be.
func validateOverride(targets []TargetJob, pod *PodSpecPatch, by *TrainingRuntimeSpec, at *field.Path) field.ErrorList {
	var problems field.ErrorList
	for _, t := range targets {
		i := slices.IndexFunc(by.Template.Spec.ReplicatedJobs, func(r jobsetv1alpha2.ReplicatedJob) bool { return r.Name == t.Name })
		if i < 0 {
			problems = append(problems, field.Invalid(at, t.Name, fmt.Sprintf(
				"must not have replicated job that doesn't exist in the runtime job template: it has %s", strings.Join(jobNames(by), ", "))))
			continue
		}
		if pod == nil {
			continue
		}
		there := by.Template.Spec.ReplicatedJobs[i].Template.Spec.Template.Spec
		problems = append(problems, validateContainers(pod.InitContainers, there.InitContainers, t.Name, at.Child("initContainers"))...)
		problems = append(problems, validateContainers(pod.Containers, there.Containers, t.Name, at.Child("containers"))...)
	}
	return problems
}

func validateContainers(patches []ContainerPatch, there []corev1.Container, job string, at *field.Path) field.ErrorList {
	var problems field.ErrorList
	for _, c := range patches {
		if !slices.ContainsFunc(there, func(t corev1.Container) bool { return t.Name == c.Name }) {
			problems = append(problems, field.Invalid(at, c.Name, "must not have container that doesn't exist in the runtime job "+job))
		} else if len(c.Env) > 0 && slices.Contains([]string{StepDataset, StepModel, Node}, c.Name) {
			problems = append(problems, field.Invalid(at, c.Name, fmt.Sprintf(
				"must not have envs for the %s, %s, %s containers: set them in spec.trainer.env or spec.initializer", StepDataset, StepModel, Node)))
		}
	}
	return problems
}

func jobNames(by *TrainingRuntimeSpec) []string {
	var all []string
	for _, r := range by.Template.Spec.ReplicatedJobs {
		all = append(all, r.Name)
	}
	return all
}
