package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// newControllersCommand runs the platform's controllers against any cluster.
func newControllersCommand() *cobra.Command {
	var kubeconfig string
	var o platformOptions
	cmd := &cobra.Command{
		Use:   "controllers",
		Short: "Run the platform's controllers against any Kubernetes",
		Long: `Install the platform's kinds in the Kubernetes that a kubeconfig names, and run
their controllers against it. This is what a cluster runs; weir up has them in
its own process, unless it is told --without controllers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("read kubeconfig %q: %w; name one with --kubeconfig", kubeconfig, err)
			}
			config.QPS = -1
			ctrl.SetLogger(klog.Background())
			if err := startPlatform(cmd.Context(), config, o); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "controllers work on %s\n", config.Host)
			<-cmd.Context().Done()
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; empty means the cluster that this runs in")
	flags.BoolVar(&o.LeaderElection, "leader-elect", false, "let one of several copies work")
	flags.StringVar(&o.GangScheduler, "gang-scheduler-name", "", "scheduler that starts the pods of a job together: volcano, or the name of one with scheduler-plugins")
	flags.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "where Prometheus finds the metrics; 0 is nowhere")
	return cmd
}
