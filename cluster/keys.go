package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/weir-ml/weir/cluster/apiserver"
	"github.com/weir-ml/weir/cluster/metrics"
	"github.com/weir-ml/weir/cluster/pki"
)

// keys are an installation's certificates, and who bears them.
type keys struct {
	dir                   string
	url                   string
	authority, frontProxy *pki.Authority
	signing               string

	serving, kubeletServing, kubeletClient, proxyClient, admin, controllers, scheduler, node, proxy, metrics pki.Pair
}

// file is the kubeconfig of a component.
func (k *keys) file(component string) string { return filepath.Join(k.dir, component+".kubeconfig") }

func (k *keys) rest(bearer pki.Pair) *rest.Config { return k.authority.REST(k.url, bearer) }

// keysOf makes what is missing, or reads it, and writes the kubeconfigs anew:
// the port may have changed.
func keysOf(c Config) (*keys, error) {
	dir := filepath.Join(c.Dir, "pki")
	k := &keys{dir: dir, url: "https://" + loopback(c.Listener)}
	var err error
	if k.authority, err = pki.Open(dir); err != nil {
		return nil, err
	}
	if k.frontProxy, err = pki.Open(filepath.Join(dir, "front-proxy")); err != nil {
		return nil, err
	}
	if k.signing, err = k.authority.SigningKey("service-accounts"); err != nil {
		return nil, err
	}

	apiNames := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain, "localhost",
		"127.0.0.1", kubernetesIP.String(), c.Address.String(),
	}, c.Names...)
	slices.Sort(apiNames)
	for _, certificate := range []struct {
		to   *pki.Pair
		make func() (pki.Pair, error)
	}{
		{&k.serving, func() (pki.Pair, error) { return k.authority.Server("apiserver", slices.Compact(apiNames)...) }},
		{&k.kubeletServing, func() (pki.Pair, error) { return k.authority.Server("kubelet", nodeName, c.Address.String()) }},
		{&k.metrics, func() (pki.Pair, error) { return k.authority.Server("metrics", metrics.Host) }},
		{&k.kubeletClient, func() (pki.Pair, error) {
			return k.authority.Client("apiserver-kubelet-client", "system:kube-apiserver", "system:masters")
		}},
		{&k.proxyClient, func() (pki.Pair, error) { return k.frontProxy.Client("client", apiserver.FrontProxyName) }},
		{&k.admin, func() (pki.Pair, error) { return k.authority.Client("admin", "weir-admin", "system:masters") }},
		{&k.node, func() (pki.Pair, error) { return k.authority.Client("node", "system:node:"+nodeName, "system:nodes") }},
		{&k.proxy, func() (pki.Pair, error) { return k.authority.Client("proxy", "system:kube-proxy") }},
		{&k.controllers, func() (pki.Pair, error) {
			return k.authority.Client("controller-manager", "system:kube-controller-manager")
		}},
		{&k.scheduler, func() (pki.Pair, error) { return k.authority.Client("scheduler", "system:kube-scheduler") }},
	} {
		if *certificate.to, err = certificate.make(); err != nil {
			return nil, err
		}
	}

	for file, bearer := range map[string]pki.Pair{
		k.file("controller-manager"):       k.controllers,
		k.file("scheduler"):                k.scheduler,
		filepath.Join(c.Dir, "kubeconfig"): k.admin,
	} {
		if err := k.authority.Kubeconfig(file, k.url, bearer); err != nil {
			return nil, err
		}
	}
	return k, os.MkdirAll(filepath.Join(c.Dir, "logs"), 0o700)
}

func (k *keys) apiServer(c Config, etcdEndpoint string) apiserver.Config {
	return apiserver.Config{
		Listener:      c.Listener,
		Advertise:     c.Address.AsSlice(),
		EtcdEndpoint:  etcdEndpoint,
		ServiceRange:  ipNet(serviceRange),
		Issuer:        issuer,
		Authority:     k.authority,
		FrontProxy:    k.frontProxy,
		Serving:       k.serving,
		KubeletClient: k.kubeletClient,
		ProxyClient:   k.proxyClient,
		SigningKey:    k.signing,
		Kinds:         c.Kinds,
		AuditLog:      filepath.Join(c.Dir, "logs", "audit.log"),
	}
}

// loopback is where this process reaches a listener of its own.
func loopback(l net.Listener) string {
	return fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)
}

func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
