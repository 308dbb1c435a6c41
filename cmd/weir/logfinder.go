package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/explain"
)

// A logFinder finds the logs of an object: those of its pods that exist, from
// the API server, and those of its pods that are gone, from what is kept.
type logFinder struct {
	target  target
	options logOptions
	store   *podlogs.Store
	source  explain.Source // without a Reader when no weir runs
	offline error          // why none does
	mirror  *mirror        // brings the logs of another cluster to the store; else nil

	chosen map[string]podlogs.Log // the last that find returned, by pod and container
}

// foundLogs is what find found that is new.
type foundLogs struct {
	logs     []podlogs.Log
	replicas []string // that there are or will be, if the object says so
	ended    bool     // nothing will be added by pods to come
}

// find returns the logs to print: of each container the last, or with
// --previous the one before, and when called again those that came since.
func (f *logFinder) find(ctx context.Context) (foundLogs, error) {
	o, err := f.object(ctx)
	if err != nil {
		return foundLogs{}, err
	}
	pods, err := f.pods(ctx, o)
	if err != nil {
		return foundLogs{}, err
	}
	if o == nil && len(pods) == 0 {
		if f.offline != nil {
			return foundLogs{}, fmt.Errorf("no logs of %s are kept, and %w", f.target, f.offline)
		}
		return foundLogs{}, fmt.Errorf("%s, and no logs of it are kept", notFound(f.target))
	}
	wanted := slices.DeleteFunc(slices.Clone(pods), func(p podlogs.Pod) bool { return !f.wants(p) })
	if len(pods) > 0 && len(wanted) == 0 && !f.options.follow {
		return foundLogs{}, fmt.Errorf("%s has no replica %s; it has %s", f.target, strings.Join(f.options.replicas, ", "), strings.Join(f.replicasOf(pods), ", "))
	}
	logs, err := f.logsOf(wanted)
	return foundLogs{logs: f.choose(logs), replicas: f.announced(o), ended: o == nil || hasEnded(o)}, err
}

// announced are the replicas that a training job says it has, whose pods may be
// still to come. Only those that are asked for are among them.
func (f *logFinder) announced(o *unstructured.Unstructured) []string {
	if o == nil {
		return nil
	}
	var all []string
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	for field, value := range spec {
		types, ok := value.(map[string]any)
		if !ok || !strings.HasSuffix(field, "ReplicaSpecs") {
			continue
		}
		for _, t := range slices.Sorted(maps.Keys(types)) {
			count, said, err := unstructured.NestedInt64(types, t, "replicas")
			if err != nil || !said {
				count = 1
			}
			for i := range count {
				pod := podlogs.Pod{Name: fmt.Sprintf("%s-%s-%d", o.GetName(), strings.ToLower(t), i)}
				if f.wants(pod) {
					all = append(all, f.replica(pod.Name))
				}
			}
		}
	}
	return all
}

// object reads the object; it is nil when it does not exist, or nobody can say.
func (f *logFinder) object(ctx context.Context) (*unstructured.Unstructured, error) {
	if f.source.Reader == nil {
		return nil, nil
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(f.target.kind)
	err := f.source.Reader.Get(ctx, f.target.key(), o)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.target, err)
	}
	return o, nil
}

// pods returns the object's pods, those that are gone among them.
func (f *logFinder) pods(ctx context.Context, o *unstructured.Unstructured) ([]podlogs.Pod, error) {
	var pods []podlogs.Pod
	isPod := f.target.kind == corev1.SchemeGroupVersion.WithKind("Pod")
	switch {
	case o != nil && isPod:
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &pod); err != nil {
			return nil, fmt.Errorf("read %s: %w", f.target, err)
		}
		if err := f.bring(ctx, []corev1.Pod{pod}); err != nil {
			return nil, err
		}
		pods = append(pods, podlogs.Pod{Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID()), Created: o.GetCreationTimestamp().Time})
	case o != nil:
		live, err := explain.PodsOf(ctx, f.source, o)
		if err != nil {
			return nil, err
		}
		if err := f.bring(ctx, live); err != nil {
			return nil, err
		}
		for _, p := range live {
			pods = append(pods, podlogs.Pod{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Created: p.CreationTimestamp.Time})
		}
	}
	isGone := func(p podlogs.Pod) bool {
		if o != nil && !isPod && p.Created.Before(o.GetCreationTimestamp().Add(-time.Second)) {
			return false // An object of this name before this one may have had it.
		}
		return !slices.ContainsFunc(pods, func(q podlogs.Pod) bool { return q.UID == p.UID })
	}
	gone, err := f.kept(ctx, isPod, isGone)
	return append(pods, gone...), err
}

// bring copies the logs of pods to the store, if they are not kept there anyway.
func (f *logFinder) bring(ctx context.Context, pods []corev1.Pod) error {
	if f.mirror == nil {
		return nil
	}
	return f.mirror.copy(ctx, slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool { return !f.wants(podlogs.Pod{Name: p.Name}) }))
}

func (f *logFinder) close() {
	if f.mirror != nil {
		f.mirror.close()
	}
}

// kept returns the pods that are gone and of which logs are kept.
func (f *logFinder) kept(ctx context.Context, isPod bool, isGone func(podlogs.Pod) bool) ([]podlogs.Pod, error) {
	name, of := "", f.labels()
	var all []podlogs.Pod
	var err error
	if isPod {
		name = f.target.name
		all, err = f.store.FindNamed(f.target.namespace, name)
	} else if of != nil {
		all, err = f.store.Find(f.target.namespace, labels.SelectorFromSet(of))
	}
	if err == nil && f.mirror != nil {
		var gone []podlogs.Pod
		gone, err = f.mirror.copyGone(ctx, f.target.namespace, name, of, func(p podlogs.Pod) bool { return isGone(p) && f.wants(p) })
		all = append(all, gone...)
	}
	slices.SortFunc(all, func(a, b podlogs.Pod) int { return cmp.Compare(a.UID, b.UID) })
	all = slices.CompactFunc(all, func(a, b podlogs.Pod) bool { return a.UID == b.UID })
	return slices.DeleteFunc(all, func(p podlogs.Pod) bool { return !isGone(p) }), err
}

// labels are those of the object's pods; nil of one whose pods that are gone are of
// no interest, as a Deployment's: there may be many.
func (f *logFinder) labels() labels.Set {
	switch kind := f.target.kind; {
	case kind.Group == "batch" && kind.Kind == "Job":
		return labels.Set{"batch.kubernetes.io/job-name": f.target.name}
	case kind.Group == "kubeflow.org" && kind.Kind == "MPIJob":
		return labels.Set{"training.kubeflow.org/job-name": f.target.name}
	case isJobSet(kind):
		return labels.Set{"jobset.sigs.k8s.io/jobset-name": f.target.name}
	case kind.Group == "kubeflow.org":
		return labels.Set{
			"training.kubeflow.org/job-name":      f.target.name,
			"training.kubeflow.org/operator-name": strings.ToLower(kind.Kind) + "-controller",
		}
	}
	return nil
}

// isJobSet is whether the pods of a kind are a JobSet's: that of a TrainJob has
// its name.
func isJobSet(kind schema.GroupVersionKind) bool {
	return kind.Kind == "JobSet" || kind.Kind == "TrainJob"
}

// replica is what a pod is called among the pods of its job: "worker-1", or
// "node-0-1" in a JobSet, without the random letters after it. Pods of other
// kinds have no name but their own: what follows their owner's is random.
func (f *logFinder) replica(pod string) string {
	name, ours := strings.CutPrefix(pod, f.target.name+"-")
	switch kind := f.target.kind; {
	case !ours:
	case isJobSet(kind) && strings.Contains(name, "-"):
		return name[:strings.LastIndexByte(name, '-')]
	case kind.Group == "kubeflow.org":
		return name
	}
	return pod
}

func (f *logFinder) wants(p podlogs.Pod) bool {
	return len(f.options.replicas) == 0 || slices.Contains(f.options.replicas, f.replica(p.Name)) || slices.Contains(f.options.replicas, p.Name)
}

func (f *logFinder) replicasOf(pods []podlogs.Pod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, f.replica(p.Name))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// logsOf returns the logs of pods in the order in which they began.
func (f *logFinder) logsOf(pods []podlogs.Pod) ([]podlogs.Log, error) {
	var all []podlogs.Log
	for _, p := range pods {
		logs, err := f.store.Logs(p)
		if err != nil {
			return nil, err
		}
		for _, l := range logs {
			if f.options.container == "" || f.options.container == l.Container {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b podlogs.Log) int { return cmp.Or(cmp.Compare(a.Pod.Name, b.Pod.Name), inTime(a, b)) })
	return all, nil
}

// inTime orders the logs of one container: first by the pods of its name that
// there were, then by how often it was started in each. When a pod was created is
// known to the second while it exists, and better once it is gone.
func inTime(a, b podlogs.Log) int {
	if a.Pod.UID == b.Pod.UID {
		return cmp.Compare(a.Attempt, b.Attempt)
	}
	return cmp.Or(a.Pod.Created.Compare(b.Pod.Created), cmp.Compare(a.Pod.UID, b.Pod.UID))
}

// choose takes from all logs those to print now, which have not been chosen
// before.
func (f *logFinder) choose(all []podlogs.Log) []podlogs.Log {
	bySource := map[string][]podlogs.Log{}
	var order []string
	for _, l := range all {
		key := l.Pod.Name + "/" + l.Container
		if bySource[key] == nil {
			order = append(order, key)
		}
		bySource[key] = append(bySource[key], l)
	}
	var now []podlogs.Log
	for _, key := range order {
		logs := bySource[key]
		if last, begun := f.chosen[key]; begun {
			logs = slices.DeleteFunc(logs, func(l podlogs.Log) bool { return inTime(l, last) <= 0 })
		} else if f.options.previous {
			logs = logs[max(0, len(logs)-2) : len(logs)-1]
		} else {
			logs = logs[len(logs)-1:]
		}
		if len(logs) > 0 {
			f.chosen[key] = logs[len(logs)-1]
			now = append(now, logs...)
		}
	}
	return now
}

// whyNothing says why there is nothing to print.
func (f *logFinder) whyNothing(ctx context.Context) string {
	switch {
	case f.options.previous:
		return fmt.Sprintf("no container of %s was started more than once", f.target)
	case f.options.container != "":
		return fmt.Sprintf("no container %q of %s has printed anything", f.options.container, f.target)
	case f.source.Reader == nil:
		return fmt.Sprintf("no logs of %s are kept", f.target)
	}
	e, err := explain.Of(ctx, f.source, f.target.kind, f.target.namespace, f.target.name)
	if err != nil {
		return fmt.Sprintf("%s has printed nothing", f.target)
	}
	return fmt.Sprintf("%s has printed nothing yet. %s", f.target, e.Sentence)
}

// hasEnded is whether an object will have no more pods.
func hasEnded(o *unstructured.Unstructured) bool {
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	if o.GetKind() == "Pod" {
		return phase == string(corev1.PodSucceeded) || phase == string(corev1.PodFailed)
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(item any) bool {
		c, _ := item.(map[string]any)
		kind, _ := c["type"].(string)
		return c["status"] == "True" && slices.Contains([]string{"Succeeded", "Failed", "Complete"}, kind)
	})
}
