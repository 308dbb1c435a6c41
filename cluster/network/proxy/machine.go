package proxy

import (
	"context"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// machinePorts opens the ports of the node on the machine, and leads them to
// the node's: people call them from there.
type machinePorts struct {
	ctx      context.Context
	node     netip.Addr
	at       netip.Addr
	mu       sync.Mutex
	services map[types.NamespacedName][]corev1.ServicePort
	known    bool
	ports    *ports
}

func newMachinePorts(ctx context.Context, c Config) *machinePorts {
	m := &machinePorts{ctx: ctx, node: c.NodeIP, at: c.MachineIP, services: map[types.NamespacedName][]corev1.ServicePort{}, ports: newPorts(c.Machine)}
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		_ = m.ports.set(ctx, nil)
	})
	return m
}

func (m *machinePorts) OnServiceAdd(s *corev1.Service)       { m.change(s, s.Spec.Ports) }
func (m *machinePorts) OnServiceUpdate(_, s *corev1.Service) { m.change(s, s.Spec.Ports) }
func (m *machinePorts) OnServiceDelete(s *corev1.Service)    { m.change(s, nil) }

func (m *machinePorts) OnServiceSynced() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = true
	m.apply()
}

func (m *machinePorts) change(s *corev1.Service, ports []corev1.ServicePort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
	m.services[name] = ports
	if len(ports) == 0 {
		delete(m.services, name)
	}
	if m.known {
		m.apply()
	}
}

func (m *machinePorts) apply() {
	if m.ctx.Err() != nil {
		return
	}
	wanted := map[at]backends{}
	for _, ports := range m.services {
		for _, p := range ports {
			if p.NodePort != 0 && p.Protocol != corev1.ProtocolSCTP {
				number := uint16(p.NodePort)
				wanted[at{p.Protocol, netip.AddrPortFrom(m.at, number)}] = backends{endpoints: []netip.AddrPort{netip.AddrPortFrom(m.node, number)}}
			}
		}
	}
	// Somebody else on the machine may have a port: then the node has it alone.
	if err := m.ports.set(m.ctx, wanted); err != nil {
		klog.FromContext(m.ctx).Info("ports of the node are not open on the machine", "err", err)
	}
}
