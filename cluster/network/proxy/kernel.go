package proxy

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	kubeproxy "k8s.io/kubernetes/pkg/proxy/apis/config"
	"k8s.io/kubernetes/pkg/proxy/nftables"
	proxyutil "k8s.io/kubernetes/pkg/proxy/util"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/knftables"
)

const (
	// settle is how long changes are gathered before they become rules. Each
	// time runs the program nft.
	settle = 100 * time.Millisecond
	// again is when what failed is tried once more.
	again = 5 * time.Second
	// masqueradeBit marks packets that must come back through the router.
	masqueradeBit = 14
)

// kernel is upstream's kube-proxy.
type kernel struct {
	*nftables.Proxier
	table knftables.Interface
}

func newKernel(ctx context.Context, c Config) (*kernel, error) {
	if _, err := exec.LookPath("nft"); err != nil {
		return nil, fmt.Errorf("program nft: %w", err)
	}
	table, err := knftables.New(knftables.IPv4Family, "kube-proxy")
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	p, err := nftables.NewProxier(ctx,
		&kubeproxy.KubeProxyConfiguration{
			SyncPeriod:        metav1.Duration{Duration: again},
			MinSyncPeriod:     metav1.Duration{Duration: settle},
			NodePortAddresses: []string{netip.PrefixFrom(c.NodeIP, 32).String()},
			NFTables:          kubeproxy.KubeProxyNFTablesConfiguration{MasqueradeBit: ptr.To[int32](masqueradeBit)},
		},
		corev1.IPv4Protocol, proxyutil.NewDetectLocalByCIDR(c.PodCIDR.String()),
		c.NodeName, c.NodeIP.AsSlice(), &events.FakeRecorder{}, nil, false)
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	return &kernel{Proxier: p, table: table}, nil
}

// run goes on for as long as the process: upstream's loop has no end. Without
// watches it has nothing to do, and its rules go with the network namespace.
func (k *kernel) run(context.Context) { k.SyncLoop() }

// synced says whether any service has come to be rules: there is always one.
func (k *kernel) synced(ctx context.Context) bool {
	rules, err := k.table.ListElements(ctx, "map", "service-ips")
	return err == nil && len(rules) > 0
}
