package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/cri"
	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/cluster/rootfs"
)

// nodeOf is the node that runs pods on this machine.
func nodeOf(dir string, o upOptions, m machine) (*cluster.Node, error) {
	shared, err := sharesOf(o.share)
	if err != nil {
		return nil, err
	}
	return &cluster.Node{
		Plain:        m.kind == namespaces.None,
		Outside:      m.outside,
		Images:       &rootfs.Images{},
		Shared:       shared,
		LogRetention: podlogs.Retention{Age: 7 * 24 * time.Hour, Bytes: 10 << 30},
	}, nil
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
