package job

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A gang is a scheduler that starts all pods of a job or none, by its name:
// volcano, or one made with Kubernetes' scheduler plugins. Each learns from a
// PodGroup which pods those are. The empty name is none.
type gang string

const volcano gang = "volcano"

// kind is the kind of the scheduler's PodGroups.
func (g gang) kind() schema.GroupVersionKind {
	if g == volcano {
		return schema.GroupVersionKind{Group: "scheduling.volcano.sh", Version: "v1beta1", Kind: "PodGroup"}
	}
	return schema.GroupVersionKind{Group: "scheduling.x-k8s.io", Version: "v1alpha1", Kind: "PodGroup"}
}

// group is the PodGroup that a job should have, given the one it has, if any,
// and what the priority classes of its pods are worth.
func (g gang) group(t Traits, j training.Job, there *unstructured.Unstructured, priorities map[string]int32) *unstructured.Unstructured {
	policy := j.Policy().SchedulingPolicy
	if policy == nil {
		policy = &training.SchedulingPolicy{}
	}
	members := membersOf(j)
	resources := map[string]any{}
	if policy.MinResources != nil {
		for name, q := range *policy.MinResources {
			resources[string(name)] = q.String()
		}
	} else {
		for name, q := range needs(j, members, priorities) {
			resources[string(name)] = q.String()
		}
	}

	spec := map[string]any{"minMember": int64(members), "minResources": resources}
	if g == volcano {
		queue := policy.Queue
		if queue == "" {
			queue = "default"
		}
		if there != nil { // A queue that the scheduler's people chose is theirs.
			if q, ok, _ := unstructured.NestedString(there.Object, "spec", "queue"); ok && q != "" {
				queue = q
			}
		}
		spec["queue"] = queue
		if policy.PriorityClass != "" {
			spec["priorityClassName"] = policy.PriorityClass
		}
	} else if policy.ScheduleTimeoutSeconds != nil {
		spec["scheduleTimeoutSeconds"] = int64(*policy.ScheduleTimeoutSeconds)
	}

	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(g.kind())
	u.SetNamespace(j.GetNamespace())
	u.SetName(j.GetName())
	u.SetOwnerReferences([]metav1.OwnerReference{owner(j, t.Kind)})
	if there != nil {
		u.SetResourceVersion(there.GetResourceVersion())
	}
	return u
}

// membersOf is how many pods a job's group has at least.
func membersOf(j training.Job) int32 {
	if p := j.Policy().SchedulingPolicy; p != nil && p.MinAvailable != nil {
		return *p.MinAvailable
	}
	return int32(len(replicasOf(j)))
}

// same tells whether a PodGroup is as it should be.
func same(there, want *unstructured.Unstructured) bool {
	return there != nil && equality.Semantic.DeepEqual(there.Object["spec"], want.Object["spec"])
}

// admits tells whether pods may be made: a PodGroup is there and, for volcano,
// has left its queue's waiting room.
func (g gang) admits(there *unstructured.Unstructured) bool {
	if there == nil {
		return false
	}
	phase, _, _ := unstructured.NestedString(there.Object, "status", "phase")
	return g != volcano || phase != "" && phase != "Pending"
}

// join makes a pod a member of its job's group. A scheduler that the user chose
// stays.
func (g gang) join(pod *corev1.Pod, job string, t training.ReplicaType) {
	if g == "" {
		return
	}
	if pod.Spec.SchedulerName == "" {
		pod.Spec.SchedulerName = string(g)
	}
	if g != volcano {
		pod.Labels["scheduling.x-k8s.io/pod-group"] = job
		return
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations["scheduling.k8s.io/group-name"] = job
	pod.Annotations["volcano.sh/task-spec"] = strings.ToLower(string(t))
}

// joinTemplate makes the pods of a template members of their job's group.
func (g gang) joinTemplate(t *corev1.PodTemplateSpec, job string, r training.ReplicaType) {
	pod := &corev1.Pod{ObjectMeta: t.ObjectMeta, Spec: t.Spec}
	g.join(pod, job, r)
	t.ObjectMeta, t.Spec = pod.ObjectMeta, pod.Spec
}

// otherScheduler speaks of a scheduler in a template that knows no gangs.
func (g gang) otherScheduler(j training.Job) (notice, bool) {
	for _, s := range j.Replicas() {
		if name := s.Template.Spec.SchedulerName; g != "" && name != "" && name != string(g) {
			return notice{
				kind: corev1.EventTypeWarning, reason: "SetPodTemplateSchedulerName", action: "Create",
				message: "Another scheduler is specified when gang-scheduling is enabled and it will not be overwritten",
			}, true
		}
	}
	return notice{}, false
}

// needs is what so many pods of a job ask for, those of higher priority first.
func needs(j training.Job, members int32, priorities map[string]int32) corev1.ResourceList {
	worth := func(t training.ReplicaType) int32 {
		return priorities[j.Replicas()[t].Template.Spec.PriorityClassName]
	}
	types := slices.Sorted(maps.Keys(j.Replicas()))
	slices.SortStableFunc(types, func(a, b training.ReplicaType) int { return int(worth(b)) - int(worth(a)) })

	sum := corev1.ResourceList{}
	for _, t := range types {
		n := min(members, *j.Replicas()[t].Replicas)
		members -= n
		for _, c := range j.Replicas()[t].Template.Spec.Containers {
			asked := c.Resources.Requests
			if asked == nil {
				asked = c.Resources.Limits
			}
			for name, q := range asked {
				total := sum[name]
				for range n {
					total.Add(q)
				}
				sum[name] = total
			}
		}
	}
	return sum
}
