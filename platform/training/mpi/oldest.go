package mpi

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/api/training/v1alpha1"
)

const gpu = corev1.ResourceName("nvidia.com/gpu")

// triesOfOldest is how often a job of v1alpha1 is tried again, unless it says.
const triesOfOldest = 6

// upward says in replicas what a job of v1alpha1 asks for: a launcher that has
// no processing units, and workers that share them.
func upward(old v1alpha1.MPIJobSpec) (training.MPIJobSpec, error) {
	workers, units, err := share(old)
	if err != nil {
		return training.MPIJobSpec{}, err
	}
	slots := old.SlotsPerWorker
	if slots == nil && units > 0 {
		slots = &units
	}
	tries := old.BackoffLimit
	if tries == nil {
		tries = new(int32(triesOfOldest))
	}
	return training.MPIJobSpec{
		SlotsPerWorker: slots,
		RunPolicy: training.RunPolicy{
			CleanPodPolicy: new(training.CleanPodRunning), BackoffLimit: tries, ActiveDeadlineSeconds: old.ActiveDeadlineSeconds,
		},
		MPIReplicaSpecs: map[training.ReplicaType]*training.ReplicaSpec{
			training.MPIReplicaLauncher: {Replicas: new(int32(1)), RestartPolicy: training.RestartOnFailure, Template: *launcherOfOldest(old)},
			training.MPIReplicaWorker:   {Replicas: &workers, RestartPolicy: training.RestartAlways, Template: *workerOfOldest(old, units)},
		},
	}, nil
}

// share says how many workers there are, and how many units each has.
func share(old v1alpha1.MPIJobSpec) (workers, units int32, err error) {
	total, perNode, name := old.ProcessingUnits, old.ProcessingUnitsPerNode, "processingUnits"
	if old.GPUs != nil {
		if total != nil {
			return 0, 0, fmt.Errorf("spec.gpus is %d and spec.processingUnits is %d: keep one of the two", *old.GPUs, *total)
		}
		total, perNode, name = old.GPUs, old.GPUsPerNode, "gpus"
	}
	if total == nil {
		if old.Replicas != nil {
			workers = *old.Replicas
		}
		return workers, unitsOf(old), nil
	}
	if old.Replicas != nil {
		return 0, 0, fmt.Errorf("spec.%s is %d and spec.replicas is %d: keep one of the two", name, *total, *old.Replicas)
	}
	most := int32(1)
	if perNode != nil {
		most = *perNode
	}
	switch {
	case *total < 1 || most < 1:
		return 0, 0, fmt.Errorf("spec.%[1]s is %[2]d, of which spec.%[1]sPerNode puts %[3]d on a node: give 1 or more for each", name, *total, most)
	case *total < most:
		return 1, *total, nil
	case *total%most != 0:
		return 0, 0, fmt.Errorf("spec.%[1]s is %[2]d, which is no multiple of spec.%[1]sPerNode, %[3]d: change one of the two", name, *total, most)
	}
	return *total / most, most, nil
}

// unitsOf is how many units a template asks for by itself.
func unitsOf(old v1alpha1.MPIJobSpec) int32 {
	if len(old.Template.Spec.Containers) == 0 {
		return 0
	}
	q, ok := old.Template.Spec.Containers[0].Resources.Limits[unit(old)]
	if !ok {
		return 0
	}
	n, _ := q.AsInt64() // Part of a unit is none.
	return int32(n)
}

// unit is what is counted.
func unit(old v1alpha1.MPIJobSpec) corev1.ResourceName {
	if old.ProcessingResourceType == string(corev1.ResourceCPU) && old.GPUs == nil {
		return corev1.ResourceCPU
	}
	return gpu
}

func launcherOfOldest(old v1alpha1.MPIJobSpec) *corev1.PodTemplateSpec {
	t := old.Template.DeepCopy()
	if len(t.Spec.Containers) > 0 {
		r := t.Spec.Containers[0].Resources
		delete(r.Limits, gpu)
		delete(r.Requests, gpu)
	}
	if old.LauncherOnMaster {
		var terms []corev1.NodeSelectorTerm
		for _, role := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"} {
			t.Spec.Tolerations = append(t.Spec.Tolerations, corev1.Toleration{Key: role, Effect: corev1.TaintEffectNoSchedule})
			terms = append(terms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: role, Operator: corev1.NodeSelectorOpExists}}})
		}
		t.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms},
		}}
	}
	return t
}

// workerOfOldest waits for what the launcher starts in it, whatever the template
// runs.
func workerOfOldest(old v1alpha1.MPIJobSpec, units int32) *corev1.PodTemplateSpec {
	t := old.Template.DeepCopy()
	if len(t.Spec.Containers) == 0 {
		return t
	}
	c := &t.Spec.Containers[0]
	c.Command, c.Args = nil, nil
	if units > 0 {
		if c.Resources.Limits == nil {
			c.Resources.Limits = corev1.ResourceList{}
		}
		c.Resources.Limits[unit(old)] = *resource.NewQuantity(int64(units), resource.DecimalSI)
	}
	return t
}

// downward says of replicas what v1alpha1 can: how many workers there are, and
// what the launcher runs.
func downward(s training.MPIJobSpec) (v1alpha1.MPIJobSpec, error) {
	old := v1alpha1.MPIJobSpec{
		SlotsPerWorker: s.SlotsPerWorker, BackoffLimit: s.RunPolicy.BackoffLimit, ActiveDeadlineSeconds: s.RunPolicy.ActiveDeadlineSeconds,
	}
	if w := s.MPIReplicaSpecs[training.MPIReplicaWorker]; w != nil {
		old.Replicas = w.Replicas
	}
	if l := s.MPIReplicaSpecs[training.MPIReplicaLauncher]; l != nil {
		old.Template = l.Template
	}
	return old, nil
}
