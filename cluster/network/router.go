package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const routing = unix.NETLINK_ROUTE

// prepare makes this namespace a router that holds the gateway's address.
func (n *Network) prepare(c Config) error {
	for _, s := range []struct {
		path, value string
		optional    bool
	}{
		{path: "net/ipv4/ip_forward", value: "1"},
		// Who calls what is not there is told so each time, not once a second.
		{path: "net/ipv4/icmp_ratelimit", value: "0", optional: true},
		// Pods have IPv4 addresses. Of IPv6 they have ::1, as every machine.
		{path: "net/ipv6/conf/default/disable_ipv6", value: "1", optional: true},
	} {
		if err := setSysctl(s.path, s.value); err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	lo, err := loopbackUp(n.links)
	if err != nil {
		return err
	}
	if err := n.holdGateway(c.Device); err != nil {
		return err
	}
	// Pods that have gone are not looked for outside of the machine.
	err = n.links.RouteReplace(&netlink.Route{Dst: ipNet(c.PodCIDR), Type: unix.RTN_UNREACHABLE})
	if err != nil {
		return fmt.Errorf("route addresses without a pod: %w", err)
	}
	if !c.ServiceCIDR.IsValid() {
		return nil
	}
	// Every address of a service is this namespace's own. One that nothing
	// translates or serves is refused at once, and not sent out of the machine.
	err = n.links.RouteReplace(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: ipNet(c.ServiceCIDR), Src: n.gateway.AsSlice(),
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: unix.RT_SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("route services %s: %w", c.ServiceCIDR, err)
	}
	return nil
}

// holdGateway gives the router's address to an interface of that name. It has
// no wire: pods reach the address through their own. Kernels have bridges more
// often than dummies, which are meant for this.
func (n *Network) holdGateway(device string) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = device
	var link netlink.Link = &netlink.Bridge{LinkAttrs: attributes}
	err := n.links.LinkAdd(link)
	if errors.Is(err, unix.EOPNOTSUPP) {
		link = &netlink.Dummy{LinkAttrs: attributes}
		err = n.links.LinkAdd(link)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add interface %s: %w", device, err)
	}
	if link, err = n.links.LinkByName(device); err != nil {
		return fmt.Errorf("find interface %s: %w", device, err)
	}
	if err := n.links.AddrReplace(link, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(n.gateway, 32))}); err != nil {
		return fmt.Errorf("give %s to %s: %w", n.gateway, device, err)
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", device, err)
	}
	return nil
}

// setSysctl sets a setting of the network namespace that the calling thread is
// in: /proc/sys/net shows each reader its own.
func setSysctl(path, value string) error {
	if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl %s to %s: %w", path, value, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
