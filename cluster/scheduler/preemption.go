package scheduler

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// preemptionName is what profiles call our preemption: upstream's name is taken.
const preemptionName = "Preemption"

// preemption is upstream's, but for a pod that no other has to give way to, as
// where all have one priority. Upstream tries those too, on a copy of all that is
// known of a node: of a thousand pods that takes 15 ms and more, each time that a
// pod which waits is tried again.
type preemption struct {
	*defaultpreemption.DefaultPreemption
	handle fwk.Handle
	places places
}

// preempt has profiles use our preemption in place of upstream's, as that was to
// be set up, and returns how it is made.
func preempt(profiles []config.KubeSchedulerProfile) frameworkruntime.Registry {
	var args runtime.Object
	for _, p := range profiles {
		for i := range p.Plugins.MultiPoint.Enabled {
			if plugin := &p.Plugins.MultiPoint.Enabled[i]; plugin.Name == defaultpreemption.Name {
				plugin.Name = preemptionName
			}
		}
		for _, c := range p.PluginConfig {
			if c.Name == defaultpreemption.Name {
				args = c.Args
			}
		}
	}
	features := feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	return frameworkruntime.Registry{preemptionName: func(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		upstream, err := defaultpreemption.New(ctx, args, handle, features)
		if err != nil {
			return nil, fmt.Errorf("set up preemption: %w", err)
		}
		return &preemption{DefaultPreemption: upstream, handle: handle}, nil
	}}
}

// Name is what profiles call it.
func (*preemption) Name() string { return preemptionName }

// PostFilter looks for pods to take away, for one that found no place.
func (p *preemption) PostFilter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, tried fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	upstream := func() (*fwk.PostFilterResult, *fwk.Status) {
		return p.DefaultPreemption.PostFilter(ctx, state, pod, tried)
	}
	if pod.Status.NominatedNodeName != "" || pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == corev1.PreemptNever {
		return upstream() // It has more to say of these.
	}
	lister := p.handle.MutableSnapshotSharedLister().NodeInfos()
	all, err := lister.List()
	if err != nil {
		return upstream()
	}
	full, err := tried.NodesForStatusCode(lister, fwk.Unschedulable)
	if err != nil || len(full) == 0 || slices.ContainsFunc(full, func(n fwk.NodeInfo) bool { return p.places.giveWay(n, pod) }) {
		return upstream()
	}

	// What follows is what upstream says and counts.
	metrics.PreemptionAttempts.Inc()
	statuses := framework.NewDefaultNodeToStatus()
	for _, n := range full {
		statuses.Set(n.Node().Name, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "No preemption victims found for incoming pod"))
	}
	statuses.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "Preemption is not helpful for scheduling"))
	why := &framework.FitError{Pod: pod, NumAllNodes: len(all), Diagnosis: framework.Diagnosis{NodeToStatus: statuses}}
	return framework.NewPostFilterResultWithNominatedNode(""), fwk.NewStatus(fwk.Unschedulable, "preemption: "+why.Error())
}

// places are what is known of the pods of nodes. The zero value is ready.
type places struct {
	mu  sync.Mutex
	all map[string]place // of each node
}

// A place is a node as it was at one time.
type place struct {
	generation int64
	least      int32 // priority of its pods
	groups     bool  // whether it has pods of groups
}

// giveWay is whether a node may have pods that would give way to one: those that
// matter less. A group's priority may be another than its pods'. Hundreds of pods
// may wait for a node, so its pods are gone through once for all of them.
func (p *places) giveWay(n fwk.NodeInfo, to *corev1.Pod) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := n.Node().Name
	at, known := p.all[name]
	if !known || at.generation != n.GetGeneration() {
		at = placeOf(n)
		if p.all == nil {
			p.all = map[string]place{}
		}
		p.all[name] = at
	}
	return at.groups || at.least < corev1helpers.PodPriority(to)
}

func placeOf(n fwk.NodeInfo) place {
	at := place{generation: n.GetGeneration(), least: math.MaxInt32}
	for _, each := range n.GetPods() {
		pod := each.GetPod()
		at.least = min(at.least, corev1helpers.PodPriority(pod))
		at.groups = at.groups || pod.Spec.SchedulingGroup != nil
	}
	return at
}
