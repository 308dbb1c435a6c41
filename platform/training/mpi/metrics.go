package mpi

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	training "github.com/weir-ml/weir/api/training/v1"
)

// metricsPrefix is how the metrics of Kubeflow's operator begin, which dashboards
// know.
const metricsPrefix = "mpi_operator"

var jobInfo = prometheus.NewDesc(metricsPrefix+"_job_info", "Information about MPIJob", []string{"launcher", "namespace"}, nil)

// Setup has the metrics of a process say which launchers there are, while a
// manager runs and leads. Of several managers the first does.
func Setup(mgr ctrl.Manager) error {
	err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		c := launchers(func() (all training.MPIJobList, err error) {
			return all, mgr.GetClient().List(ctx, &all, client.UnsafeDisableDeepCopy)
		})
		var first prometheus.AlreadyRegisteredError
		if err := metrics.Registry.Register(c); err == nil {
			defer metrics.Registry.Unregister(c)
		} else if !errors.As(err, &first) {
			return fmt.Errorf("say which launchers MPIJobs have: %w", err)
		}
		<-ctx.Done()
		return nil
	}))
	if err != nil {
		return fmt.Errorf("set up metrics of MPIJobs: %w", err)
	}
	return nil
}

// launchers says which jobs there are, when somebody asks for the metrics.
type launchers func() (training.MPIJobList, error)

func (launchers) Describe(to chan<- *prometheus.Desc) { to <- jobInfo }

// Collect tells of the launchers of all jobs that have started.
func (l launchers) Collect(to chan<- prometheus.Metric) {
	list, err := l()
	if err != nil {
		to <- prometheus.NewInvalidMetric(jobInfo, fmt.Errorf("list MPIJobs: %w", err))
		return
	}
	for i := range list.Items {
		if j := &list.Items[i]; j.Status.StartTime != nil {
			to <- prometheus.MustNewConstMetric(jobInfo, prometheus.GaugeValue, 1, launcherName(j), j.Namespace)
		}
	}
}
