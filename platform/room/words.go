package room

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Names are the resources of a list, the scarcest first: a GPU before memory,
// memory before cpu.
func Names(list corev1.ResourceList) []corev1.ResourceName {
	known := map[corev1.ResourceName]string{corev1.ResourceMemory: "1", corev1.ResourceCPU: "2", corev1.ResourceEphemeralStorage: "3", corev1.ResourcePods: "4"}
	order := func(name corev1.ResourceName) string { return cmp.Or(known[name], "0"+string(name)) }
	return slices.SortedFunc(maps.Keys(list), func(a, b corev1.ResourceName) int { return cmp.Compare(order(a), order(b)) })
}

// AmountOf is an amount with what it is of, as "2Gi of memory".
func AmountOf(name corev1.ResourceName, q resource.Quantity) string {
	switch {
	case name == corev1.ResourceCPU:
		return Amount(name, q) + " cpu"
	case name == corev1.ResourceMemory:
		return Amount(name, q) + " of memory"
	case name == corev1.ResourceEphemeralStorage:
		return Amount(name, q) + " of disk"
	}
	return fmt.Sprintf("%s %s", Amount(name, q), name)
}

// Amount is the figure alone, as people say it.
func Amount(name corev1.ResourceName, q resource.Quantity) string {
	if name != corev1.ResourceMemory && name != corev1.ResourceEphemeralStorage {
		if name == corev1.ResourceCPU && q.MilliValue()%1000 != 0 {
			return fmt.Sprintf("%.4g", float64(q.MilliValue())/1000)
		}
		return q.String()
	}
	const mi, gi = 1 << 20, 1 << 30
	switch b := q.Value(); {
	case b >= gi:
		return fmt.Sprintf("%.4gGi", float64(b)/gi)
	case b >= mi:
		return fmt.Sprintf("%.4gMi", float64(b)/mi)
	}
	return q.String()
}
