package job

import (
	"fmt"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A Rule judges a job as most frameworks do: it runs when a replica of the type
// that decides does, and has succeeded when all of that type have.
type Rule struct {
	// Kind is the kind of job, as PyTorchJob.
	Kind string
	// Decides is the type that decides.
	Decides training.ReplicaType
	// Equal is whether it decides as one among equals, as workers do, and not
	// as the master of others. Messages differ.
	Equal bool
	// Any is whether one that ended well is enough.
	Any bool
	// Strict is whether a replica that ended badly fails the job even if its
	// restart policy is OnFailure or Always. Kubernetes has then restarted its
	// containers, and given up.
	Strict bool
}

// Judge says how a job stands, given its replicas. The caller's job has its
// defaults.
func (rule Rule) Judge(j training.Job, seen Seen) Verdict {
	name, done := j.GetName(), "is successfully completed."
	if rule.Equal {
		name, done = j.GetNamespace()+"/"+j.GetName(), "successfully completed."
	}

	v := Verdict{}
	decides := seen.Count(rule.Decides)
	if decides.Succeeded == decides.Wanted || rule.Any && decides.Succeeded > 0 {
		v.Condition, v.Message = training.JobSucceeded, fmt.Sprintf("%s %s %s", rule.Kind, name, done)
		return v
	}
	for _, t := range seen.types() {
		c := seen.Count(t)
		lost := c.Failed - c.Refused
		if rule.Strict && j.Replicas()[t].RestartPolicy != training.RestartExitCode {
			lost += c.Restarting
		}
		if lost > 0 {
			v.Condition, v.Message = training.JobFailed, fmt.Sprintf("%s %s is failed because %d %s replica(s) failed.", rule.Kind, j.GetName(), lost, t)
			return v
		}
		if c.Restarting > 0 {
			v.Restarts = append(v.Restarts, fmt.Sprintf("%s %s is restarting because %d %s replica(s) failed.", rule.Kind, j.GetName(), c.Restarting, t))
		}
	}
	if decides.Active > 0 {
		v.Condition, v.Message = training.JobRunning, fmt.Sprintf("%s %s is running.", rule.Kind, name)
	}
	return v
}
