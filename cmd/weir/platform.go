package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/apply"
	"github.com/weir-ml/weir/platform/explain"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
	"github.com/weir-ml/weir/platform/tensorboard"
	"github.com/weir-ml/weir/platform/training/jobs"
	"github.com/weir-ml/weir/platform/training/jobset"
	"github.com/weir-ml/weir/platform/training/progress"
	"github.com/weir-ml/weir/platform/training/trainerstatus"
	"github.com/weir-ml/weir/platform/training/trainjob"
	"github.com/weir-ml/weir/platform/wire"
)

// platformOptions are what differs between the controllers in weir up and on a
// cluster.
type platformOptions struct {
	// LeaderElection lets one of several copies work.
	LeaderElection bool
	// LeaderNamespace is where the lease is by which they agree; the one that
	// this runs in if it is not said, which must then be in a cluster.
	LeaderNamespace string
	// Ended is told when the controllers have ended after they worked, with why
	// if nobody asked them to; nil tells nobody. It must have room for one.
	Ended chan<- error
	// Jobs are for the controllers of training jobs.
	Jobs jobs.Options
	// Progress says where what jobs say of themselves is read and kept.
	Progress progress.Options
	// Tensorboards are for the controller of Tensorboards.
	Tensorboards tensorboard.Options
	// Listener is where the controllers answer over HTTP; nil is nowhere, or at
	// the front door.
	Listener net.Listener
	// Callers reaches the API server for those who ask at the front door: by a
	// connection, since some bring a token of their own. What else is used if nil.
	Callers *rest.Config
	// Front leads to what the controllers answer; nil is no front door.
	Front *gateway.Gateway
	// Metrics says whether Prometheus is answered at the front door.
	Metrics bool
	// Installed says that the cluster has the kinds, roles and runtimes already, by
	// kubectl apply: who may make roles may make themselves any.
	Installed bool
	// Kinds yields the platform's kinds, as readKinds does.
	Kinds func() ([]*apply.Kind, error)
	// Admission says how the API server reaches the checks of objects on their
	// way in; nil does without, and the controllers say what is wrong later.
	Admission *admission.Options
	// Reports is where the programs of TrainJobs report to; nil is nowhere.
	Reports *reports
	// Store is the S3 that pods are led to; nil is none.
	Store *admission.Store
	// Environments are where pods get the packages that they ask for; nil leaves
	// that to the pods.
	Environments *environment.Store
}

// startPlatform installs the kinds in the cluster that config reaches, and runs
// their controllers until ctx ends. It returns when they work.
func startPlatform(ctx context.Context, config *rest.Config, o platformOptions) error {
	if !o.Installed {
		if err := installKinds(ctx, config, o.Kinds); err != nil {
			return err
		}
	}
	if o.Callers == nil {
		o.Callers = config
	}
	// Clients choose by kind: no kind of ours can be written in protobuf.
	config, o.Callers = rest.CopyConfig(config), rest.CopyConfig(o.Callers)
	config.ContentType, o.Callers.ContentType = "", ""
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        kinds,
		NewCache:                      wire.NewCache(jobs.Kinds()...),
		Cache:                         cache.Options{DefaultTransform: unmanaged},
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              "weir-controllers",
		LeaderElectionNamespace:       o.LeaderNamespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("start controllers: %w", err)
	}
	domain := os.Getenv("CUSTOM_CLUSTER_DOMAIN")
	o.Jobs.TensorFlow.ClusterDomain, o.Jobs.MPIV2.ClusterDomain = domain, domain
	o.Jobs.Unconverted = o.Admission == nil
	if err := jobs.Setup(ctx, manager, o.Jobs); err != nil {
		return err
	}
	if err := jobset.Setup(ctx, manager); err != nil {
		return err
	}
	if err := trainJobs(manager, o.Reports); err != nil {
		return err
	}
	if err := tensorboard.Setup(manager, o.Tensorboards); err != nil {
		return err
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("start controllers: %w", err)
	}
	if err := explain.Setup(manager, lastLines(core), jobs.Kinds()...); err != nil {
		return err
	}
	admitting, err := admit(manager, o)
	if err != nil {
		return err
	}
	courses, err := progress.Setup(manager, core, o.Progress)
	if err != nil {
		return err
	}
	answers := append(progress.Routes(courses, manager.Elected()), explain.Route(explain.Serving{
		REST: o.Callers, Scheme: kinds, Mapper: manager.GetRESTMapper(), Logs: lastLines,
	}))
	if o.Listener != nil {
		if err := routes.Setup(manager, o.Listener, append(answers, routes.Metrics())...); err != nil {
			return err
		}
	}
	if o.Front != nil {
		if o.Metrics {
			answers = append(answers, routes.Metrics())
		}
		answers = append(answers, tensorboard.DoorRoute(manager.GetClient(), manager.GetAPIReader()), tensorboard.ScalarsRoute(), tensorboard.OpenRoute(tensorboard.Opening{
			REST: o.Callers, Scheme: kinds, Mapper: manager.GetRESTMapper(),
		}))
		if err := o.Front.Add(answers...); err != nil {
			return err
		}
	}
	if err := runManager(ctx, manager, o.Ended); err != nil {
		return err
	}
	select {
	case <-admitting:
	case <-ctx.Done():
	}
	if o.Installed {
		return nil
	}
	return installRuntimes(ctx, config)
}

// unmanaged leaves out of what is cached who has written which of its fields:
// nobody asks, but of MPIJobs.
func unmanaged(o any) (any, error) {
	if _, asked := o.(*training.MPIJob); asked {
		return o, nil
	}
	return cache.TransformStripManagedFields()(o)
}

// trainJobs sets up TrainJobs, and where their programs report to, if they may.
func trainJobs(manager ctrl.Manager, r *reports) error {
	if r == nil {
		return trainjob.Setup(manager, trainjob.Options{})
	}
	if err := trainerstatus.Setup(manager, r.listener); err != nil {
		return err
	}
	return trainjob.Setup(manager, trainjob.Options{Reporting: r.address})
}

// admit sets up what looks at objects on their way in, and turns them into other
// versions. The channel is closed once it does.
func admit(manager ctrl.Manager, o platformOptions) (<-chan struct{}, error) {
	if o.Admission == nil {
		done := make(chan struct{})
		close(done)
		return done, nil
	}
	rules := slices.Concat(jobs.Rules(), jobset.Rules(), trainjob.Rules(manager.GetAPIReader()))
	if o.Store != nil {
		s3, err := admission.S3(manager.GetClient(), manager.GetAPIReader(), *o.Store)
		if err != nil {
			return nil, err
		}
		rules = append(rules, s3)
	}
	if o.Environments != nil {
		rules = append(rules, admission.Environments(o.Environments.Keep))
	}
	options := *o.Admission
	options.Conversions = jobs.Conversions()
	server, err := admission.Setup(manager, options, rules...)
	if err != nil {
		return nil, err
	}
	return server.Ready(), nil
}

// withdrawAdmission takes back what an earlier run, which had controllers, told
// the API server: it would wait for answers that nobody gives.
func withdrawAdmission(ctx context.Context, config *rest.Config) error {
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("withdraw checks of objects: %w", err)
	}
	return admission.Withdraw(ctx, c, jobs.Conversions()...)
}

// readKinds reads the platform's kinds, once, with who turns their objects into
// other versions of themselves.
func readKinds(o *admission.Options) func() ([]*apply.Kind, error) {
	return sync.OnceValues(func() ([]*apply.Kind, error) {
		var kinds []*apply.Kind
		for _, f := range install.Kinds() {
			k, err := apply.ReadKind(f.Data, func(definition map[string]any) error {
				if o == nil || o.Kept == nil {
					return nil
				}
				return o.Kept.Convert(definition, jobs.Conversions()...)
			})
			if err != nil {
				return nil, fmt.Errorf("install %s: %w", f.Name, err)
			}
			kinds = append(kinds, k)
		}
		return kinds, nil
	})
}

// applied are kinds as an empty cluster is given them.
func applied(read func() ([]*apply.Kind, error)) func() ([][]byte, error) {
	return func() ([][]byte, error) {
		kinds, err := read()
		if err != nil {
			return nil, err
		}
		all := make([][]byte, len(kinds))
		for i, k := range kinds {
			if all[i], err = k.Applied(); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
}

// installKinds makes the cluster know the platform's kinds and roles.
func installKinds(ctx context.Context, config *rest.Config, read func() ([]*apply.Kind, error)) error {
	kinds, err := read()
	if err != nil {
		return err
	}
	if err := apply.InstallKinds(ctx, config, kinds...); err != nil {
		return err
	}
	return installSet(ctx, config, apply.Set{Name: "weir-roles", Kinds: roleKinds}, install.Rights())
}

// installRuntimes gives the cluster the runtimes that come with weir. Runtimes
// that people have made are their own.
func installRuntimes(ctx context.Context, config *rest.Config) error {
	return installSet(ctx, config, apply.Set{Name: "weir-runtimes", Kinds: runtimeKinds}, install.Runtimes())
}

// installSet makes a cluster hold what files say.
func installSet(ctx context.Context, config *rest.Config, set apply.Set, files []install.File) error {
	c, err := client.New(config, client.Options{})
	if err != nil {
		return fmt.Errorf("install %s: %w", set.Name, err)
	}
	var all []client.Object
	for _, f := range files {
		objects, err := apply.Parse(f.Data)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		all = append(all, objects...)
	}
	return set.Apply(ctx, c, all...)
}

var (
	roleKinds    = []schema.GroupVersionKind{{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}}
	runtimeKinds = []schema.GroupVersionKind{{Group: "trainer.kubeflow.org", Version: "v1alpha1", Kind: "ClusterTrainingRuntime"}}
)

// runManager starts the controllers and returns when they have read what there
// is. How they end after that is told later.
func runManager(ctx context.Context, manager ctrl.Manager, later chan<- error) error {
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	synced := make(chan bool, 1)
	go func() { synced <- manager.GetCache().WaitForCacheSync(ctx) }()
	select {
	case err := <-ended:
		return fmt.Errorf("run controllers: %w", err)
	case <-synced:
		if later != nil {
			go func() { later <- <-ended }()
		}
		return ctx.Err()
	}
}

// lastLines reads the last lines that a container printed, in the attempt that
// ended last if one has.
func lastLines(core kubernetes.Interface) explain.Logs {
	return func(ctx context.Context, pod *corev1.Pod, container string, lines int) ([]string, error) {
		text, err := core.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
			Container: container,
			TailLines: new(int64(lines)),
			Previous:  betweenAttempts(pod, container),
		}).DoRaw(ctx)
		if err != nil {
			return nil, fmt.Errorf("read log of container %s in pod %s/%s: %w", container, pod.Namespace, pod.Name, err)
		}
		return strings.Split(strings.TrimRight(string(text), "\n"), "\n"), nil
	}
}

// betweenAttempts says whether what the container did last is an attempt before
// the current one.
func betweenAttempts(pod *corev1.Pod, container string) bool {
	for _, all := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for _, s := range all {
			if s.Name == container {
				return s.State.Terminated == nil && s.LastTerminationState.Terminated != nil
			}
		}
	}
	return false
}
