// Package cluster carries a Kubernetes in the process: what starts after what.
//
//	network ─▶ etcd ─▶ API server ─┬─▶ controller manager
//	                               ├─▶ scheduler
//	                               ├─▶ volumes, DNS, services, metrics
//	                               └─▶ runtime ─▶ kubelet
//
// It gives the rest of the program one thing: how to reach the API server.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"

	"github.com/weir-ml/weir/cluster/apiserver"
	"github.com/weir-ml/weir/cluster/controllermanager"
	"github.com/weir-ml/weir/cluster/cri"
	"github.com/weir-ml/weir/cluster/etcd"
	"github.com/weir-ml/weir/cluster/gpu"
	"github.com/weir-ml/weir/cluster/metrics"
	"github.com/weir-ml/weir/cluster/pki"
	"github.com/weir-ml/weir/cluster/scheduler"
	"github.com/weir-ml/weir/kit/part"
)

// Addresses inside the cluster. They mean nothing outside of it.
var (
	podRange      = netip.MustParsePrefix("10.244.0.0/16")
	serviceRange  = netip.MustParsePrefix("10.43.0.0/16")
	kubernetesIP  = netip.MustParseAddr("10.43.0.1")
	clusterDNSIP  = netip.MustParseAddr("10.43.0.10")
	clusterDomain = "cluster.local"
)

// Parts by which others call them.
const (
	controllerPart = "controller manager"
	schedulerPart  = "scheduler"
)

const (
	nodeName    = "weir"
	kubeletPort = 10250
	issuer      = "https://kubernetes.default.svc.cluster.local"
)

// A Config says where the cluster keeps its things and what it consists of.
type Config struct {
	// Dir keeps everything that outlives a run.
	Dir string
	// Listener takes API requests. Its port also leads here on 127.0.0.1 of
	// this process's network namespace.
	Listener net.Listener
	// Address is this machine's, for when pods have no network of their own. It
	// must not be a loopback.
	Address netip.Addr
	// Names are further names and addresses under which the API server is reached.
	Names []string
	// Kinds yields CustomResourceDefinitions, in JSON, that the cluster knows from
	// its first moment when Dir is empty. It may be nil, and is asked when they are
	// needed.
	Kinds func() ([][]byte, error)
	// Node runs pods. Nil means a control plane alone.
	Node *Node
	// Report is told of each part that has started. It may be nil.
	Report func(part string)
}

// A Cluster is a running Kubernetes.
type Cluster struct {
	// REST reaches the API server as its administrator.
	REST *rest.Config
	// Inside does the same from within this process, at less cost. It carries
	// requests and watches, but neither exec, attach nor port-forward.
	Inside *rest.Config
	// Kubeconfig is the file that says the same to kubectl.
	Kubeconfig string
	// Missing says in sentences what pods go without on this machine.
	Missing []string
	// GPUs are those that pods can ask for.
	GPUs gpu.Machine
	// History is what the node used over the last hour.
	History metrics.History

	config Config
	keys   *keys
	where  *place
	parts  sync.WaitGroup
	ended  sync.Map // from the names of parts that have to why, or nil
	failed chan error
	api    *apiserver.Server
	node   atomic.Pointer[cri.Runtime] // nil without one
}

// Address is where pods reach this process.
func (k *Cluster) Address() netip.Addr { return k.where.address }

// Failed yields an error when a part of the cluster has ended without being
// asked to.
func (k *Cluster) Failed() <-chan error { return k.failed }

// Wait returns when every part has ended, after the context given to Start has.
func (k *Cluster) Wait() { k.parts.Wait() }

// Start brings a control plane up and returns when it serves requests. It runs
// until ctx ends. StartNode adds the node.
func Start(ctx context.Context, c Config) (*Cluster, error) {
	// Several components configure the process's one log; the first wins.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(map[string]bool{
		// Use is measured by our runtime, not by cAdvisor.
		"PodAndContainerStatsFromCRI": true,
		// Who watches is mostly in this process. To compress each event for each
		// of them takes longer than all else that is done for a watch.
		"WatchListCompression": false,
	}); err != nil {
		return nil, fmt.Errorf("start cluster: %w", err)
	}
	if c.Report == nil {
		c.Report = func(string) {}
	}

	where, err := newPlace(ctx, c)
	if err != nil {
		return nil, err
	}
	c.Address = where.address
	keys, err := keysOf(c)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{
		REST: keys.rest(keys.admin), Kubeconfig: filepath.Join(c.Dir, "kubeconfig"),
		config: c, keys: keys, where: where, failed: make(chan error, 8),
	}
	cluster.config.Kinds = nil // They are megabytes, and needed once.
	if err := cluster.startControlPlane(ctx, c, keys); err != nil {
		return nil, err
	}
	return cluster, nil
}

func (k *Cluster) startControlPlane(ctx context.Context, c Config, keys *keys) error {
	sockets, err := os.MkdirTemp("/run", "weir-") // a short path, as sockets need
	if err != nil {
		sockets, err = os.MkdirTemp("", "weir-")
	}
	if err != nil {
		return fmt.Errorf("make folder for sockets: %w", err)
	}

	// etcd ends last: the others write while they end.
	etcdCtx, stopEtcd := context.WithCancel(context.WithoutCancel(ctx))
	e, err := part.Start(etcdCtx, "etcd", func(ctx context.Context) (*etcd.Server, error) {
		return etcd.Start(ctx, etcd.Config{Dir: filepath.Join(c.Dir, "etcd"), Sockets: sockets, Log: filepath.Join(c.Dir, "logs", "etcd.log")})
	})
	if err != nil {
		stopEtcd()
		return err
	}
	etcdEnded := k.watch("etcd", e.Done())
	if err := wait(ctx, "etcd", e.Ready(), 30*time.Second); err != nil {
		stopEtcd()
		return err
	}
	c.Report("etcd")

	api, err := part.Start(ctx, part.APIServer, func(ctx context.Context) (*apiserver.Server, error) {
		return apiserver.Start(ctx, keys.apiServer(c, e.Endpoint))
	})
	if err != nil {
		stopEtcd()
		return err
	}
	apiEnded := k.watch("API server", api.Done())
	go func() {
		<-apiEnded
		stopEtcd()
		<-etcdEnded
		_ = os.RemoveAll(sockets) // in memory, and gone with the program
	}()
	if err := wait(ctx, "API server", api.Ready(), time.Minute); err != nil {
		select {
		case err = <-k.failed: // which says why
		default:
		}
		return err
	}
	k.api = api
	if k.Inside, err = k.inside(keys.admin); err != nil {
		return err
	}
	c.Report("API server")

	controllersREST, err := k.inside(keys.controllers)
	if err != nil {
		return err
	}
	managing, err := part.Start(ctx, controllerPart, func(ctx context.Context) (<-chan error, error) {
		return controllermanager.Start(ctx, controllermanager.Config{
			Kubeconfig: keys.file("controller-manager"), REST: controllersREST, Authority: keys.authority, SigningKey: keys.signing,
		})
	})
	if err != nil {
		return err
	}
	k.watch(controllerPart, managing)
	schedulerREST, err := k.inside(keys.scheduler)
	if err != nil {
		return err
	}
	placing, err := part.Start(ctx, schedulerPart, func(ctx context.Context) (<-chan error, error) {
		return scheduler.Start(ctx, scheduler.Config{Kubeconfig: keys.file("scheduler"), REST: schedulerREST})
	})
	if err != nil {
		return err
	}
	k.watch(schedulerPart, placing)
	c.Report("controllers and scheduler")
	return nil
}

// inside reaches the API server from within this process, as the bearer of a
// pair.
func (k *Cluster) inside(bearer pki.Pair) (*rest.Config, error) {
	cert, err := bearer.Certificate()
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	config := k.api.Inside(cert)
	config.ContentType = k.REST.ContentType
	return config, nil
}

// watch counts a part in, and passes its error on. The channel it returns is
// closed when the part has ended.
func (k *Cluster) watch(part string, done <-chan error) <-chan struct{} {
	ended := make(chan struct{})
	k.parts.Go(func() {
		defer close(ended)
		err := <-done
		k.ended.Store(part, err)
		if err != nil && !errors.Is(err, context.Canceled) {
			select {
			case k.failed <- fmt.Errorf("%s: %w", part, err):
			default: // the first few say enough
			}
		}
	})
	return ended
}

func wait(ctx context.Context, part string, ready <-chan struct{}, atMost time.Duration) error {
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w", part, ctx.Err())
	case <-time.After(atMost):
		return fmt.Errorf("start %s: not ready after %s; its log lies in logs/ of weir's folder", part, atMost)
	}
}
