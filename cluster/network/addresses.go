package network

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
)

// addresses are those of pods. One that was given back is given out again only
// after all others: who still knows a pod that has gone shall find nobody there,
// rather than somebody else.
type addresses struct {
	gateway netip.Addr

	first, size uint32 // of those for pods
	next        uint32 // index of the one to try first
	used        map[netip.Addr]bool
}

// newAddresses has the addresses of an IPv4 network of eight or more, without
// those of the network, the router and the broadcast. The first to be given out
// is any: after a restart, the addresses of the run before are still about.
func newAddresses(p netip.Prefix) (*addresses, error) {
	if !p.IsValid() || !p.Addr().Is4() || p.Bits() > 29 {
		return nil, fmt.Errorf("pod network %s: not an IPv4 network of at least eight addresses, such as 10.244.0.0/16", p)
	}
	p = p.Masked()
	base := p.Addr().As4()
	a := &addresses{
		gateway: p.Addr().Next(),
		first:   binary.BigEndian.Uint32(base[:]) + 2,
		size:    1<<(32-p.Bits()) - 3,
		used:    map[netip.Addr]bool{},
	}
	a.next = rand.N(a.size)
	return a, nil
}

func (a *addresses) take() (netip.Addr, error) {
	for range a.size {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], a.first+a.next)
		a.next = (a.next + 1) % a.size
		if ip := netip.AddrFrom4(b); !a.used[ip] {
			a.used[ip] = true
			return ip, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all %d pod addresses are taken", a.size)
}

func (a *addresses) put(ip netip.Addr) { delete(a.used, ip) }
