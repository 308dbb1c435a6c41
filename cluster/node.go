package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/cluster/cri"
	"github.com/weir-ml/weir/cluster/gpu"
	"github.com/weir-ml/weir/cluster/metrics"
	"github.com/weir-ml/weir/cluster/network/dns"
	"github.com/weir-ml/weir/cluster/network/proxy"
	"github.com/weir-ml/weir/cluster/node"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/cluster/step"
	"github.com/weir-ml/weir/cluster/volume"
)

// A Node says how pods are run.
type Node struct {
	// Plain does without namespaces: the machine allows none.
	Plain bool
	// Outside is this process's end of the way out: see outside.Pair. Nil means
	// that pods cannot reach what lies outside of the machine.
	Outside *os.File
	// MachineAddress is where ports of the node are open on the machine.
	MachineAddress netip.Addr
	// Images say what image references mean.
	Images cri.ImageStore
	// Installer lays packages over images, in containers on the pods' network; nil does
	// not.
	Installer *step.Installer
	// Collection says when images that nobody uses are removed.
	Collection node.ImageCollection
	// Shared are the folders of the machine that pods may mount.
	Shared []cri.Share
	// LogRetention says how long logs stay when their pod is gone.
	LogRetention podlogs.Retention
}

// KeptLogs is the folder in dir that has the logs of pods, also of deleted ones.
func KeptLogs(dir string) string { return filepath.Join(dir, "kept-logs") }

// PodLog is the file in dir that a container of a pod is writing its log to, as
// the kubelet calls it.
func PodLog(dir, namespace, pod, uid, container string, attempt int32) string {
	return filepath.Join(dir, podLogs, namespace+"_"+pod+"_"+uid, container, fmt.Sprintf("%d.log", attempt))
}

const podLogs = "logs/pods"

// StartNode starts the node that the config names, and returns when it takes
// pods. It runs until ctx ends.
func (k *Cluster) StartNode(ctx context.Context) error {
	c, keys, where := k.config, k.keys, k.where
	in := func(name string) string { return filepath.Join(c.Dir, name) }

	containers, err := container.New(ctx, container.Config{Dir: in("containers"), Hide: []string{c.Dir}, Plain: c.Node.Plain})
	if err != nil {
		return err
	}
	groups, err := cgroup.Open()
	if err != nil {
		return err
	}
	logs, err := podlogs.Open(KeptLogs(c.Dir), c.Node.LogRetention)
	if err != nil {
		return err
	}
	k.parts.Go(func() {
		logs.Start(ctx, func(err error) { klog.FromContext(ctx).Error(err, "logs of pods that are gone are not removed") })
	})
	k.Missing = append(append(k.Missing, containers.Missing()...), where.missing...)
	if why := groups.Support().Reason; why != "" {
		k.Missing = append(k.Missing, why)
	}

	k.GPUs = gpu.Find("/")
	k.Missing = append(k.Missing, k.GPUs.Missing...)
	shared := slices.Clone(c.Node.Shared)
	for _, f := range k.GPUs.Files() {
		// Where /usr cannot be written over, the machine's own is seen, with the driver in it.
		shared = append(shared, cri.Share{Path: f.Path, ReadOnly: true, Optional: true})
	}

	relister := node.NewRelister()
	if i := c.Node.Installer; i != nil && !c.Node.Plain {
		i.Site = &step.Site{Containers: containers, Network: where.network}
		if where.out != nil {
			i.Site.Nameserver = where.out.DNS
		}
	}
	runtime, err := cri.New(cri.Config{
		Dir:        in("cri"),
		KubeletDir: in("kubelet"),
		Shared:     shared,
		Containers: containers,
		Cgroups:    groups,
		Images:     c.Node.Images,
		Network:    where.network,
		HostIP:     where.address,
		Missing:    k.Missing,
		Logs:       logs,
		OnChange:   relister.Changed,
	})
	if err != nil {
		return err
	}
	k.node.Store(runtime)
	k.parts.Go(func() {
		<-ctx.Done()
		k.stopPods(context.WithoutCancel(ctx), runtime, containers, groups)
	})

	events, err := k.progressEvents(ctx)
	if err != nil {
		return err
	}
	nodeREST, err := k.inside(keys.node)
	if err != nil {
		return err
	}
	if err := node.Start(ctx, node.Config{
		Name: nodeName, Address: where.address.AsSlice(), Port: kubeletPort,
		Dir: in("kubelet"), PodLogs: in(podLogs),
		REST: nodeREST, Authority: keys.authority, Serving: keys.kubeletServing,
		ClusterDNS: []string{clusterDNSIP.String()}, ClusterDomain: clusterDomain, ResolvConf: resolvConf,
		Runtime: runtime,
		Images:  cri.NewImages(cri.ImagesConfig{Store: c.Node.Images, Dir: c.Dir, Progress: events}),

		Collection: c.Node.Collection,
		Users:      containers,
		Relister:   relister,
		GPUs:       k.GPUs,
	}); err != nil {
		return err
	}
	if err := volume.Start(ctx, volume.Config{Dir: in("volumes"), Node: nodeName, REST: k.Inside}); err != nil {
		return err
	}
	if err := metrics.Start(ctx, metrics.Config{
		REST: k.Inside, Stats: runtime, NodeName: nodeName, Address: where.address,
		Serving: keys.metrics, Authority: keys.authority, FrontProxy: keys.frontProxy,
		History: &k.History,
	}); err != nil {
		return err
	}
	if err := k.startNames(ctx); err != nil {
		return err
	}
	if err := k.startServices(ctx); err != nil {
		return err
	}
	if err := k.waitForNode(ctx); err != nil {
		return err
	}
	c.Report("node")
	return nil
}

// ErrNoNode says that no pods run here.
var ErrNoNode = errors.New("this weir runs no pods")

// Look opens a file or folder in a running container of a pod for reading: see
// container.Look. It is cri.ErrNotRunning that there is no such container.
func (k *Cluster) Look(namespace, pod, container, path string) (*os.File, error) {
	runtime := k.node.Load()
	if runtime == nil {
		return nil, ErrNoNode
	}
	return runtime.Look(namespace, pod, container, path)
}

// startNames starts the cluster's name server, where pods have a network of
// their own.
func (k *Cluster) startNames(ctx context.Context) error {
	if k.config.Node.Plain {
		return nil
	}
	client, err := kubernetes.NewForConfig(k.Inside)
	if err != nil {
		return err
	}
	if err := dns.Announce(ctx, client, clusterDNSIP); err != nil {
		return err
	}
	var upstream []string
	if k.where.out != nil {
		upstream = []string{netip.AddrPortFrom(k.where.out.DNS, 53).String()}
	}
	server, err := dns.Start(ctx, dns.Config{REST: k.Inside, Address: clusterDNSIP, Domain: clusterDomain, Forward: upstream})
	if err != nil {
		return err
	}
	k.parts.Go(func() { <-server.Done() })
	return wait(ctx, "DNS", server.Ready(), 30*time.Second)
}

// startServices leads the addresses of services to their pods.
func (k *Cluster) startServices(ctx context.Context) error {
	if k.config.Node.Plain {
		return nil
	}
	config, err := k.inside(k.keys.proxy)
	if err != nil {
		return err
	}
	c := proxy.Config{REST: config, NodeName: nodeName, NodeIP: k.where.address, PodCIDR: podRange}
	if k.where.out != nil {
		c.Machine, c.MachineIP = k.where.out, k.config.Node.MachineAddress
	}
	p, err := proxy.Start(ctx, c)
	if err != nil {
		return err
	}
	if _, reason := p.Mode(); reason != nil {
		k.Missing = append(k.Missing, fmt.Sprintf("Services are relayed by weir itself, so pods see its address in place of a caller's: nft does not work here (%v).", reason))
	}
	return wait(ctx, "services", p.Ready(), 30*time.Second)
}

// stopPods ends all containers within a few seconds, and what held them.
func (k *Cluster) stopPods(ctx context.Context, runtime *cri.Runtime, containers *container.Runtime, groups *cgroup.Tree) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := errors.Join(runtime.Close(ctx), containers.Close(), groups.Close()); err != nil {
		select {
		case k.failed <- fmt.Errorf("stop pods: %w", err):
		default:
		}
	}
}

// waitForNode returns when the scheduler may place pods on the node.
func (k *Cluster) waitForNode(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(k.Inside)
	if err != nil {
		return err
	}
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		n, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err == nil && readyIn(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start node: not ready after %s; its log lies in logs/weir.log of weir's folder", patience)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func readyIn(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// progressEvents records what is done to make an image present as events of the
// pod that waits for it: the kubelet says only that it began, and that it ended.
func (k *Cluster) progressEvents(ctx context.Context) (func(pod *runtimeapi.PodSandboxMetadata, image, text string), error) {
	client, err := kubernetes.NewForConfig(k.Inside)
	if err != nil {
		return nil, err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "weir", Host: nodeName})
	return func(pod *runtimeapi.PodSandboxMetadata, image, text string) {
		recorder.Eventf(&corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod", Namespace: pod.GetNamespace(), Name: pod.GetName(), UID: types.UID(pod.GetUid()),
		}, corev1.EventTypeNormal, "Preparing", "Image %q: %s", image, text)
	}, nil
}
