package cri

import (
	"context"
	"fmt"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/network"
)

// A Network gives pods an address: see network.Network.
type Network interface {
	// Attach makes a network namespace with an address, and leads ports of the
	// machine to it. The namespace's file stays the network's.
	Attach(ctx context.Context, id string, ports []network.PortMapping) (*network.Attachment, error)
	// Detach takes back what Attach gave; twice does no harm.
	Detach(id string) error
}

// portsOf are the ports of the machine that the pod wants.
func portsOf(config *runtimeapi.PodSandboxConfig) []network.PortMapping {
	var ports []network.PortMapping
	for _, p := range config.GetPortMappings() {
		if p.GetHostPort() > 0 {
			ports = append(ports, network.PortMapping{
				HostIP:        p.GetHostIp(),
				HostPort:      uint16(p.GetHostPort()),
				ContainerPort: uint16(p.GetContainerPort()),
				Protocol:      p.GetProtocol().String(),
			})
		}
	}
	return ports
}

// sysctlsOf are the kernel's settings for a pod. One with a network of its own may listen
// on every port, as any user.
func sysctlsOf(config *runtimeapi.PodSandboxConfig, ownNetwork bool) map[string]string {
	sysctls := map[string]string{}
	if ownNetwork {
		sysctls["net.ipv4.ip_unprivileged_port_start"] = "0"
	}
	for name, value := range config.GetLinux().GetSysctls() {
		sysctls[strings.ReplaceAll(name, "/", ".")] = value
	}
	return sysctls
}

// resolvConf is the pod's /etc/resolv.conf; nil when the kubelet leaves that to the machine.
func resolvConf(dns *runtimeapi.DNSConfig) []byte {
	if dns == nil {
		return nil
	}
	var b strings.Builder
	if len(dns.GetSearches()) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(dns.GetSearches(), " "))
	}
	for _, server := range dns.GetServers() {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	if len(dns.GetOptions()) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(dns.GetOptions(), " "))
	}
	return []byte(b.String())
}
