package trainjob

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/component-helpers/resource"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// The kinds by which schedulers are told of pods that start together.
var (
	groupCoscheduling = schema.GroupVersionKind{Group: "scheduling.x-k8s.io", Version: "v1alpha1", Kind: "PodGroup"}
	groupVolcano      = schema.GroupVersionKind{Group: "scheduling.volcano.sh", Version: "v1beta1", Kind: "PodGroup"}
)

// What tells a pod's group to its scheduler.
const (
	labelCoscheduling = "scheduling.x-k8s.io/pod-group"
	annotationVolcano = "scheduling.k8s.io/group-name"
	annotationQueue   = "scheduling.volcano.sh/queue-name"
)

// schedulerVolcano is what Volcano calls itself, if nobody says otherwise.
const schedulerVolcano = "volcano"

// gang puts the pods into a group of which all start or none. installed are the
// groups of kinds that the cluster has.
func (d *draft) gang(p *trainer.PodGroupPolicy, installed []string) (*unstructured.Unstructured, error) {
	kind, who := groupCoscheduling, "Kubernetes' scheduler plugins"
	switch {
	case p.Volcano != nil:
		kind, who = groupVolcano, "Volcano"
	case p.Coscheduling == nil:
		return nil, nil
	}
	if !slices.Contains(installed, kind.Group) {
		return nil, fmt.Errorf("the runtime has its pods started together by %s, whose PodGroups (%s) this cluster does not have: "+
			"install it, or name a runtime without spec.podGroupPolicy", who, kind.Group)
	}

	var members int32
	needs := corev1.ResourceList{}
	priority := ""
	for _, job := range d.together() {
		pod := &job.Template.Spec.Template
		if kind == groupVolcano {
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, annotationVolcano, d.job.Name)
			if pod.Spec.SchedulerName == "" {
				pod.Spec.SchedulerName = schedulerVolcano
			}
		} else {
			metav1.SetMetaDataLabel(&pod.ObjectMeta, labelCoscheduling, d.job.Name)
		}
		n := *job.Template.Spec.Parallelism * job.Replicas
		members += n
		for name, q := range resource.PodRequests(&corev1.Pod{Spec: pod.Spec}, resource.PodResourcesOptions{}) {
			sum := needs[name]
			q.Mul(int64(n))
			sum.Add(q)
			needs[name] = sum
		}
		if c := pod.Spec.PriorityClassName; c != "" {
			priority = c
		}
	}

	spec := map[string]any{"minMember": int64(members)}
	if len(needs) > 0 {
		least := map[string]any{}
		for name, q := range needs {
			least[string(name)] = q.String()
		}
		spec["minResources"] = least
	}
	if kind == groupVolcano {
		if q := d.meta.Annotations[annotationQueue]; q != "" {
			spec["queue"] = q
		}
		if priority != "" {
			spec["priorityClassName"] = priority
		}
		if t := p.Volcano.NetworkTopology; t != nil {
			near := map[string]any{}
			if t.Mode != "" {
				near["mode"] = t.Mode
			}
			if t.HighestTierAllowed != nil {
				near["highestTierAllowed"] = int64(*t.HighestTierAllowed)
			}
			spec["networkTopology"] = near
		}
	} else if s := p.Coscheduling.ScheduleTimeoutSeconds; s != nil {
		spec["scheduleTimeoutSeconds"] = int64(*s)
	}
	group := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	group.SetGroupVersionKind(kind)
	group.SetName(d.job.Name)
	return group, nil
}

// together are the jobs whose pods can start at once. Those that end before
// others begin cannot, as initializers, nor those that begin when others are
// ready, as MPI's launcher: a group of all would wait for itself.
func (d *draft) together() []*jobsetv1alpha2.ReplicatedJob {
	before := map[string]bool{}
	for _, r := range d.spec.ReplicatedJobs {
		for _, on := range r.DependsOn {
			before[on.Name] = before[on.Name] || on.Status == jobsetv1alpha2.DependencyComplete
		}
	}
	var all []*jobsetv1alpha2.ReplicatedJob
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		after := slices.ContainsFunc(r.DependsOn, func(on jobsetv1alpha2.DependsOn) bool { return on.Status == jobsetv1alpha2.DependencyReady })
		if !before[r.Name] && !after {
			all = append(all, r)
		}
	}
	return all
}
