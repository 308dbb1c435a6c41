package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/cri"
	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/network/outside"
)

// resolvConf says whom this process, and pods on its network, ask for names.
const resolvConf = "/etc/resolv.conf"

// A place is where the node's pods are: their network, and this process's
// address on it.
type place struct {
	network cri.Network
	address netip.Addr
	// out is the way out, which lasts as long as somebody holds it; nil is none.
	out     *outside.Gateway
	missing []string
}

// newPlace makes the network that pods get, before anything serves on it, and
// its way out.
func newPlace(ctx context.Context, c Config) (*place, error) {
	if c.Node == nil {
		return &place{address: c.Address}, nil
	}
	if c.Node.Plain {
		plain := network.Plain{Address: c.Address}
		return &place{network: plain, address: c.Address, missing: plain.Missing()}, nil
	}
	n, err := network.Start(ctx, network.Config{PodCIDR: podRange, ServiceCIDR: serviceRange})
	if err != nil {
		return nil, err
	}
	p := &place{network: n, address: n.Gateway()}
	if c.Node.Outside == nil {
		return p, nil
	}
	if p.out, err = outside.Connect(ctx, c.Node.Outside, n.Gateway()); err != nil {
		return nil, err
	}
	n.OpenPortsOn(p.out, c.Node.MachineAddress)
	return p, resolveThrough(p.out.DNS)
}

// resolveThrough makes this mount namespace's resolv.conf name one server. What
// stands there may name one on the machine's loopback, which is not ours.
func resolveThrough(server netip.Addr) error {
	text := []byte("nameserver " + server.String() + "\n")
	target, err := filepath.EvalSymlinks(resolvConf)
	if errors.Is(err, os.ErrNotExist) {
		// A link into /run, which is empty here: make what it leads to.
		link, err := os.Readlink(resolvConf)
		if err != nil {
			return nil //nolint:nilerr // The machine resolves no names.
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(resolvConf), link)
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("make %s: %w", link, err)
		}
		return os.WriteFile(link, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", resolvConf, err)
	}
	const ours = "/run/weir-resolv.conf"
	if err := os.WriteFile(ours, text, 0o644); err != nil {
		return fmt.Errorf("make %s: %w", ours, err)
	}
	if err := unix.Mount(ours, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount on %s: %w", target, err)
	}
	return nil
}
