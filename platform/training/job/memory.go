package job

import (
	"math"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// memory keeps what this process did for each job that cannot be read, or not
// yet. It may be lost: then something is said twice, or tried in vain.
type memory struct {
	mu   sync.Mutex
	jobs map[types.NamespacedName]*recollection
}

// A recollection is what is kept of one job: the version of it that we wrote
// last, and when; what was remarked on; and until when it is not looked at.
type recollection struct {
	uid     types.UID
	version string
	written time.Time
	said    map[string]bool
	paused  time.Time
}

// of is what is kept of a job. Of another that had its name, nothing is.
func (m *memory) of(job client.Object) *recollection {
	key := client.ObjectKeyFromObject(job)
	if m.jobs == nil {
		m.jobs = map[types.NamespacedName]*recollection{}
	}
	if r := m.jobs[key]; r == nil || r.uid != job.GetUID() {
		m.jobs[key] = &recollection{uid: job.GetUID(), said: map[string]bool{}}
	}
	return m.jobs[key]
}

// news keeps those notices that were not made before, and remembers them: each
// thing is said once, and not at every look.
func (m *memory) news(job client.Object, notices []notice) []notice {
	if len(notices) == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	said := m.of(job).said
	var fresh []notice
	for _, n := range notices {
		key := n.reason + "\x00" + n.message
		if n.about != nil {
			key += "\x00" + string(n.about.GetUID()) // A replaced pod may say the same again.
		}
		if !said[key] {
			said[key] = true
			fresh = append(fresh, n)
		}
	}
	return fresh
}

// wrote remembers the version of a job that its new status made.
func (m *memory) wrote(job client.Object, version string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.of(job)
	r.version, r.written = version, now
}

// sinceWritten is how long ago we wrote a job; long, if we never did.
func (m *memory) sinceWritten(job client.Object, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.jobs[client.ObjectKeyFromObject(job)]; r != nil && r.uid == job.GetUID() {
		return now.Sub(r.written)
	}
	return math.MaxInt64
}

// pause has a job not looked at for a while.
func (m *memory) pause(job client.Object, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(job).paused = until
}

// pausing is how much longer a job is not looked at.
func (m *memory) pausing(job types.NamespacedName, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.jobs[job]; r != nil {
		return max(0, r.paused.Sub(now))
	}
	return 0
}

// late tells whether a job was read as it was before we last wrote it. What is
// decided on it would be refused; soon the job will be as it is.
func (m *memory) late(job client.Object) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	wrote := m.of(job).version
	if wrote == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(job.GetResourceVersion(), wrote)
	return err == nil && order < 0
}

func (m *memory) forget(job types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.jobs, job)
}
