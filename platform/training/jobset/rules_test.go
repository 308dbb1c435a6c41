package jobset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	"sigs.k8s.io/yaml"

	"github.com/weir-ml/weir/platform/training/jobset"
)

// jobSetOf reads the spec of a JobSet called js.
func jobSetOf(t *testing.T, spec string) *jobsetv1alpha2.JobSet {
	t.Helper()
	js := &jobsetv1alpha2.JobSet{}
	js.Name = "js"
	if err := yaml.UnmarshalStrict([]byte(spec), &js.Spec); err != nil {
		t.Fatal(err)
	}
	return js
}

func TestDefault(t *testing.T) {
	js := jobSetOf(t, `{replicatedJobs: [{name: a, replicas: 1, template: {}}], failurePolicy: {rules: [{action: FailJobSet, name: ""}]}}`)
	jobset.Default(js)
	want := jobSetOf(t, `
replicatedJobs:
- {name: a, replicas: 1, template: {spec: {completionMode: Indexed, template: {spec: {restartPolicy: OnFailure}}}}}
failurePolicy: {rules: [{action: FailJobSet, name: failurePolicyRule0}]}
successPolicy: {operator: All}
startupPolicy: {startupPolicyOrder: AnyOrder}
network: {enableDNSHostnames: true, publishNotReadyAddresses: true}`)
	if diff := cmp.Diff(want, js); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	again := js.DeepCopy()
	jobset.Default(again)
	if diff := cmp.Diff(js, again); diff != "" {
		t.Errorf("a second time changes something: -before, +after:\n%s", diff)
	}
}

func TestDefaultKeepsWhatIsSaid(t *testing.T) {
	said := `
replicatedJobs:
- {name: a, replicas: 1, template: {spec: {completionMode: NonIndexed, template: {spec: {restartPolicy: Never}}}}}
successPolicy: {operator: Any}
startupPolicy: {startupPolicyOrder: InOrder}
network: {enableDNSHostnames: false, publishNotReadyAddresses: false}`
	js := jobSetOf(t, said)
	jobset.Default(js)
	if diff := cmp.Diff(jobSetOf(t, said), js); diff != "" {
		t.Errorf("-said, +got:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("a", 55)
	cases := map[string]struct {
		why, spec string
		annotated map[string]string
		want      string
	}{
		"Good": {
			why:  "Groups may depend on those before them.",
			spec: `{replicatedJobs: [{name: a, replicas: 1, template: {}}, {name: b, replicas: 2, template: {}, dependsOn: [{name: a, status: Ready}]}]}`,
		},
		"DependsOnLater": {
			why:  "A group cannot wait for one that stands after it.",
			spec: `{replicatedJobs: [{name: a, replicas: 1, template: {}, dependsOn: [{name: b, status: Ready}]}, {name: b, replicas: 1, template: {}}]}`,
			want: `spec.replicatedJobs[0].dependsOn[0].name: Invalid value: "b": it can depend only on a replicatedJob that stands before it in the list: name one of these, or change the order`,
		},
		"LongName": {
			why:  "Pods are hosts, and a host's name has 63 characters.",
			spec: `{replicatedJobs: [{name: ` + long + `, replicas: 1, template: {spec: {completions: 12}}}]}`,
			want: `spec.replicatedJobs[0].name: Invalid value: "` + long + `": pod "js-` + long + `-0-11-abcde" would have a name of 69 characters, and it may have 63: shorten the name of the JobSet or of the replicatedJob by 6`,
		},
		"BadName": {
			why:  "Jobs are called after the group.",
			spec: `{replicatedJobs: [{name: A_b, replicas: 1, template: {}}]}`,
			want: `spec.replicatedJobs[0].name: Invalid value: "A_b": Job "js-A_b-0" is named after the JobSet and this: use lower-case letters, digits and '-' in both, beginning with a letter`,
		},
		"UnknownTarget": {
			why:  "A policy can speak only of groups that are there.",
			spec: `{replicatedJobs: [{name: a, replicas: 1, template: {}}], successPolicy: {operator: All, targetReplicatedJobs: [b]}}`,
			want: `spec.successPolicy.targetReplicatedJobs[0]: Invalid value: "b": there is no replicatedJob of this name in spec.replicatedJobs`,
		},
		"UnknownReason": {
			why:  "Jobs fail for known reasons.",
			spec: `{replicatedJobs: [{name: a, replicas: 1, template: {}}], failurePolicy: {rules: [{name: r, action: FailJobSet, onJobFailureReasons: [Bored]}]}}`,
			want: `spec.failurePolicy.rules[0].onJobFailureReasons[0]: Unsupported value: "Bored": supported values: "BackoffLimitExceeded", "DeadlineExceeded", "FailedIndexes", "MaxFailedIndexesExceeded", "PodFailurePolicy"`,
		},
		"SameRule": {
			why:  "Rules are told apart by their names.",
			spec: `{replicatedJobs: [{name: a, replicas: 1, template: {}}], failurePolicy: {rules: [{name: r, action: FailJobSet}, {name: r, action: RestartJobSet}]}}`,
			want: `spec.failurePolicy.rules[1].name: Duplicate value: "r"`,
		},
		"TooMany": {
			why:  "Kubernetes counts pods in 32 bits.",
			spec: `{replicatedJobs: [{name: a, replicas: 100000, template: {spec: {parallelism: 100000}}}]}`,
			want: `spec.replicatedJobs[0].replicas: Invalid value: 100000: replicas times parallelism must not be above 2147483647`,
		},
		"Subdomain": {
			why:  "The subdomain is the name of a service.",
			spec: `{network: {subdomain: a.b}, replicatedJobs: [{name: a, replicas: 1, template: {}}]}`,
			want: `spec.network.subdomain: Invalid value: "a.b": it is the name of a service: use lower-case letters, digits and '-', beginning with a letter, at most 63`,
		},
		"Manager": {
			why:  "A manager is named with its domain.",
			spec: `{managedBy: me, replicatedJobs: [{name: a, replicas: 1, template: {}}]}`,
			want: `spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")`,
		},
		"Coordinator": {
			why:  "The coordinator is one of the pods there are.",
			spec: `{replicatedJobs: [{name: a, replicas: 1, template: {spec: {completions: 2}}}], coordinator: {replicatedJob: a, podIndex: 2}}`,
			want: `spec.coordinator.podIndex: Invalid value: 2: Job 0 of "a" has 2 completions: give an index below that`,
		},
		"Exclusive": {
			why:       "Placing a Job alone in a topology takes webhooks of pods that are not here, unless nodes are labelled.",
			spec:      `{replicatedJobs: [{name: a, replicas: 1, template: {}}]}`,
			annotated: map[string]string{jobsetv1alpha2.ExclusiveKey: "rack"},
			want: `metadata.annotations[alpha.jobset.sigs.k8s.io/exclusive-topology]: Forbidden: pods are not placed by it here: ` +
				`label the nodes and add the annotation alpha.jobset.sigs.k8s.io/node-selector, which is served`,
		},
		"ExclusiveByLabels": {
			why:       "The other way needs no webhooks.",
			spec:      `{replicatedJobs: [{name: a, replicas: 1, template: {}}]}`,
			annotated: map[string]string{jobsetv1alpha2.ExclusiveKey: "rack", jobsetv1alpha2.NodeSelectorStrategyKey: "true"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			js := jobSetOf(t, tc.spec)
			js.Annotations = tc.annotated
			jobset.Default(js)
			got := ""
			if err := jobset.Validate(js).ToAggregate(); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("%s\n got %s\nwant %s", tc.why, got, tc.want)
			}
		})
	}
}

// Whatever is left out, a JobSet is judged and not fallen over.
func TestValidateEmpty(t *testing.T) {
	for _, spec := range []string{`{}`, `{replicatedJobs: [{name: a, template: {}}]}`, `{coordinator: {replicatedJob: a}}`, `{failurePolicy: {}, successPolicy: {operator: All}}`} {
		js := jobSetOf(t, spec)
		jobset.Validate(js)
		jobset.ValidateUpdate(js, &jobsetv1alpha2.JobSet{})
		jobset.ValidateUpdate(&jobsetv1alpha2.JobSet{}, js)
	}
}

func TestValidateUpdate(t *testing.T) {
	cases := map[string]struct {
		why       string
		suspended bool
		change    func(*jobsetv1alpha2.JobSet)
		refused   bool
	}{
		"Nothing": {
			why: "Status and labels change all the time.", change: func(*jobsetv1alpha2.JobSet) {},
		},
		"Resume": {
			why: "A JobSet may be resumed.", suspended: true, change: func(js *jobsetv1alpha2.JobSet) { js.Spec.Suspend = new(false) },
		},
		"NodesWhileSuspended": {
			why: "A queue chooses nodes before it resumes.", suspended: true,
			change: func(js *jobsetv1alpha2.JobSet) {
				js.Spec.Suspend = new(false)
				js.Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.NodeSelector = map[string]string{"zone": "a"}
			},
		},
		"Nodes": {
			why: "Pods that run cannot be moved.", refused: true,
			change: func(js *jobsetv1alpha2.JobSet) {
				js.Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.NodeSelector = map[string]string{"zone": "a"}
			},
		},
		"ImageWhileSuspended": {
			why: "What runs stays the same.", suspended: true, refused: true,
			change: func(js *jobsetv1alpha2.JobSet) {
				js.Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.Containers = []corev1.Container{{Name: "b"}}
			},
		},
		"OneMoreWhileSuspended": {
			why: "So does how many there are.", suspended: true, refused: true,
			change: func(js *jobsetv1alpha2.JobSet) {
				js.Spec.ReplicatedJobs = append(js.Spec.ReplicatedJobs, jobsetv1alpha2.ReplicatedJob{Name: "b", Template: batchv1.JobTemplateSpec{}})
			},
		},
		"Manager": {
			why: "Whoever looks after it does so to the end.", refused: true,
			change: func(js *jobsetv1alpha2.JobSet) { js.Spec.ManagedBy = new("acme.io/queue") },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := jobSetOf(t, `{replicatedJobs: [{name: a, replicas: 1, template: {}}]}`)
			before.Spec.Suspend = &tc.suspended
			now := before.DeepCopy()
			tc.change(now)
			if problems := jobset.ValidateUpdate(now, before); (len(problems) > 0) != tc.refused {
				t.Errorf("%s: %v", tc.why, problems.ToAggregate())
			}
		})
	}
}
