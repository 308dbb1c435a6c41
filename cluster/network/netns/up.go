package netns

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
)

// UntilUp waits until the interface of this name carries packets. The kernel
// says so only some time after it was told to set it up, and drops what comes
// before: a first connection would take a second longer.
func UntilUp(links *netlink.Handle, name string) error {
	for range 1000 {
		link, err := links.LinkByName(name)
		if err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // It is a look at a fact, every millisecond for a second at most.
	}
	return fmt.Errorf("%s was set up, and is down still after a second", name)
}
