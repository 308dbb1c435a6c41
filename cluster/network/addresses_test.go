package network

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAddresses(t *testing.T) {
	a, err := newAddresses(netip.MustParsePrefix("10.244.0.8/29"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.gateway, netip.MustParseAddr("10.244.0.9"); got != want {
		t.Errorf("gateway %s, want %s", got, want)
	}
	var all []netip.Addr
	for range 5 {
		ip, err := a.take()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ip)
	}
	if ip, err := a.take(); err == nil {
		t.Errorf("got %s, though all five were taken", ip)
	}
	sorted := slices.SortedFunc(slices.Values(all), netip.Addr.Compare)
	if got, want := sorted[0], netip.MustParseAddr("10.244.0.10"); got != want {
		t.Errorf("lowest address %s, want %s", got, want)
	}
	if got, want := sorted[4], netip.MustParseAddr("10.244.0.14"); got != want {
		t.Errorf("highest address %s, want %s: the last is the broadcast's", got, want)
	}

	a.put(all[1])
	a.put(all[0])
	if ip, err := a.take(); err != nil || ip != all[0] {
		t.Errorf("got %s, %v, want %s, which has been free for longest in turn", ip, err, all[0])
	}
}

func TestAddressesRefuse(t *testing.T) {
	for name, p := range map[string]netip.Prefix{
		"None":     {},
		"IPv6":     netip.MustParsePrefix("fd00::/64"),
		"TooSmall": netip.MustParsePrefix("10.244.0.0/30"),
	} {
		if _, err := newAddresses(p); err == nil {
			t.Errorf("%s: %s was taken for a pod network", name, p)
		}
	}
}
