package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// world is everything that was read of a job's belongings.
type world struct {
	pods []*corev1.Pod
	// before are pods of earlier rounds, which are no longer the job's replicas.
	before []*corev1.Pod
	// relic is the runner of an earlier round.
	relic *batchv1.Job
	// door is what a job that waits to be let in was told, if it asked.
	door     *answer
	services []*metav1.PartialObjectMetadata
	// delegated are the pods of the framework's batch Job, if it has one.
	delegated []*corev1.Pod
	// furniture is what the framework keeps, each with its kind.
	furniture []client.Object
	// group is the job's PodGroup and priorities what priority classes are
	// worth, where a gang scheduler wants to know.
	group      *unstructured.Unstructured
	priorities map[string]int32
}

// replicasOf are the places of a job, type by type.
func replicasOf(j training.Job) []Replica {
	var all []Replica
	for _, t := range slices.Sorted(maps.Keys(j.Replicas())) {
		for i := range int(*j.Replicas()[t].Replicas) {
			all = append(all, Replica{t, i})
		}
	}
	return all
}

// See sorts the pods into the places they fill in a job, and says what becomes
// of each, given the container whose exit code counts. Pods without a place in
// the job as it is now are left out.
func See(j training.Job, container string, pods []*corev1.Pod) Seen {
	s := Seen{pods: map[Replica]*corev1.Pod{}, fates: map[Replica]fate{}, counts: map[training.ReplicaType]Count{}}
	places := map[string]Replica{}
	for _, r := range replicasOf(j) {
		places[training.ReplicaName(j.GetName(), r.Type, r.Index)] = r
	}
	for t, spec := range j.Replicas() {
		s.counts[t] = Count{Wanted: *spec.Replicas}
	}

	for _, pod := range pods {
		r, ok := places[pod.Name]
		if !ok {
			continue
		}
		s.pods[r] = pod
		s.fates[r] = fateOf(pod, j.Replicas()[r.Type].RestartPolicy, container)
		c := s.counts[r.Type]
		switch s.fates[r] {
		case running:
			c.Active++
		case succeeded:
			c.Succeeded++
		case failed:
			c.Failed++
			if pod.Status.Reason == "Evicted" {
				c.Evicted++
			}
		case refused:
			c.Failed++
			c.Refused++
		case replaced:
			c.Restarting++
		}
		s.counts[r.Type] = c
	}
	return s
}

// delegate counts the pods that a batch Job has made for a type of replica. How
// often it has failed is not the job's failure: it may be tried again.
func (s *Seen) delegate(t training.ReplicaType, pods []*corev1.Pod) {
	s.delegated = pods
	c := s.counts[t]
	for _, pod := range pods {
		switch pod.Status.Phase {
		case corev1.PodRunning:
			c.Active++
		case corev1.PodSucceeded:
			c.Succeeded++
		case corev1.PodFailed:
			c.Failed++
		}
	}
	s.counts[t] = c
}

// labelsOf are the labels of a replica's service; its pod has them and perhaps
// a role besides.
func labelsOf(j training.Job, operator string, r Replica) map[string]string {
	return map[string]string{
		training.LabelOperatorName: operator,
		training.LabelJobName:      j.GetName(),
		training.LabelReplicaType:  strings.ToLower(string(r.Type)),
		training.LabelReplicaIndex: strconv.Itoa(r.Index),
	}
}
