package job

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// What frameworks tell replicas of each other.

// Host is the name that a replica is found by in its namespace.
func Host(j training.Job, r Replica) string {
	return training.ReplicaName(j.GetName(), r.Type, r.Index)
}

// Port is the number of a named port of a container, which the replicas of a
// type call each other on. A job that has its defaults has it; 0 is for a type
// that the job has no replicas of.
func Port(j training.Job, t training.ReplicaType, container, name string) int32 {
	s := j.Replicas()[t]
	if s == nil {
		return 0
	}
	for _, c := range s.Template.Spec.Containers {
		if c.Name != container {
			continue
		}
		for _, p := range c.Ports {
			if p.Name == name {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// Wanted is how many replicas of some types a job should have; of all types if
// none is named.
func Wanted(j training.Job, types ...training.ReplicaType) int {
	if len(types) == 0 {
		types = slices.Collect(maps.Keys(j.Replicas()))
	}
	n := 0
	for _, t := range types {
		if s := j.Replicas()[t]; s != nil {
			n += int(*s.Replicas)
		}
	}
	return n
}

// Rank is a replica's place among all of a job, counted type by type in the
// order given.
func Rank(j training.Job, r Replica, order ...training.ReplicaType) int {
	before := order[:max(0, slices.Index(order, r.Type))]
	if len(before) == 0 {
		return r.Index
	}
	return Wanted(j, before...) + r.Index
}

// Tell puts variables into every container of a pod, behind its own.
func Tell(pod *corev1.PodTemplateSpec, variables ...corev1.EnvVar) {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.Env = append(c.Env, variables...)
	}
}
