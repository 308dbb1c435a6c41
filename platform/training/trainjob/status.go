package trainjob

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// status is what to say of a TrainJob, given its JobSet, if there is one, and
// what keeps it from being made, if anything does.
func status(j *trainer.TrainJob, js *jobsetv1alpha2.JobSet, problem *metav1.Condition, now time.Time) trainer.TrainJobStatus {
	s := *j.Status.DeepCopy()
	if kind, no := unsupported(j); no && !finished(&s) {
		set(&s, trainer.TrainJobFailed, true, "TrainingRuntimeNotSupported", "unsupported runtime: "+kind, now)
	}
	switch {
	case j.Suspended():
		set(&s, trainer.TrainJobSuspended, true, "Suspended", "TrainJob is suspended", now)
	case meta.IsStatusConditionTrue(s.Conditions, trainer.TrainJobSuspended):
		set(&s, trainer.TrainJobSuspended, false, "Resumed", "TrainJob is resumed", now)
	}
	if problem == nil {
		meta.RemoveStatusCondition(&s.Conditions, trainer.TrainJobResourcesCreated)
	} else {
		set(&s, problem.Type, problem.Status == metav1.ConditionTrue, problem.Reason, problem.Message, now)
	}
	if js == nil {
		return s
	}
	for _, c := range []struct{ theirs, ours string }{
		{string(jobsetv1alpha2.JobSetCompleted), trainer.TrainJobComplete},
		{string(jobsetv1alpha2.JobSetFailed), trainer.TrainJobFailed},
	} {
		if t := meta.FindStatusCondition(js.Status.Conditions, c.theirs); t != nil && t.Status == metav1.ConditionTrue && !finished(&s) {
			said := *t
			said.Type = c.ours
			meta.SetStatusCondition(&s.Conditions, said)
		}
	}
	s.JobsStatus = jobsStatus(js)
	return s
}

// jobsStatus counts the jobs of each group, in the order of the JobSet: its own
// list has none.
func jobsStatus(js *jobsetv1alpha2.JobSet) []trainer.JobStatus {
	var all []trainer.JobStatus
	for _, r := range js.Spec.ReplicatedJobs {
		for _, s := range js.Status.ReplicatedJobsStatus {
			if s.Name == r.Name {
				all = append(all, trainer.JobStatus{
					Name: s.Name, Ready: s.Ready, Succeeded: s.Succeeded, Failed: s.Failed, Active: s.Active, Suspended: s.Suspended,
				})
			}
		}
	}
	return all
}

func set(s *trainer.TrainJobStatus, condition string, is bool, reason, message string, now time.Time) {
	c := metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(now)}
	if is {
		c.Status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&s.Conditions, c)
}

func condition(s *trainer.TrainJobStatus, of string) *metav1.Condition {
	return meta.FindStatusCondition(s.Conditions, of)
}

// finished tells whether the job has ended, well or badly.
func finished(s *trainer.TrainJobStatus) bool {
	return meta.IsStatusConditionTrue(s.Conditions, trainer.TrainJobComplete) || meta.IsStatusConditionTrue(s.Conditions, trainer.TrainJobFailed)
}
