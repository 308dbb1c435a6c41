package v1

import (
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate says what is wrong with an MPIJob, each in a sentence. An empty list
// means nothing is.
func (j *MPIJob) Validate() field.ErrorList {
	at := field.NewPath("spec")
	if j.Annotations[AnnotationWrittenAs] == mpiJobOldest && len(j.Spec.MPIReplicaSpecs) == 0 { // What it says is lost.
		return field.ErrorList{field.Forbidden(field.NewPath("apiVersion"),
			"a job of v1alpha1 has another form than v1, and this cluster has nobody turn one into the other: write it as v2beta1, or let the API server ask weir controllers by --webhook-host")}
	}
	problems := append(mpi.check(j), j.Spec.OldRunPolicy.check(&j.Spec.RunPolicy)...)
	if _, launcher := mpi.replica(j, MPIReplicaLauncher); launcher == nil && len(j.Spec.MPIReplicaSpecs) > 0 {
		problems = append(problems, field.Required(mpi.at().Key(string(MPIReplicaLauncher)), "must be present: it runs mpirun, so give one"))
	}
	problems = append(problems, mpi.checkOne(j, MPIReplicaLauncher)...)
	if n := j.Spec.SlotsPerWorker; n != nil && *n < 1 {
		problems = append(problems, field.Invalid(at.Child("slotsPerWorker"), *n, "give the processes that a worker takes, 1 or more, or leave it out for 1"))
	}
	if i, known := j.Spec.MPIImplementation, []MPIImplementation{MPIOpen, MPIIntel, MPIMPICH}; i != "" && !slices.Contains(known, i) {
		problems = append(problems, field.NotSupported(at.Child("mpiImplementation"), i, known))
	}
	if i, known := j.Spec.MPIDistribution, []MPIImplementation{MPIOpen, mpiIntelOld, MPIMPICH}; i != "" && !slices.Contains(known, i) {
		problems = append(problems, field.NotSupported(at.Child("mpiDistribution"), i, known))
	}
	if p, known := j.Spec.LauncherCreationPolicy, []LauncherCreationPolicy{LauncherAtStartup, LauncherWaits}; p != "" && !slices.Contains(known, p) {
		problems = append(problems, field.NotSupported(at.Child("launcherCreationPolicy"), p, known))
	}
	if p := j.Spec.SSHAuthMountPath; p != "" && !path.IsAbs(p) {
		problems = append(problems, field.Invalid(at.Child("sshAuthMountPath"), p, "give a path from the root, as /root/.ssh"))
	}
	if j.IsV2() {
		problems = append(problems, j.checkV2()...)
	}
	return problems
}

// checkV2 is what holds for jobs of v2beta1 only.
func (j *MPIJob) checkV2() field.ErrorList {
	problems := mpi.checkSome(j, MPIReplicaWorker)
	if written, s := mpi.replica(j, MPIReplicaWorker); s != nil && s.Replicas == nil {
		problems = append(problems, field.Invalid(mpi.at().Key(string(written)).Child("replicas"), 0, "give 1 or more, or leave Worker out"))
	}
	known := []RestartPolicy{RestartNever, RestartOnFailure}
	for _, t := range mpi.types {
		written, s := mpi.replica(j, t)
		if s != nil && s.RestartPolicy != "" && !slices.Contains(known, s.RestartPolicy) {
			problems = append(problems, field.NotSupported(mpi.at().Key(string(written)).Child("restartPolicy"), s.RestartPolicy, known))
		}
	}
	return problems
}

// ValidateChange says what is wrong with a change of a job, apart from what is
// wrong with the job.
func (j *MPIJob) ValidateChange(before Job) field.ErrorList {
	b, ok := before.(*MPIJob)
	if !ok || b.IsV2() == j.IsV2() {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("apiVersion"),
		"a job of v2beta1 is run in another way than the rest, and cannot change it: delete the job and create it anew")}
}
