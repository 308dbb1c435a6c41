package network

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/weir-ml/weir/cluster/network/netns"
)

// Alone makes a network namespace from which nobody is reached but itself, by its
// loopback.
func Alone() (*os.File, error) {
	var file *os.File
	done := make(chan error)
	netns.OwnThread(func() {
		var err error
		if file, err = netns.New(); err == nil {
			_, err = loopbackUp(&netlink.Handle{})
		}
		done <- err
	})
	if err := <-done; err != nil {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
		return nil, err
	}
	return file, nil
}

// loopbackUp sets lo up; the zero handle is for the calling thread's namespace.
func loopbackUp(links *netlink.Handle) (netlink.Link, error) {
	lo, err := links.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find lo: %w", err)
	}
	if err := links.LinkSetUp(lo); err != nil {
		return nil, fmt.Errorf("set lo up: %w", err)
	}
	return lo, nil
}
