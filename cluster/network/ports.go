package network

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/weir-ml/weir/cluster/network/relay"
)

// openPorts leads ports of the node to the pod with this address, and returns
// what closes them.
func openPorts(ports []PortMapping, pod netip.Addr) (stops []func(), err error) {
	defer func() {
		if err != nil {
			for _, stop := range stops {
				stop()
			}
		}
	}()
	for _, p := range ports {
		if p.HostPort == 0 {
			continue
		}
		stop, err := openPort(p, netip.AddrPortFrom(pod, p.ContainerPort))
		if err != nil {
			return stops, fmt.Errorf("host port %s/%d: %w", p.Protocol, p.HostPort, err)
		}
		stops = append(stops, stop)
	}
	return stops, nil
}

func openPort(p PortMapping, to netip.AddrPort) (func(), error) {
	at := net.JoinHostPort(p.HostIP, strconv.Itoa(int(p.HostPort)))
	switch p.Protocol {
	case "TCP", "":
		l, err := net.Listen("tcp", at)
		if err != nil {
			return nil, err
		}
		go func() { _ = relay.TCP(l, relay.To(to)) }()
		return func() { _ = l.Close() }, nil
	case "UDP":
		c, err := net.ListenPacket("udp", at)
		if err != nil {
			return nil, err
		}
		go func() { _ = relay.UDP(c.(*net.UDPConn), relay.To(to)) }()
		return func() { _ = c.Close() }, nil
	}
	return nil, fmt.Errorf("protocol %s is not relayed: use TCP or UDP, or hostNetwork", p.Protocol)
}
