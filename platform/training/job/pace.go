package job

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Many pods that start or end at once are no reason for as many looks and
// writes.

// gathering is how long a status waits, from the last one on, that says no more
// than how many pods run.
const gathering = time.Second

// pauseAfter is how long after a look at a job the next one waits. A look takes
// the longer the more pods there are, and each of them gives cause for some: the
// pause keeps that from taking n². A small job has none.
func pauseAfter(pods int) time.Duration {
	const small, perPod, longest = 20, 100 * time.Microsecond, 100 * time.Millisecond
	if pods <= small {
		return 0
	}
	return min(time.Duration(pods)*perPod, longest)
}

// onlyCounts tells whether a decision changes how many pods of each type there are
// in a status, and nothing else.
func onlyCounts(before *training.JobStatus, d decision) bool {
	next := d.status
	next.ReplicaStatuses = before.ReplicaStatuses
	return len(d.changes) == 0 && equality.Semantic.DeepEqual(*before, next) &&
		!equality.Semantic.DeepEqual(before.ReplicaStatuses, d.status.ReplicaStatuses)
}
