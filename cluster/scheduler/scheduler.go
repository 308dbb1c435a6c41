// Package scheduler runs upstream's kube-scheduler in the process.
package scheduler

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	schedulerconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// Config says where the API server is.
type Config struct {
	// Kubeconfig is a file that names the API server, since the scheduler's options
	// want one. REST is how it is reached.
	Kubeconfig string
	REST       *rest.Config
}

// Start runs the scheduler until ctx ends. The channel yields once, when it has
// ended: nil if it was asked to.
func Start(ctx context.Context, c Config) (<-chan error, error) {
	component, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("start scheduler: %w", err)
	}
	component.LeaderElection.LeaderElect = false // nobody to elect against
	component.ClientConnection.Kubeconfig = c.Kubeconfig
	component.ClientConnection.QPS, component.ClientConnection.Burst = 2000, 4000
	// A pod that nothing fitted is tried again soon: one node frees up fast.
	component.PodMaxBackoffSeconds = 2

	o := options.NewOptions()
	o.ComponentConfig = component
	o.SecureServing.BindPort = 0
	o.Flags = nil // so that only ComponentConfig counts
	config, err := o.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("start scheduler: %w", err)
	}
	if err := reach(ctx, config, c.REST); err != nil {
		return nil, fmt.Errorf("start scheduler: %w", err)
	}
	complete := config.Complete()

	recorders := profile.RecorderFactory(func(name string) events.EventRecorderLogger {
		return recorder{complete.EventBroadcaster.NewRecorder(name)}
	})
	s, err := scheduler.New(ctx, complete.Client, complete.InformerFactory, complete.DynInformerFactory, recorders,
		scheduler.WithComponentConfigVersion(component.APIVersion),
		scheduler.WithKubeConfig(complete.KubeConfig),
		scheduler.WithFrameworkOutOfTreeRegistry(preempt(component.Profiles)),
		scheduler.WithProfiles(component.Profiles...),
		scheduler.WithPercentageOfNodesToScore(component.PercentageOfNodesToScore),
		scheduler.WithPodMaxBackoffSeconds(component.PodMaxBackoffSeconds),
		scheduler.WithPodInitialBackoffSeconds(component.PodInitialBackoffSeconds),
		scheduler.WithPodMaxInUnschedulablePodsDuration(complete.PodMaxInUnschedulablePodsDuration),
		scheduler.WithParallelism(component.Parallelism),
	)
	if err != nil {
		return nil, fmt.Errorf("start scheduler: %w", err)
	}
	done := make(chan error, 1)
	go func() {
		err := app.Run(ctx, &complete, s)
		if ctx.Err() != nil {
			err = nil // it always returns an error, also when it was asked to end
		}
		done <- err
	}()
	return done, nil
}

// reach gives a scheduler other clients than those that it makes of its
// kubeconfig.
func reach(ctx context.Context, config *schedulerconfig.Config, to *rest.Config) error {
	own := rest.CopyConfig(to)
	own.ContentType, own.QPS, own.Burst = config.KubeConfig.ContentType, config.KubeConfig.QPS, config.KubeConfig.Burst
	client, err := kubernetes.NewForConfig(rest.AddUserAgent(own, "scheduler"))
	if err != nil {
		return err
	}
	objects, err := dynamic.NewForConfig(own)
	if err != nil {
		return err
	}
	config.KubeConfig, config.Client = own, client
	config.InformerFactory = scheduler.NewInformerFactory(client, 0, nil)
	config.DynInformerFactory = dynamicinformer.NewFilteredDynamicSharedInformerFactory(objects, 0, corev1.NamespaceAll, nil)
	config.EventBroadcaster = events.NewEventBroadcasterAdapterWithContext(ctx, client)
	return nil
}
