package job

import (
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// The pods of one type of replica may be made by a batch Job, the runner, which
// is furniture. It shares the fate of the others.
//
//	rounds: the runner is of one round, as its pods are, and goes with it: first its
//	        pods, then itself, and only then does the next round begin
//	gates:  its pods have them too, and count among those that must fit

// batchJob is the kind of a runner.
var batchJob = batchv1.SchemeGroupVersion.WithKind("Job")

// runnerOf is the batch Job that runs a job's replicas of one type, if there is
// one yet.
func runnerOf(t Traits, j training.Job, furniture []client.Object) *batchv1.Job {
	if t.Delegate == "" {
		return nil
	}
	o, _ := Seen{furniture: furniture}.Furniture(batchJob, Host(j, Replica{Type: t.Delegate}))
	runner, _ := o.(*batchv1.Job)
	return runner
}

// keepsLimits tells whether the limits of a job's run policy are kept here. If
// not, its runner keeps them.
func keepsLimits(t Traits, j training.Job) bool { return t.Delegate == "" || training.RestartsWhole(j) }

// runnerOfRound parts the runner of an earlier round from the furniture.
func runnerOfRound(t Traits, j training.Job, round int32, furniture []client.Object) (rest []client.Object, relic *batchv1.Job) {
	runner := runnerOf(t, j, furniture)
	if runner == nil {
		return furniture, nil
	}
	if n, _ := strconv.ParseInt(runner.Labels[training.LabelRound], 10, 32); int32(n) >= round {
		return furniture, nil
	}
	return slices.DeleteFunc(slices.Clone(furniture), func(o client.Object) bool { return o == client.Object(runner) }), runner
}

// relics takes away what runs the pods of a round that is over.
func relics(w world) []removal {
	if w.relic == nil || w.relic.DeletionTimestamp != nil {
		return nil
	}
	return []removal{{object: w.relic, quiet: true}}
}

// enlist makes a runner, and the pods it will make, part of a job.
func (g gang) enlist(runner *batchv1.Job, t Traits, j training.Job) {
	template := &runner.Spec.Template
	g.joinTemplate(template, j.GetName(), t.Delegate)
	if g == "" && training.IsGang(j) {
		template.Spec.SchedulingGates = append(template.Spec.SchedulingGates, corev1.PodSchedulingGate{Name: training.GangGate})
	}
	if n := roundOf(j.Report()); n > 0 {
		metav1.SetMetaDataLabel(&runner.ObjectMeta, training.LabelRound, strconv.Itoa(int(n)))
		metav1.SetMetaDataLabel(&template.ObjectMeta, training.LabelRound, strconv.Itoa(int(n)))
	}
	if training.RestartsWhole(j) { // The next try is the next round.
		runner.Spec.BackoffLimit, runner.Spec.ActiveDeadlineSeconds = new(int32(0)), nil
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
}

// halt has the runner of a job that failed of something else end its pods, where
// the policy wants none to go on.
func halt(t Traits, j training.Job, w world) []client.Object {
	runner := runnerOf(t, j, w.furniture)
	if runner == nil || runner.DeletionTimestamp != nil || *j.Policy().CleanPodPolicy == training.CleanPodNone {
		return nil
	}
	over := slices.ContainsFunc(runner.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
	})
	if over || runner.Spec.Suspend != nil && *runner.Spec.Suspend {
		return nil
	}
	runner = runner.DeepCopy()
	runner.Spec.Suspend = new(true)
	return []client.Object{runner}
}

// members are the pods of a job that have a place in it, type by type. Of those
// that its runner made, these are the ones that have not ended.
func members(j training.Job, seen Seen) []*corev1.Pod {
	var all []*corev1.Pod
	for _, r := range replicasOf(j) {
		if pod := seen.pods[r]; pod != nil {
			all = append(all, pod)
		}
	}
	return append(all, unended(seen.delegated)...)
}

func unended(pods []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
}
