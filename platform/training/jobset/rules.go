package jobset

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	"github.com/weir-ml/weir/platform/admission"
)

// Rules are what happens to JobSets on their way in.
func Rules() []admission.Rule {
	gv := jobsetv1alpha2.GroupVersion
	return []admission.Rule{
		admission.Complete(gv.WithResource("jobsets"), func(now, _ *jobsetv1alpha2.JobSet) error {
			Default(now)
			return nil
		}),
		admission.Check(gv.WithKind("JobSet").GroupKind(), gv.WithResource("jobsets"),
			func(_ context.Context, now, before *jobsetv1alpha2.JobSet) ([]string, field.ErrorList) {
				if before != nil {
					return nil, ValidateUpdate(now, before)
				}
				return nil, Validate(now)
			}),
	}
}

// Default fills in what a JobSet leaves out, as the controller expects it to be.
func Default(js *jobsetv1alpha2.JobSet) {
	s := &js.Spec
	if s.SuccessPolicy == nil {
		s.SuccessPolicy = &jobsetv1alpha2.SuccessPolicy{Operator: jobsetv1alpha2.OperatorAll}
	}
	if s.StartupPolicy == nil {
		s.StartupPolicy = &jobsetv1alpha2.StartupPolicy{StartupPolicyOrder: jobsetv1alpha2.AnyOrder}
	}
	for i := range s.ReplicatedJobs {
		job := &s.ReplicatedJobs[i].Template.Spec
		if job.CompletionMode == nil {
			job.CompletionMode = new(batchv1.IndexedCompletion)
		}
		if job.Template.Spec.RestartPolicy == "" {
			job.Template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
		}
	}
	if s.Network == nil {
		s.Network = &jobsetv1alpha2.Network{}
	}
	if s.Network.EnableDNSHostnames == nil {
		s.Network.EnableDNSHostnames = new(true)
	}
	if s.Network.PublishNotReadyAddresses == nil {
		s.Network.PublishNotReadyAddresses = new(true)
	}
	if s.FailurePolicy != nil {
		for i := range s.FailurePolicy.Rules {
			if r := &s.FailurePolicy.Rules[i]; r.Name == "" {
				r.Name = fmt.Sprintf("failurePolicyRule%d", i)
			}
		}
	}
}

// Validate says what is wrong with a JobSet that has its defaults.
func Validate(js *jobsetv1alpha2.JobSet) field.ErrorList {
	spec := field.NewPath("spec")
	problems := validateNetwork(js, spec.Child("network", "subdomain"))
	if m := js.Spec.ManagedBy; m != nil {
		at := spec.Child("managedBy")
		problems = append(problems, validation.IsDomainPrefixedPath(at, *m)...)
		if len(*m) > validation.DNS1123LabelMaxLength {
			problems = append(problems, field.TooLong(at, *m, validation.DNS1123LabelMaxLength))
		}
	}
	names := map[string]bool{}
	for i := range js.Spec.ReplicatedJobs {
		at := spec.Child("replicatedJobs").Index(i)
		problems = append(problems, validateJob(js, &js.Spec.ReplicatedJobs[i], names, at)...)
		names[js.Spec.ReplicatedJobs[i].Name] = true
	}
	if p := js.Spec.SuccessPolicy; p != nil {
		problems = append(problems, known(p.TargetReplicatedJobs, names, spec.Child("successPolicy", "targetReplicatedJobs"))...)
	}
	if p := js.Spec.FailurePolicy; p != nil {
		problems = append(problems, validateFailure(p, names, spec.Child("failurePolicy", "rules"))...)
	}
	if c := js.Spec.Coordinator; c != nil {
		problems = append(problems, validateCoordinator(js, c, spec.Child("coordinator"))...)
	}
	return problems
}

func validateNetwork(js *jobsetv1alpha2.JobSet, at *field.Path) field.ErrorList {
	if js.Spec.Network == nil || js.Spec.Network.Subdomain == "" {
		return nil
	}
	if name := js.Spec.Network.Subdomain; len(validation.IsDNS1035Label(name)) > 0 {
		return field.ErrorList{field.Invalid(at, name, "it is the name of a service: use lower-case letters, digits and '-', beginning with a letter, at most 63")}
	}
	return nil
}

// validateJob looks at one group of Jobs; before are the groups that stand before it.
func validateJob(js *jobsetv1alpha2.JobSet, j *jobsetv1alpha2.ReplicatedJob, before map[string]bool, at *field.Path) field.ErrorList {
	var problems field.ErrorList
	parallel := int64(1)
	if p := j.Template.Spec.Parallelism; p != nil {
		parallel = int64(*p)
	}
	if parallel*int64(j.Replicas) > math.MaxInt32 {
		problems = append(problems, field.Invalid(at.Child("replicas"), j.Replicas, fmt.Sprintf("replicas times parallelism must not be above %d", math.MaxInt32)))
	}
	if g := j.GroupName; g != "" && len(validation.IsDNS1035Label(g)) > 0 {
		problems = append(problems, field.Invalid(at.Child("groupName"), g, "use lower-case letters, digits and '-', beginning with a letter, at most 63"))
	}
	if js.Name != "" { // Or the API server makes one up from generateName after admission.
		problems = append(problems, validateNames(js.Name, j, at.Child("name"))...)
	}
	for i, d := range j.DependsOn {
		if !before[d.Name] {
			problems = append(problems, field.Invalid(at.Child("dependsOn").Index(i).Child("name"), d.Name,
				"it can depend only on a replicatedJob that stands before it in the list: name one of these, or change the order"))
		}
	}
	_, exclusive := exclusivity(js, j)
	if exclusive {
		problems = append(problems, field.Forbidden(field.NewPath("metadata", "annotations").Key(jobsetv1alpha2.ExclusiveKey),
			"pods are not placed by it here: label the nodes and add the annotation "+jobsetv1alpha2.NodeSelectorStrategyKey+", which is served"))
	}
	return problems
}

// exclusivity tells by what topology a group of Jobs is to be placed alone, and
// whether webhooks of pods would have to see to it.
func exclusivity(js *jobsetv1alpha2.JobSet, j *jobsetv1alpha2.ReplicatedJob) (topology string, bywebhook bool) {
	for _, annotations := range []map[string]string{js.Annotations, j.Template.Annotations} {
		if topology, ok := annotations[jobsetv1alpha2.ExclusiveKey]; ok {
			_, selected := annotations[jobsetv1alpha2.NodeSelectorStrategyKey]
			return topology, !selected
		}
	}
	return "", false
}

// validateNames holds the names of the Jobs and pods of a group to what services
// and hosts may be called.
func validateNames(jobSet string, j *jobsetv1alpha2.ReplicatedJob, at *field.Path) field.ErrorList {
	longest := fmt.Sprintf("%s-%s-%d", jobSet, j.Name, max(0, j.Replicas-1))
	what := "Job"
	if s := j.Template.Spec; s.Completions != nil && s.CompletionMode != nil && *s.CompletionMode == batchv1.IndexedCompletion {
		longest, what = fmt.Sprintf("%s-%d-abcde", longest, max(0, *s.Completions-1)), "pod"
	}
	if n := len(longest) - validation.DNS1035LabelMaxLength; n > 0 {
		return field.ErrorList{field.Invalid(at, j.Name, fmt.Sprintf(
			"%s %q would have a name of %d characters, and it may have %d: shorten the name of the JobSet or of the replicatedJob by %d",
			what, longest, len(longest), validation.DNS1035LabelMaxLength, n))}
	}
	if len(validation.IsDNS1035Label(longest)) > 0 {
		return field.ErrorList{field.Invalid(at, j.Name, fmt.Sprintf(
			"%s %q is named after the JobSet and this: use lower-case letters, digits and '-' in both, beginning with a letter", what, longest))}
	}
	return nil
}

const unknown = "there is no replicatedJob of this name in spec.replicatedJobs"

func known(wanted []string, names map[string]bool, at *field.Path) field.ErrorList {
	var problems field.ErrorList
	for i, name := range wanted {
		if !names[name] {
			problems = append(problems, field.Invalid(at.Index(i), name, unknown))
		}
	}
	return problems
}

var (
	ruleName = regexp.MustCompile("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
	reasons  = []string{
		batchv1.JobReasonBackoffLimitExceeded, batchv1.JobReasonDeadlineExceeded, batchv1.JobReasonFailedIndexes,
		batchv1.JobReasonMaxFailedIndexesExceeded, batchv1.JobReasonPodFailurePolicy,
	}
)

const longestRuleName = 128

func validateFailure(p *jobsetv1alpha2.FailurePolicy, names map[string]bool, at *field.Path) field.ErrorList {
	var problems field.ErrorList
	seen := map[string]bool{}
	for i, r := range p.Rules {
		here := at.Index(i)
		if len(r.Name) > longestRuleName || !ruleName.MatchString(r.Name) {
			problems = append(problems, field.Invalid(here.Child("name"), r.Name, fmt.Sprintf(
				"begin with a letter, go on with letters, digits, '_', ',' and ':', and end with a letter, a digit or '_', at most %d", longestRuleName)))
		}
		if seen[r.Name] {
			problems = append(problems, field.Duplicate(here.Child("name"), r.Name))
		}
		seen[r.Name] = true
		problems = append(problems, known(r.TargetReplicatedJobs, names, here.Child("targetReplicatedJobs"))...)
		for k, reason := range r.OnJobFailureReasons {
			if !slices.Contains(reasons, reason) {
				problems = append(problems, field.NotSupported(here.Child("onJobFailureReasons").Index(k), reason, reasons))
			}
		}
	}
	return problems
}

func validateCoordinator(js *jobsetv1alpha2.JobSet, c *jobsetv1alpha2.Coordinator, at *field.Path) field.ErrorList {
	i := slices.IndexFunc(js.Spec.ReplicatedJobs, func(j jobsetv1alpha2.ReplicatedJob) bool { return j.Name == c.ReplicatedJob })
	if i < 0 {
		return field.ErrorList{field.Invalid(at.Child("replicatedJob"), c.ReplicatedJob, unknown)}
	}
	j := js.Spec.ReplicatedJobs[i]
	if c.JobIndex < 0 || c.JobIndex >= int(j.Replicas) {
		return field.ErrorList{field.Invalid(at.Child("jobIndex"), c.JobIndex, fmt.Sprintf("replicatedJob %q has %d replicas: give an index below that", j.Name, j.Replicas))}
	}
	s := j.Template.Spec
	if s.Completions == nil || s.CompletionMode == nil || *s.CompletionMode != batchv1.IndexedCompletion {
		return field.ErrorList{field.Invalid(at.Child("replicatedJob"), j.Name, "a coordinator is found by its index: set completions, and completionMode to Indexed")}
	}
	if c.PodIndex < 0 || c.PodIndex >= int(*s.Completions) {
		return field.ErrorList{field.Invalid(at.Child("podIndex"), c.PodIndex, fmt.Sprintf("Job %d of %q has %d completions: give an index below that", c.JobIndex, j.Name, *s.Completions))}
	}
	return nil
}

// ValidateUpdate says what is wrong with a change of a JobSet. While it is
// suspended, what decides where pods may run can be changed, which queues do.
func ValidateUpdate(js, before *jobsetv1alpha2.JobSet) field.ErrorList {
	spec := field.NewPath("spec")
	var problems field.ErrorList
	if !equality.Semantic.DeepEqual(js.Spec.ManagedBy, before.Spec.ManagedBy) {
		problems = append(problems, field.Invalid(spec.Child("managedBy"), js.Spec.ManagedBy, "field is immutable: delete the JobSet and create it anew"))
	}
	now, was := js.DeepCopy().Spec.ReplicatedJobs, before.DeepCopy().Spec.ReplicatedJobs
	if suspended(js) || suspended(before) {
		for _, jobs := range [][]jobsetv1alpha2.ReplicatedJob{now, was} {
			for i := range jobs {
				leavePlacement(&jobs[i].Template.Spec.Template)
			}
		}
	}
	if !equality.Semantic.DeepEqual(now, was) {
		problems = append(problems, field.Invalid(spec.Child("replicatedJobs"), strings.Join(namesOf(js), ", "),
			"field is immutable, but for labels, annotations, nodeSelector, tolerations and schedulingGates of pods while the JobSet is suspended: delete the JobSet and create it anew"))
	}
	return problems
}

func suspended(js *jobsetv1alpha2.JobSet) bool { return js.Spec.Suspend != nil && *js.Spec.Suspend }

// leavePlacement takes out of a pod what may be changed while it does not run.
func leavePlacement(pod *corev1.PodTemplateSpec) {
	pod.Labels, pod.Annotations = nil, nil
	pod.Spec.NodeSelector, pod.Spec.Tolerations, pod.Spec.SchedulingGates = nil, nil, nil
}

func namesOf(js *jobsetv1alpha2.JobSet) []string {
	var all []string
	for _, j := range js.Spec.ReplicatedJobs {
		all = append(all, j.Name)
	}
	return all
}
