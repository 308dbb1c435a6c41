// Package node runs upstream's kubelet in the process, with a container runtime
// and the machine's facts handed to it as Go values in place of sockets and cAdvisor.
//
//	API server ── pods ──▶ kubelet ── CRI ──▶ runtime ──▶ processes
//	     ▲                    ▲                  │
//	     └──── status ────────┴── Relister ◀─────┘ something changed
package node

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	nooptrace "go.opentelemetry.io/otel/trace/noop"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"

	"github.com/weir-ml/weir/cluster/gpu"
	"github.com/weir-ml/weir/cluster/pki"
)

// Config is what a node needs to know.
type Config struct {
	Name string
	// Address and Port are where the kubelet serves. The address must not be
	// a loopback, since the API server would refuse it.
	Address net.IP
	Port    int
	// Dir holds pods' volumes; PodLogs their logs.
	Dir, PodLogs string
	// REST is how this node, and nobody else, reaches the API server.
	REST *rest.Config
	// Authority says whom the kubelet trusts; Serving is its own certificate.
	Authority *pki.Authority
	Serving   pki.Pair
	// ClusterDNS and ClusterDomain are written into pods' resolv.conf.
	ClusterDNS    []string
	ClusterDomain string
	// ResolvConf is the file that pods with dnsPolicy Default get.
	ResolvConf string

	Runtime    internalapi.RuntimeService
	Images     internalapi.ImageManagerService
	Collection ImageCollection
	Users      Users
	Relister   *Relister
	// GPUs are those of the machine, for containers that ask for nvidia.com/gpu.
	GPUs gpu.Machine
}

// An ImageCollection says when images that no container uses are removed: when the disk
// is High percent full, until it is Low percent full. High of 100 is never,
// and the zero value what the kubelet does by default.
type ImageCollection struct{ High, Low int32 }

// Start runs a kubelet until ctx ends.
func Start(ctx context.Context, c Config) error {
	server, err := kubeletServer(c)
	if err != nil {
		return fmt.Errorf("start kubelet: %w", err)
	}
	d, err := dependencies(ctx, c, server)
	if err != nil {
		return fmt.Errorf("start kubelet: %w", err)
	}
	if err := kubeletapp.RunKubelet(ctx, server, d); err != nil {
		return fmt.Errorf("start kubelet: %w", err)
	}
	return nil
}

func dependencies(ctx context.Context, c Config, server *kubeletoptions.KubeletServer) (*kubelet.Dependencies, error) {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, err
	}
	heartbeat := rest.CopyConfig(c.REST)
	heartbeat.Timeout = 10 * time.Second
	heartbeatClient, err := kubernetes.NewForConfig(heartbeat)
	if err != nil {
		return nil, err
	}
	auth, reload, err := kubeletapp.BuildAuth(types.NodeName(c.Name), client, server.KubeletConfiguration)
	if err != nil {
		return nil, err
	}
	reload(ctx.Done())
	tls, err := kubeletapp.InitializeTLS(ctx, &server.KubeletFlags, &server.KubeletConfiguration)
	if err != nil {
		return nil, err
	}

	// The kubelet would link each log into /var/log/containers for collectors
	// that a single machine does not have.
	kubelet.ContainerLogsDir = filepath.Join(c.Dir, "container-logs")
	manager, err := newContainerManager(klog.FromContext(ctx), c.Users, c.Dir, c.GPUs)
	if err != nil {
		return nil, err
	}
	mounter := newMounter()
	pods := newPodSource()
	d := &kubelet.Dependencies{
		Auth:                      auth,
		KubeClient:                client,
		HeartbeatClient:           heartbeatClient,
		EventClient:               client.CoreV1(),
		RemoteRuntimeService:      c.Runtime,
		RemoteImageService:        c.Images,
		CAdvisorInterface:         &machine{dir: c.Dir},
		OSInterface:               withoutLinks{},
		ContainerManager:          manager,
		VolumePlugins:             volumePlugins(),
		TLSOptions:                tls,
		OOMAdjuster:               oom.NewFakeOOMAdjuster(),
		Mounter:                   mounter,
		Subpather:                 subpath.New(mounter),
		HostUtil:                  unshared{hostutil.NewHostUtil()},
		PodStartupLatencyTracker:  kubeletutil.NewPodStartupLatencyTracker(),
		NodeStartupLatencyTracker: kubeletutil.NewNodeStartupLatencyTracker(klog.FromContext(ctx)),
		TracerProvider:            nooptrace.NewTracerProvider(),
		Options:                   []kubelet.Option{c.Relister.attach, shortenVolumeWaits, writeAllocationsLater, pods.attach},
	}
	d.PodConfig = pods.config(ctx, client, d, c.Name)
	return d, nil
}
