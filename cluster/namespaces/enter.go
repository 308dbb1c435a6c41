package namespaces

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Enter makes the namespaces fit to live in: /proc shows this pid namespace,
// and /run is this program's alone. It is the first thing that a process
// started by Start does.
func Enter() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Sockets, and whatever else is this run's only, lie in memory and out of
	// everyone's sight.
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	return nil
}
