package v1

import (
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate says what is wrong with a PyTorchJob, each in a sentence. An empty
// list means nothing is.
func (j *PyTorchJob) Validate() field.ErrorList {
	problems := append(pytorch.check(j), j.Spec.OldRunPolicy.check(&j.Spec.RunPolicy)...)
	problems = append(problems, pytorch.checkOne(j, PyTorchReplicaMaster)...)
	problems = append(problems, pytorch.checkSome(j, PyTorchReplicaWorker)...)
	if p := j.Spec.NProcPerNode; p != nil {
		if n, err := strconv.Atoi(*p); *p == "" || err == nil && n < 1 {
			problems = append(problems, field.Invalid(field.NewPath("spec", "nprocPerNode"), *p, "give auto, cpu, gpu, or a number of 1 or more"))
		}
	}
	return append(problems, j.checkElastic()...)
}

func (j *PyTorchJob) checkElastic() field.ErrorList {
	e, at := j.Spec.ElasticPolicy, field.NewPath("spec", "elasticPolicy")
	if e == nil {
		return nil
	}
	problems := checkBounds(e.MinReplicas, e.MaxReplicas, at)
	if _, worker := pytorch.replica(j, PyTorchReplicaWorker); worker == nil && len(j.Spec.PyTorchReplicaSpecs) > 0 {
		problems = append(problems, field.Required(pytorch.at().Key(string(PyTorchReplicaWorker)), "an elastic job needs workers: add them, or take elasticPolicy out"))
	}
	known := []RendezvousBackend{RendezvousC10d, RendezvousEtcd, RendezvousEtcdV2, RendezvousStatic}
	if b := e.RendezvousBackend; b != nil && !slices.Contains(known, *b) {
		problems = append(problems, field.NotSupported(at.Child("rdzvBackend"), *b, known))
	}
	if e.NProcPerNode != nil && j.Spec.NProcPerNode != nil {
		problems = append(problems, field.Forbidden(at.Child("nProcPerNode"), "spec.nprocPerNode says the same: keep that one only"))
	}
	return problems
}

// Warnings are what its writer should hear of a job that is taken as it is.
func (j *PyTorchJob) Warnings() []string {
	if e := j.Spec.ElasticPolicy; e != nil && e.NProcPerNode != nil {
		return []string{"spec.elasticPolicy.nProcPerNode is deprecated, use spec.nprocPerNode instead"}
	}
	return nil
}

// checkBounds holds an elastic policy's bounds to make sense.
func checkBounds(least, most *int32, at *field.Path) field.ErrorList {
	var problems field.ErrorList
	if least != nil && *least < 1 {
		problems = append(problems, field.Invalid(at.Child("minReplicas"), *least, "give 1 or more"))
	}
	if most != nil && *most < 1 {
		problems = append(problems, field.Invalid(at.Child("maxReplicas"), *most, "give 1 or more"))
	}
	if least != nil && most != nil && *least > *most {
		problems = append(problems, field.Invalid(at.Child("minReplicas"), *least, "is above maxReplicas: raise that one, or lower this"))
	}
	return problems
}
