// Package proxy leads the addresses of services to the pods behind them.
//
// Upstream's kube-proxy does it in the kernel, through nftables, where the
// program nft is there and works. Elsewhere this process does it itself: it
// listens on the services' addresses, which the router has all for its own, and
// relays.
//
//	services, endpoint slices ──▶ kernel: kube-proxy's rules     pod ──▶ service address ═▶ pod
//	                         └──▶ relay:  listeners              pod ──▶ listener ──▶ pod
//
// Both follow the same rules, read by upstream's code. What the relay cannot do
// is say where a connection came from: the pod sees the router's address.
package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/proxy/config"

	"github.com/weir-ml/weir/cluster/network/relay"
)

// A Mode says who carries packets to the pods.
type Mode string

const (
	// Kernel is upstream's kube-proxy with nftables.
	Kernel Mode = "kernel"
	// Relay is this process.
	Relay Mode = "relay"
)

// A Config says what to lead where.
type Config struct {
	// REST reaches the API server.
	REST *rest.Config
	// NodeName and NodeIP are this node's; ports of the node are at NodeIP, and
	// a relay's also at 127.0.0.1.
	NodeName string
	NodeIP   netip.Addr
	// PodCIDR are the addresses of pods.
	PodCIDR netip.Prefix
	// Mode is the kernel where that works, if empty, and else the relay.
	Mode Mode
	// Machine is where ports of the node are open too, at MachineIP: the machine's
	// network namespace, as an outside.Gateway has it. Nil is nowhere.
	Machine   relay.Place
	MachineIP netip.Addr
}

// A Proxy leads services to pods until its context ends.
type Proxy struct {
	mode   Mode
	reason error
	ready  chan struct{}
}

// Start watches services and endpoint slices, and leads the ones to the others.
// It fails when the mode that was asked for does not work.
func Start(ctx context.Context, c Config) (*Proxy, error) {
	own := rest.CopyConfig(c.REST)
	own.ContentType, own.QPS = runtime.ContentTypeProtobuf, -1
	client, err := kubernetes.NewForConfig(own)
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{ready: make(chan struct{})}
	provider, err := p.choose(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	watch(ctx, client, c, provider)
	go provider.run(ctx)
	go func() {
		for !provider.synced(ctx) {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
		close(p.ready)
	}()
	return p, nil
}

// Mode says who carries packets, and when it is the relay because the kernel
// would not, why.
func (p *Proxy) Mode() (Mode, error) { return p.mode, p.reason }

// Ready is closed once the services that were there at the start can be reached.
func (p *Proxy) Ready() <-chan struct{} { return p.ready }

// A provider does what is written in services and endpoint slices.
type provider interface {
	config.ServiceHandler
	config.EndpointSliceHandler
	run(ctx context.Context)
	synced(ctx context.Context) bool
}

func (p *Proxy) choose(ctx context.Context, c Config) (provider, error) {
	p.mode = c.Mode
	if c.Mode == Relay {
		return newRelay(c), nil
	}
	kernel, err := newKernel(ctx, c)
	if err == nil {
		p.mode = Kernel
		return kernel, nil
	}
	if c.Mode == Kernel {
		return nil, err
	}
	p.mode, p.reason = Relay, err
	klog.FromContext(ctx).Info("services are relayed", "reason", err)
	return newRelay(c), nil
}

// watch has the provider told of what is its business: not of headless services,
// which are DNS's, nor of those that say another proxy's name.
func watch(ctx context.Context, client kubernetes.Interface, c Config, p provider) {
	services := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = "!service.kubernetes.io/service-proxy-name"
		o.FieldSelector = "spec.clusterIP!=" + corev1.ClusterIPNone
	}))
	slices := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.LabelSelector = "!" + corev1.IsHeadlessService
	}))
	serviceConfig := config.NewServiceConfig(ctx, services.Core().V1().Services(), 0)
	serviceConfig.RegisterEventHandler(p)
	if c.Machine != nil {
		serviceConfig.RegisterEventHandler(newMachinePorts(ctx, c))
	}
	sliceConfig := config.NewEndpointSliceConfig(ctx, slices.Discovery().V1().EndpointSlices(), 0)
	sliceConfig.RegisterEventHandler(p)
	go serviceConfig.Run(ctx.Done())
	go sliceConfig.Run(ctx.Done())
	services.Start(ctx.Done())
	slices.Start(ctx.Done())
}
