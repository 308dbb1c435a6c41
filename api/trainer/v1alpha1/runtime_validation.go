package v1alpha1

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// container is, for a step, the container that the step is done in.
var container = map[string]string{StepTrainer: Node, StepDataset: StepDataset, StepModel: StepModel}

// Validate says what is wrong with a runtime.
func (s *TrainingRuntimeSpec) Validate() field.ErrorList {
	at := field.NewPath("spec", "template", "spec", "replicatedJobs")
	var problems field.ErrorList
	for i, r := range s.Template.Spec.ReplicatedJobs {
		pod := &r.Template.Spec.Template.Spec
		containers := at.Index(i).Child("template", "spec", "template", "spec", "containers")
		name, known := container[r.Template.Labels[LabelAncestor]]
		if known && r.Replicas != 1 {
			problems = append(problems, field.Invalid(at.Index(i).Child("replicas"), r.Replicas, "always must be 1: a TrainJob's nodes are counted by numNodes"))
		}
		if known && !slices.ContainsFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == name }) {
			problems = append(problems, field.Required(containers, fmt.Sprintf(
				"must contain the required container for the ancestor: %s: name it %s", r.Template.Labels[LabelAncestor], name)))
		}
		for k, c := range pod.Containers {
			if c.Name == "" {
				problems = append(problems, field.Required(containers.Index(k).Child("name"), "every container has a name"))
			}
		}
	}
	if s.MLPolicy != nil && s.MLPolicy.Flux != nil {
		problems = append(problems, field.Forbidden(field.NewPath("spec", "mlPolicy", "flux"), "Flux is not run here: use mpi"))
	}
	if p := s.PodGroupPolicy; p != nil && p.Coscheduling != nil && p.Volcano != nil {
		problems = append(problems, field.Forbidden(field.NewPath("spec", "podGroupPolicy"), "pods are placed by one scheduler: keep coscheduling or volcano"))
	}
	return problems
}
