package outside

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/network/netns"
)

const (
	nearEnd = "outside0"
	farEnd  = "outside1"
)

// wire makes the veth pair and the routes, and returns sockets with the far
// end's packets. That end has a network namespace to itself, which lives as long
// as they: nobody in this one can read along.
func wire(source netip.Addr) ([]*os.File, error) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer links.Close()
	here, err := netns.Current()
	if err != nil {
		return nil, err
	}
	defer here.Close()

	var packets []*os.File
	done := make(chan error)
	netns.OwnThread(func() {
		packets, err = makeFarEnd(here, links)
		done <- err
	})
	if err := <-done; err != nil {
		return nil, err
	}
	if err := routeOut(links, source); err != nil {
		closeAll(packets)
		return nil, err
	}
	return packets, nil
}

// makeFarEnd makes the pair, and sets up both ends.
func makeFarEnd(here *os.File, near *netlink.Handle) ([]*os.File, error) {
	there, err := netns.New()
	if err != nil {
		return nil, err
	}
	defer there.Close()
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer links.Close()

	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU, attributes.HardwareAddr = farEnd, mtu, mac(farMAC)
	pair := &netlink.Veth{
		LinkAttrs: attributes,
		PeerName:  nearEnd, PeerMTU: mtu, PeerHardwareAddr: mac(nearMAC), PeerNamespace: netlink.NsFd(int(here.Fd())),
	}
	if err := links.LinkAdd(pair); err != nil {
		return nil, fmt.Errorf("add veth pair %s, %s: %w", nearEnd, farEnd, err)
	}
	for _, end := range []struct {
		links *netlink.Handle
		name  string
	}{{near, nearEnd}, {links, farEnd}} {
		link, err := end.links.LinkByName(end.name)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", end.name, err)
		}
		// Both ends know each other from the start, and never ask.
		if err := errors.Join(end.links.LinkSetARPOff(link), end.links.LinkSetUp(link)); err != nil {
			return nil, fmt.Errorf("set %s up: %w", end.name, err)
		}
	}
	if err := errors.Join(netns.UntilUp(near, nearEnd), netns.UntilUp(links, farEnd)); err != nil {
		return nil, err
	}
	link, err := links.LinkByName(farEnd)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", farEnd, err)
	}
	var packets []*os.File
	for range sockets {
		p, err := packetSocket(link.Attrs().Index)
		if err != nil {
			closeAll(packets)
			return nil, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// packetSocket has all IPv4 packets of an interface.
func packetSocket(index int) (*os.File, error) {
	protocol := bits.ReverseBytes16(unix.ETH_P_IP) // in the network's byte order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind a packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), farEnd), nil
}

func routeOut(links *netlink.Handle, source netip.Addr) error {
	link, err := links.LinkByName(nearEnd)
	if err != nil {
		return fmt.Errorf("find %s: %w", nearEnd, err)
	}
	index := link.Attrs().Index
	err = links.NeighSet(&netlink.Neigh{LinkIndex: index, IP: far.AsSlice(), HardwareAddr: mac(farMAC), State: netlink.NUD_PERMANENT})
	if err != nil {
		return fmt.Errorf("introduce %s: %w", far, err)
	}
	err = links.RouteReplace(&netlink.Route{LinkIndex: index, Gw: far.AsSlice(), Src: source.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
	if err != nil {
		return fmt.Errorf("route everything else from %s through %s: %w", source, nearEnd, err)
	}
	return nil
}

func mac(s string) net.HardwareAddr {
	a, err := net.ParseMAC(s)
	if err != nil {
		panic(err) // the constants above are addresses
	}
	return a
}
