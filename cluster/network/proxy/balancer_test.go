package proxy

import (
	"net/netip"
	"testing"
	"time"
)

func TestBalancer(t *testing.T) {
	a, b, c := netip.MustParseAddrPort("10.244.0.2:80"), netip.MustParseAddrPort("10.244.0.3:80"), netip.MustParseAddrPort("10.244.0.4:80")
	ada, bob := netip.MustParseAddrPort("10.244.0.9:1001"), netip.MustParseAddrPort("10.244.0.8:1002")
	adaAgain := netip.MustParseAddrPort("[::ffff:10.244.0.9]:1003")

	t.Run("Turns", func(t *testing.T) {
		l := newBalancer(backends{endpoints: []netip.AddrPort{a, b}})
		got := map[netip.AddrPort]int{}
		for range 10 {
			e, ok := l.Pick(ada)
			if !ok {
				t.Fatal("nowhere to go")
			}
			got[e]++
		}
		if got[a] != 5 || got[b] != 5 {
			t.Errorf("ten connections went to %v, want five to each", got)
		}
	})
	t.Run("Sticks", func(t *testing.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		l := newBalancer(backends{endpoints: []netip.AddrPort{a, b}, sticky: time.Minute})
		l.now = func() time.Time { return now }
		first, _ := l.Pick(ada)
		if other, _ := l.Pick(bob); other == first {
			t.Errorf("two clients were both led to %s", first)
		}
		for range 5 {
			now = now.Add(50 * time.Second)
			if got, _ := l.Pick(adaAgain); got != first {
				t.Errorf("led to %s, and to %s before", got, first)
			}
		}
		l.set(backends{endpoints: []netip.AddrPort{first, c}, sticky: time.Minute})
		if got, _ := l.Pick(ada); got != first {
			t.Errorf("led to %s though %s stays", got, first)
		}
		l.set(backends{endpoints: []netip.AddrPort{c}, sticky: time.Minute})
		if got, _ := l.Pick(ada); got != c {
			t.Errorf("led to %s, which has gone", got)
		}
	})
	t.Run("ForgetsInTime", func(t *testing.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		l := newBalancer(backends{endpoints: []netip.AddrPort{a, b}, sticky: time.Minute})
		l.now = func() time.Time { return now }
		l.Pick(ada)
		now = now.Add(2 * time.Minute)
		l.set(l.backends)
		if n := len(l.stays); n != 0 {
			t.Errorf("%d clients are remembered that were not heard of for long", n)
		}
	})
	t.Run("Nowhere", func(t *testing.T) {
		l := newBalancer(backends{})
		if e, ok := l.Pick(ada); ok {
			t.Errorf("led to %s, of no endpoints", e)
		}
		if l.Has(a) {
			t.Error("has an endpoint, of none")
		}
	})
}
