package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/cri"
	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/cluster/step"
	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/kit/oci"
)

// nodeOf is the node that runs pods on this machine, and the environments that
// it runs them in.
func nodeOf(ctx context.Context, dir string, o upOptions, m machine, images *oci.Store) (*cluster.Node, *environment.Store, error) {
	shared, err := sharesOf(o.share)
	if err != nil {
		return nil, nil, err
	}
	s, err := readSettings(dir)
	if err != nil {
		return nil, nil, err
	}
	programs, err := layPrograms(filepath.Join(dir, "programs"))
	if err != nil {
		return nil, nil, err
	}
	store, err := environment.Open(environmentsDir(dir), environment.Options{Newer: newerEnvironments(dir), Programs: programs})
	if err != nil {
		return nil, nil, err
	}
	go func() {
		if err := images.SweepUnpacked(ctx); err != nil {
			klog.FromContext(ctx).Error(err, "layers of images that are gone stay")
		}
	}()
	address, err := netip.ParseAddr(o.listen)
	if err != nil {
		return nil, nil, fmt.Errorf("--listen %s: %w", o.listen, err)
	}
	means := rootfs.NewImages(store, images)
	installer := &step.Installer{Images: images, Dir: buildsDir(dir), Tools: store.Tools}
	means.Installer = installer
	return &cluster.Node{
		Plain:          m.kind == namespaces.None,
		Outside:        m.outside,
		MachineAddress: address,
		Images:         means,
		Installer:      installer,
		Collection:     s.Images.collection(),
		Shared:         shared,
		LogRetention:   s.Logs.retention(),
	}, store, nil
}

// sharesOf reads PATH and PATH:ro.
func sharesOf(flags []string) ([]cri.Share, error) {
	var shares []cri.Share
	for _, f := range flags {
		path, readOnly := strings.CutSuffix(f, ":ro")
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("--share %s: %w", f, err)
		}
		shares = append(shares, cri.Share{Path: abs, ReadOnly: readOnly})
	}
	return shares, nil
}
