package job

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

// untilDeadline is how long a job may still run. Without a deadline, or before
// the job has started, there is no end to it.
func untilDeadline(p *training.RunPolicy, s *training.JobStatus, now time.Time) (time.Duration, bool) {
	if p.ActiveDeadlineSeconds == nil || s.StartTime == nil {
		return 0, false
	}
	return s.StartTime.Add(time.Duration(*p.ActiveDeadlineSeconds) * time.Second).Sub(now), true
}

// untilExpiry is how long a finished job is still kept, if not for ever.
func untilExpiry(p *training.RunPolicy, s *training.JobStatus, now time.Time) (time.Duration, bool) {
	if p.TTLSecondsAfterFinished == nil {
		return 0, false
	}
	return finishedAt(s).Add(time.Duration(*p.TTLSecondsAfterFinished) * time.Second).Sub(now), true
}

// finishedAt is when a job ended. Jobs that another controller failed may have
// no completion time; their condition tells.
func finishedAt(s *training.JobStatus) time.Time {
	if s.CompletionTime != nil {
		return s.CompletionTime.Time
	}
	var at time.Time
	for _, c := range s.Conditions {
		if (c.Type == training.JobSucceeded || c.Type == training.JobFailed) && c.LastTransitionTime.After(at) {
			at = c.LastTransitionTime.Time
		}
	}
	return at
}

// pastBackoffLimit tells whether containers have been restarted more often
// than the job bears. Only pods that run now count, and only of replicas that
// are restarted at all; a pod that was replaced does not. A limit of 0 is
// passed by the first failure of any pod.
func pastBackoffLimit(j training.Job, seen Seen) bool {
	limit := j.Policy().BackoffLimit
	if limit == nil {
		return false
	}

	restarts, failures := int32(0), int32(0)
	for r, pod := range seen.pods {
		if pod.Status.Phase == corev1.PodFailed {
			failures++
		}
		if pod.Status.Phase != corev1.PodRunning || j.Replicas()[r.Type].RestartPolicy == training.RestartNever {
			continue
		}
		for _, c := range pod.Status.InitContainerStatuses {
			restarts += c.RestartCount
		}
		for _, c := range pod.Status.ContainerStatuses {
			restarts += c.RestartCount
		}
	}
	if *limit == 0 {
		return restarts > 0 || failures > knownFailures(j.Report())
	}
	return restarts >= *limit
}

// knownFailures are the failed pods that the status speaks of already: where
// workers may fail, they do not fail the job a second time.
func knownFailures(s *training.JobStatus) int32 {
	n := int32(0)
	for _, r := range s.ReplicaStatuses {
		n += r.Failed
	}
	return n
}
