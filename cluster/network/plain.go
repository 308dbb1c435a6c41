package network

import (
	"context"
	"net/netip"
)

// A Plain network is the machine's own, which all pods share: what is left
// where the machine allows no namespaces. A port of a pod is the machine's, so
// two pods cannot listen on the same.
type Plain struct {
	// Address is the machine's, and so that of every pod.
	Address netip.Addr
}

// Attach gives the pod the machine's address.
func (p Plain) Attach(context.Context, string, []PortMapping) (*Attachment, error) {
	return &Attachment{IP: p.Address}, nil
}

// Detach has nothing to take back.
func (Plain) Detach(string) error { return nil }

// Gateway is the machine's address.
func (p Plain) Gateway() netip.Addr { return p.Address }

// Missing says what pods go without, in sentences for people.
func (Plain) Missing() []string {
	return []string{
		"Pods have no addresses of their own: two that listen on the same port are in each other's way.",
		"There are no cluster DNS and no service addresses: a pod finds others by this machine's address and their port.",
	}
}
