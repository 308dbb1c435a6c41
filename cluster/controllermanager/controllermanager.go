// Package controllermanager runs upstream's kube-controller-manager in the
// process: Deployments, Jobs, garbage collection, quotas, autoscaling and the rest.
package controllermanager

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"

	"github.com/weir-ml/weir/cluster/pki"
)

// Config says where the API server is and by what keys the controllers sign.
type Config struct {
	// Kubeconfig is the file by which the controllers reach the API server, REST
	// how those that run apart do.
	Kubeconfig string
	REST       *rest.Config
	// Authority signs certificate requests, and is published in each namespace
	// as the one to trust.
	Authority *pki.Authority
	// SigningKey signs the tokens of service accounts.
	SigningKey string
}

// Start runs the controllers until ctx ends. The channel yields once, when they
// have ended: nil if they were asked to.
func Start(ctx context.Context, c Config) (<-chan error, error) {
	o, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, fmt.Errorf("start controllers: %w", err)
	}
	o.Generic.ClientConnection.Kubeconfig = c.Kubeconfig
	o.Generic.ClientConnection.QPS, o.Generic.ClientConnection.Burst = 2000, 4000
	o.Generic.LeaderElection.LeaderElect = false // nobody to elect against
	o.Generic.ControllerStartInterval.Duration = 0
	o.SecureServing.BindPort = 0
	o.KubeCloudShared.AllocateNodeCIDRs = false
	o.KubeCloudShared.ConfigureCloudRoutes = false
	o.KubeCloudShared.UseServiceAccountCredentials = true
	o.SAController.ServiceAccountKeyFile = c.SigningKey
	o.SAController.RootCAFile = c.Authority.CertFile()
	o.CSRSigningController.ClusterSigningCertFile = c.Authority.CertFile()
	o.CSRSigningController.ClusterSigningKeyFile = c.Authority.KeyFile()
	o.JobController.ConcurrentJobSyncs = 20
	o.Generic.Controllers = apart()

	config, err := o.Config(ctx, app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err != nil {
		return nil, fmt.Errorf("start controllers: %w", err)
	}
	completed := config.Complete()
	done := make(chan error, 1)
	go func() {
		all, ctx := errgroup.WithContext(ctx)
		all.Go(func() error { return app.Run(ctx, completed) })
		all.Go(func() error { return runEndpoints(ctx, completed, c.REST) })
		done <- all.Wait()
	}()
	return done, nil
}
