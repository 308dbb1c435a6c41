package v1

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateName holds a job to a name that its services can be called after.
func validateName(j Job) field.ErrorList {
	at := field.NewPath("metadata", "name")
	if j.GetName() == "" {
		return nil // The API server makes one up from generateName after admission.
	}
	if problems := validation.IsDNS1035Label(j.GetName()); len(problems) > 0 {
		return field.ErrorList{field.Invalid(at, j.GetName(),
			"the replicas' services are called after the job: use lower-case letters, digits and '-', beginning with a letter, at most 63")}
	}
	for _, t := range slices.Sorted(maps.Keys(j.Replicas())) {
		last := 0
		if s := j.Replicas()[t]; s != nil && s.Replicas != nil {
			last = max(0, int(*s.Replicas)-1)
		}
		if n := ReplicaName(j.GetName(), t, last); len(n) > validation.DNS1035LabelMaxLength {
			return field.ErrorList{field.Invalid(at, j.GetName(), fmt.Sprintf(
				"replica %q would have a name of %d characters, and a service's may have %d: shorten the job's by %d",
				n, len(n), validation.DNS1035LabelMaxLength, len(n)-validation.DNS1035LabelMaxLength))}
		}
	}
	return nil
}

// called is a name that is asked for, if any is.
func called(container string) string {
	if container == "" {
		return ""
	}
	return fmt.Sprintf(" named %q", container)
}

// ReplicaName is the name of a replica's pod and of its service. There is but
// one launcher, so it has no index.
func ReplicaName(job string, t ReplicaType, index int) string {
	if t == MPIReplicaLauncher {
		return job + "-launcher"
	}
	return job + "-" + strings.ToLower(string(t)) + "-" + strconv.Itoa(index) // Made n² times for a job of n replicas.
}

// validatePolicy holds a run policy to what it may say. managers are names that
// this controller has besides its own.
func validatePolicy(p *RunPolicy, at *field.Path, managers ...string) field.ErrorList {
	var problems field.ErrorList
	if c := p.CleanPodPolicy; c != nil && !slices.Contains([]CleanPodPolicy{"", CleanPodUndefined, CleanPodNone, CleanPodRunning, CleanPodAll}, *c) {
		problems = append(problems, field.NotSupported(at.Child("cleanPodPolicy"), *c, []CleanPodPolicy{CleanPodNone, CleanPodRunning, CleanPodAll}))
	}
	if n := p.TTLSecondsAfterFinished; n != nil && *n < 0 {
		problems = append(problems, field.Invalid(at.Child("ttlSecondsAfterFinished"), *n, "give the seconds a finished job is kept, 0 or more, or leave it out to keep it"))
	}
	if n := p.ActiveDeadlineSeconds; n != nil && *n <= 0 {
		problems = append(problems, field.Invalid(at.Child("activeDeadlineSeconds"), *n, "give the seconds the job may run, 1 or more, or leave it out"))
	}
	if n := p.BackoffLimit; n != nil && *n < 0 {
		problems = append(problems, field.Invalid(at.Child("backoffLimit"), *n, "give the restarts that are borne, 0 or more, or leave it out"))
	}
	if m, known := p.ManagedBy, append(managers, ManagerTrainingOperator, ManagerMultiKueue); m != nil && !slices.Contains(known, *m) {
		problems = append(problems, field.NotSupported(at.Child("managedBy"), *m, known))
	}
	return problems
}

// validateReplicas holds the replicas to what every framework needs: known
// types, containers with images, and one container of the framework's name.
func validateReplicas(replicas map[ReplicaType]*ReplicaSpec, known []ReplicaType, container string, at *field.Path) field.ErrorList {
	if len(replicas) == 0 {
		return field.ErrorList{field.Required(at, "say which replicas the job has, as Worker")}
	}

	var problems field.ErrorList
	written := map[ReplicaType]ReplicaType{}
	for _, t := range slices.Sorted(maps.Keys(replicas)) {
		i := slices.IndexFunc(known, func(k ReplicaType) bool { return strings.EqualFold(string(k), string(t)) })
		if i < 0 {
			problems = append(problems, field.NotSupported(at, t, known))
			continue
		}
		if other, ok := written[known[i]]; ok {
			problems = append(problems, field.Invalid(at, t, fmt.Sprintf("the same type is there as %q: keep one of the two", other)))
		}
		written[known[i]] = t
		problems = append(problems, validateReplica(replicas[t], container, at.Key(string(t)))...)
	}
	return problems
}

func validateReplica(s *ReplicaSpec, container string, at *field.Path) field.ErrorList {
	containers := at.Child("template", "spec", "containers")
	if s == nil || len(s.Template.Spec.Containers) == 0 {
		return field.ErrorList{field.Required(containers, "must be specified: give one container"+called(container)+", with an image")}
	}

	var problems field.ErrorList
	if s.Replicas != nil && *s.Replicas < 0 {
		problems = append(problems, field.Invalid(at.Child("replicas"), *s.Replicas, "give 0 or more"))
	}
	if policies := []RestartPolicy{RestartAlways, RestartOnFailure, RestartNever, RestartExitCode}; s.RestartPolicy != "" && !slices.Contains(policies, s.RestartPolicy) {
		problems = append(problems, field.NotSupported(at.Child("restartPolicy"), s.RestartPolicy, policies))
	}
	named := false
	for i, c := range s.Template.Spec.Containers {
		named = named || c.Name == container
		if c.Image == "" {
			problems = append(problems, field.Required(containers.Index(i).Child("image"), fmt.Sprintf("must be required: name the image that container %q runs", c.Name)))
		}
	}
	if !named && container != "" {
		problems = append(problems, field.Required(containers, fmt.Sprintf("must have at least one container with name %s: rename the one that does the training", container)))
	}
	return problems
}
