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
	// own are those of the kind alone, under a name of its own.
	own map[string]prometheus.Counter
}

// newCounters finds the counters in a registry, or puts them there.
func newCounters(registry prometheus.Registerer, t Traits) (*counters, error) {
	c := &counters{framework: t.Name, byWord: map[string]*prometheus.CounterVec{}, own: map[string]prometheus.Counter{}}
	for _, word := range []string{"created", "deleted", "successful", "failed", "restarted"} {
		vec, err := registered(registry, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "training_operator_jobs_" + word + "_total",
			Help: "Counts number of jobs " + word,
		}, []string{"job_namespace", "framework"}))
		if err != nil {
			return nil, err
		}
		c.byWord[word] = vec
	}
	if t.Metrics == "" {
		return c, nil
	}
	for _, word := range []string{"created", "successful", "failed"} {
		counter, err := registered(registry, prometheus.NewCounter(prometheus.CounterOpts{
			Name: t.Metrics + "_jobs_" + word + "_total",
			Help: "Counts number of " + t.Kind + "s " + word,
		}))
		if err != nil {
			return nil, err
		}
		c.own[word] = counter
	}
	return c, nil
}

// registered is a collector as a registry has it, which may know it already.
func registered[C prometheus.Collector](registry prometheus.Registerer, c C) (C, error) {
	err := registry.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if known, ok := there.ExistingCollector.(C); ok {
			return known, nil
		}
	}
	return c, err
}

func (c *counters) count(word, namespace string) {
	c.byWord[word].WithLabelValues(namespace, c.framework).Inc()
	if own := c.own[word]; own != nil {
		own.Inc()
	}
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
