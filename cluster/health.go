package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A Part is something that a cluster consists of.
type Part struct {
	Name string
	// Err is why the part does not work; nil if it does.
	Err error
}

// patience is how long a part may take to say how it is.
const patience = 2 * time.Second

// Parts looks how each part is, in the way of those who need it where there is one:
// a name server is asked for a name. Others, which are not the cluster's, come after
// those; all are looked at at once.
func (k *Cluster) Parts(ctx context.Context, others ...Probe) []Part {
	client, err := kubernetes.NewForConfig(k.REST)
	if err != nil {
		return []Part{{"API server", err}}
	}
	ask := func(path string) func(context.Context) error {
		return func(ctx context.Context) error { return asks(ctx, client.RESTClient(), path) }
	}
	runs := func(part string) func(context.Context) error {
		return func(context.Context) error { return k.hasEnded(part) }
	}
	probes := []Probe{
		{"API server", ask("/readyz")},
		{"etcd", ask("/readyz/etcd")},
		{controllerPart, runs(controllerPart)},
		{schedulerPart, runs(schedulerPart)},
	}
	if node := k.config.Node; node != nil {
		probes = append(probes,
			Probe{"kubelet", ask("/api/v1/nodes/" + nodeName + "/proxy/healthz")},
			Probe{"node " + nodeName, func(ctx context.Context) error { return takesPods(ctx, client) }},
			Probe{"metrics", ask("/apis/metrics.k8s.io/v1beta1")},
		)
		if !node.Plain {
			probes = append(probes,
				Probe{"DNS", resolves},
				Probe{"services", connects(netip.AddrPortFrom(kubernetesIP, 443))},
			)
		}
		if k.where.out != nil {
			probes = append(probes, Probe{"way out of the machine", connects(netip.AddrPortFrom(k.where.out.DNS, 53))})
		}
	}
	return look(ctx, append(probes, others...))
}

// A Probe finds out why a part does not work.
type Probe struct {
	Part string
	Fail func(context.Context) error
}

// look tries all probes at once.
func look(ctx context.Context, probes []Probe) []Part {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	parts := make([]Part, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() {
			err := p.Fail(ctx)
			if err != nil && ctx.Err() != nil {
				err = fmt.Errorf("it says nothing within %s: %w", patience, err)
			}
			parts[i] = Part{p.Part, err}
		})
	}
	all.Wait()
	return parts
}

// asks reads what the API server, or somebody behind it, says of its health.
func asks(ctx context.Context, client rest.Interface, path string) error {
	said, err := client.Get().AbsPath(path).Do(ctx).Raw()
	if err == nil {
		return nil
	}
	// What does not hold is marked so, in a list.
	var not []string
	for line := range strings.Lines(string(said)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "[-]"); found {
			not = append(not, strings.TrimSuffix(name, " failed: reason withheld"))
		}
	}
	if len(not) > 0 {
		return fmt.Errorf("it is not ready: %s", strings.Join(not, ", "))
	}
	return fmt.Errorf("it does not answer: %w", err)
}

// takesPods says why no pods are placed on the node.
func takesPods(ctx context.Context, client kubernetes.Interface) error {
	n, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	if n.Spec.Unschedulable {
		return fmt.Errorf("it takes no pods until somebody says: weir kubectl uncordon %s", nodeName)
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return errors.New("it takes no pods: " + c.Message)
		}
	}
	return nil
}

// resolves says why the name of the API server is not found.
func resolves(ctx context.Context) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, netip.AddrPortFrom(clusterDNSIP, 53).String())
	}}
	name := "kubernetes.default.svc." + clusterDomain
	found, err := r.LookupNetIP(ctx, "ip4", name+".")
	if err != nil {
		return fmt.Errorf("it does not find %s: %w", name, err)
	}
	if !slices.Contains(found, kubernetesIP) {
		return fmt.Errorf("it says that %s is at %v, and not at %s", name, found, kubernetesIP)
	}
	return nil
}

// connects says why nobody takes connections at an address.
func connects(to netip.AddrPort) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", to.String())
		if err != nil {
			return fmt.Errorf("nothing answers at %s: %w", to, err)
		}
		return c.Close()
	}
}

// hasEnded says why a part does not run any more; nil if it does.
func (k *Cluster) hasEnded(part string) error {
	why, ended := k.ended.Load(part)
	if !ended {
		return nil
	}
	if err, _ := why.(error); err != nil {
		return fmt.Errorf("it has ended: %w", err)
	}
	return errors.New("it has ended, and starts with the next weir up")
}
