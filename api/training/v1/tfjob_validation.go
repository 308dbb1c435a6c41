package v1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate says what is wrong with a TFJob, each in a sentence. An empty list
// means nothing is.
func (j *TFJob) Validate() field.ErrorList {
	spec := field.NewPath("spec")
	replicas := spec.Child("tfReplicaSpecs")

	problems := append(validateName(j), validateTogether(j)...)
	problems = append(problems, validatePolicy(&j.Spec.RunPolicy, spec.Child("runPolicy"))...)
	if p := j.Spec.SuccessPolicy; p != nil && *p != SuccessDefault && *p != SuccessAllWorkers {
		problems = append(problems, field.NotSupported(spec.Child("successPolicy"), *p, []SuccessPolicy{SuccessDefault, SuccessAllWorkers}))
	}
	problems = append(problems, validateReplicas(j.Spec.TFReplicaSpecs, tfReplicaTypes(), TFJobContainer, replicas)...)

	proper := j.DeepCopy()
	properCase(proper.Spec.TFReplicaSpecs, tfReplicaTypes()...)
	if _, chief := proper.Spec.TFReplicaSpecs[TFReplicaChief]; chief {
		if _, master := proper.Spec.TFReplicaSpecs[TFReplicaMaster]; master {
			problems = append(problems, field.Forbidden(replicas, "must not have more than 1 Chief or Master role: Master is an older name for Chief, so keep one of the two"))
		}
	}
	return problems
}

// ValidateUpdate says what is wrong with a change of a TFJob.
func (j *TFJob) ValidateUpdate(old *TFJob) field.ErrorList {
	problems := validatePolicyUpdate(&old.Spec.RunPolicy, &j.Spec.RunPolicy, field.NewPath("spec", "runPolicy"))
	return append(problems, j.Validate()...)
}
