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
			err = loopbackUp()
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

// loopbackUp is for the calling thread's namespace.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}
