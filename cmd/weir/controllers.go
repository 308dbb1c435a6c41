package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/tensorboard"
)

// newControllersCommand runs the platform's controllers against any cluster.
func newControllersCommand() *cobra.Command {
	var kubeconfig, address, webhooks, host, reports, reportHost string
	var o platformOptions
	var door clusterDoor
	cmd := &cobra.Command{
		Use:   "controllers",
		Short: "Run the platform's controllers against any Kubernetes",
		Long: `Install the platform's kinds in the Kubernetes that a kubeconfig names, and run
their controllers against it. This is what a cluster runs; weir up has them in
its own process, unless it is told --without controllers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := withSlack(); err != nil {
				klog.ErrorS(err, "Timers stay punctual, which costs CPU")
			}
			go fewProcessors(cmd.Context())
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("read kubeconfig %q: %w; name one with --kubeconfig", kubeconfig, err)
			}
			config.QPS = -1
			if o.Listener, err = listenForRoutes(address); err != nil {
				return err
			}
			if host != "" {
				kept, err := admission.Open(webhooks, host)
				if err != nil {
					return fmt.Errorf("--webhook-bind-address %s: %w", webhooks, err)
				}
				o.Admission = &admission.Options{Kept: kept}
			}
			o.Kinds = readKinds(o.Admission)
			if reportHost != "" {
				if o.Reports, err = openReportsAt(reports, reportHost); err != nil {
					return fmt.Errorf("--report-bind-address %s: %w", reports, err)
				}
			}
			if o.LeaderNamespace == "" && kubeconfig != "" {
				o.LeaderNamespace = metav1.NamespaceSystem
			}
			if door.address != "" {
				if err := door.open(cmd.Context(), config); err != nil {
					return err
				}
				o.Front = door.gateway
			}
			ended := make(chan error, 1)
			o.Ended = ended
			ctrl.SetLogger(klog.Background())
			if err := startPlatform(cmd.Context(), config, o); err != nil {
				return err
			}
			swift.pace()
			fmt.Fprintf(cmd.OutOrStdout(), "controllers work on %s\n", config.Host)
			closed := make(chan error, 1)
			if o.Front != nil {
				fmt.Fprintf(cmd.OutOrStdout(), "the front door is at %s\n", door.listener.Addr())
				go func() { closed <- door.gateway.Serve(cmd.Context(), door.listener) }()
			}
			select {
			case err = <-ended: // As when another copy leads.
			case err = <-closed:
				if err != nil {
					return err
				}
				err = <-ended // They were asked to end, as the door was.
			}
			if err != nil {
				return fmt.Errorf("the controllers ended: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	door.flags(flags)
	flags.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; empty means the cluster that this runs in")
	flags.BoolVar(&o.Installed, "installed", false, "the kinds, roles and runtimes are there, by kubectl apply of the folders of install: do not install them, which takes more rights than the role weir-controllers has")
	flags.BoolVar(&o.LeaderElection, "leader-elect", false, "let one of several copies work")
	flags.StringVar(&o.LeaderNamespace, "leader-elect-namespace", "", "namespace of the lease by which they agree; if empty the one that this runs in, or kube-system beside a cluster")
	flags.StringVar(&o.Jobs.GangScheduler, "gang-scheduler-name", "", "scheduler that starts the pods of a job together: volcano, or the name of one with scheduler-plugins")
	flags.StringVar(&o.Jobs.PyTorch.WaitImage, "pytorch-init-container-image", "alpine:3.10", "image in which workers of a PyTorchJob wait for their master: it needs sh, seq and nslookup")
	flags.IntVar(&o.Jobs.PyTorch.WaitTries, "pytorch-init-container-max-tries", 100, "how often they look, every two seconds")
	flags.StringVar(&o.Tensorboards.Image, "tensorboard-image", cmp.Or(os.Getenv("TENSORBOARD_IMAGE"), tensorboard.DefaultImage), "image of TensorBoard, or one with a Python, into which pods install it")
	flags.StringVar(&o.Progress.Dir, "progress-dir", "", "folder where the course of each job's loss, accuracy and so on is kept; without one, in memory")
	flags.StringVar(&address, "metrics-bind-address", ":8080", "where Prometheus finds the metrics, with TLS unless it is a loopback; 0 is nowhere")
	flags.StringVar(&host, "webhook-host", "", "host by which the API server reaches this, to have objects checked and turned into other versions; empty is neither")
	flags.StringVar(&webhooks, "webhook-bind-address", ":9443", "where that host is answered")
	flags.StringVar(&reportHost, "report-host", "", "host by which pods reach this, to have the programs of TrainJobs report how far they are; empty is nowhere")
	flags.StringVar(&reports, "report-bind-address", ":10443", "where that host is answered")
	return cmd
}

// listenForRoutes listens where the controllers are asked. Callers send tokens,
// so beyond the loopback it speaks TLS, with a certificate of its own making.
func listenForRoutes(address string) (net.Listener, error) {
	if address == "0" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--metrics-bind-address %s: %w; name another, or 0 for none", address, err)
	}
	if l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return l, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("make a certificate for the metrics: %w", err)
	}
	pair, _, err := selfSigned(host)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}
