package v1

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A kind is what sets the defaults and rules of one kind of job apart.
type kind struct {
	// field is where the replicas stand in a spec, as tfReplicaSpecs.
	field string
	// types are the types of replicas there may be.
	types []ReplicaType
	// container runs the framework, and has a port that its peers call.
	container, portName string
	port                int32
	// restart is what becomes of a replica unless it says so itself.
	restart RestartPolicy
	// managers are names that the controller has besides its own.
	managers []string
}

// complete fills in what a job leaves open.
func (k kind) complete(j Job) {
	setPolicyDefaults(j.Policy())
	properCase(j.Replicas(), k.types...)
	for _, s := range j.Replicas() {
		if s != nil {
			setReplicaDefaults(s, k.restart, k.container, k.portName, k.port)
		}
	}
}

// check says what is wrong with a job that would be wrong with any.
func (k kind) check(j Job) field.ErrorList {
	problems := append(validateName(j), ValidateTogether(j)...)
	problems = append(problems, validatePolicy(j.Policy(), field.NewPath("spec", "runPolicy"), k.managers...)...)
	return append(problems, validateReplicas(j.Replicas(), k.types, k.container, k.at())...)
}

// checkOne holds a job to one replica of a type, if it has any of it.
func (k kind) checkOne(j Job, t ReplicaType) field.ErrorList {
	return k.checkCount(j, t, func(n int32) bool { return n == 1 }, fmt.Sprintf("must be 1: there can be one %s only", t))
}

// checkSome holds a job to at least one replica of a type, if it has any of it.
func (k kind) checkSome(j Job, t ReplicaType) field.ErrorList {
	return k.checkCount(j, t, func(n int32) bool { return n != 0 }, fmt.Sprintf("give 1 or more, or leave %s out", t))
}

func (k kind) checkCount(j Job, t ReplicaType, good func(int32) bool, remedy string) field.ErrorList {
	if written, s := k.replica(j, t); s != nil && s.Replicas != nil && *s.Replicas >= 0 && !good(*s.Replicas) {
		return field.ErrorList{field.Invalid(k.at().Key(string(written)).Child("replicas"), *s.Replicas, remedy)}
	}
	return nil
}

// replica finds a type in a job, in whatever case it is written. Of several, it
// is always the same one that is found, so that what is said of it stays so.
func (k kind) replica(j Job, t ReplicaType) (ReplicaType, *ReplicaSpec) {
	for _, written := range slices.Sorted(maps.Keys(j.Replicas())) {
		if strings.EqualFold(string(written), string(t)) {
			return written, j.Replicas()[written]
		}
	}
	return "", nil
}

// at is where the replicas stand.
func (k kind) at() *field.Path { return field.NewPath("spec", k.field) }

// ValidateUpdate says what is wrong with a job that was another before, the
// change included.
func ValidateUpdate(now, before Job) field.ErrorList {
	problems := now.Validate()
	if c, ok := now.(interface{ ValidateChange(Job) field.ErrorList }); ok {
		problems = append(problems, c.ValidateChange(before)...)
	}
	if old, m := before.Policy().ManagedBy, now.Policy().ManagedBy; !equality.Semantic.DeepEqual(old, m) {
		problems = append(problems, field.Invalid(field.NewPath("spec", "runPolicy", "managedBy"), m,
			"field is immutable: delete the job and create it anew to have it managed by another"))
	}
	return problems
}

// An OldRunPolicy is the part of a run policy that stood in the spec itself
// until v1beta2, and in early v1.
type OldRunPolicy struct {
	// CleanPodPolicy is an older place for runPolicy.cleanPodPolicy, which wins.
	// +optional
	CleanPodPolicy *CleanPodPolicy `json:"cleanPodPolicy,omitempty"`

	// TTLSecondsAfterFinished is an older place for
	// runPolicy.ttlSecondsAfterFinished, which wins.
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// ActiveDeadlineSeconds is an older place for
	// runPolicy.activeDeadlineSeconds, which wins.
	// +optional
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// BackoffLimit is an older place for runPolicy.backoffLimit, which wins.
	// +optional
	BackoffLimit *int32 `json:"backoffLimit,omitempty"`
}

// fold puts what stands in the old place into the new one, unless something
// stands there.
func (o *OldRunPolicy) fold(p *RunPolicy) {
	p.CleanPodPolicy = orElse(p.CleanPodPolicy, o.CleanPodPolicy)
	p.TTLSecondsAfterFinished = orElse(p.TTLSecondsAfterFinished, o.TTLSecondsAfterFinished)
	p.ActiveDeadlineSeconds = orElse(p.ActiveDeadlineSeconds, o.ActiveDeadlineSeconds)
	p.BackoffLimit = orElse(p.BackoffLimit, o.BackoffLimit)
}

// check says what is wrong in the old place, unless the new one wins.
func (o *OldRunPolicy) check(p *RunPolicy) field.ErrorList {
	var counts RunPolicy
	if p.CleanPodPolicy == nil {
		counts.CleanPodPolicy = o.CleanPodPolicy
	}
	if p.TTLSecondsAfterFinished == nil {
		counts.TTLSecondsAfterFinished = o.TTLSecondsAfterFinished
	}
	if p.ActiveDeadlineSeconds == nil {
		counts.ActiveDeadlineSeconds = o.ActiveDeadlineSeconds
	}
	if p.BackoffLimit == nil {
		counts.BackoffLimit = o.BackoffLimit
	}
	return validatePolicy(&counts, field.NewPath("spec"))
}

// orElse is the first value that is there.
func orElse[T any](first, second *T) *T {
	if first != nil {
		return first
	}
	return second
}
