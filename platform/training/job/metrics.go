package job

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	training "github.com/weir-ml/weir/api/training/v1"
)

// counters count what becomes of the jobs of one framework, under the names
// that dashboards know. All frameworks share them.
type counters struct {
	framework string
	byWord    map[string]*prometheus.CounterVec
}

// newCounters finds the counters in a registry, or puts them there.
func newCounters(registry prometheus.Registerer, framework string) (*counters, error) {
	c := &counters{framework: framework, byWord: map[string]*prometheus.CounterVec{}}
	for _, word := range []string{"created", "deleted", "successful", "failed", "restarted"} {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "training_operator_jobs_" + word + "_total",
			Help: "Counts number of jobs " + word,
		}, []string{"job_namespace", "framework"})
		err := registry.Register(vec)
		var there prometheus.AlreadyRegisteredError
		if errors.As(err, &there) {
			if known, ok := there.ExistingCollector.(*prometheus.CounterVec); ok {
				vec, err = known, nil
			}
		}
		if err != nil {
			return nil, err
		}
		c.byWord[word] = vec
	}
	return c, nil
}

func (c *counters) count(word, namespace string) {
	c.byWord[word].WithLabelValues(namespace, c.framework).Inc()
}

// changed counts what a new status says that the old one did not.
func (c *counters) changed(namespace string, before, after *training.JobStatus) {
	for condition, word := range map[training.JobConditionType]string{
		training.JobCreated: "created", training.JobSucceeded: "successful", training.JobFailed: "failed",
	} {
		if after.Is(condition) && !before.Is(condition) {
			c.count(word, namespace)
		}
	}
	if restartsOf(after) > restartsOf(before) {
		c.restarted(namespace)
	}
}

func (c *counters) restarted(namespace string) { c.count("restarted", namespace) }
func (c *counters) deleted(namespace string)   { c.count("deleted", namespace) }
