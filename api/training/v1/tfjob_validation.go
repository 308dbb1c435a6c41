package v1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate says what is wrong with a TFJob, each in a sentence. An empty list
// means nothing is.
func (j *TFJob) Validate() field.ErrorList {
	problems := append(tensorflow.check(j), j.Spec.OldRunPolicy.check(&j.Spec.RunPolicy)...)
	if p := j.Spec.SuccessPolicy; p != nil && *p != SuccessDefault && *p != SuccessAllWorkers {
		problems = append(problems, field.NotSupported(field.NewPath("spec", "successPolicy"), *p, []SuccessPolicy{SuccessDefault, SuccessAllWorkers}))
	}
	_, chief := tensorflow.replica(j, TFReplicaChief)
	_, master := tensorflow.replica(j, TFReplicaMaster)
	if chief != nil && master != nil {
		problems = append(problems, field.Forbidden(tensorflow.at(), "must not have more than 1 Chief or Master role: Master is an older name for Chief, so keep one of the two"))
	}
	return problems
}
