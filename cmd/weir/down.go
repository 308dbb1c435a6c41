package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newDownCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the weir that runs in a folder",
		Long:  "Stop the weir that runs in a folder. Objects, volumes and logs stay; weir up goes on with them.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := f.path()
			if err != nil {
				return err
			}
			pid, err := holder(dir)
			if err != nil {
				return err
			}
			if pid == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "no weir runs in %s\n", dir)
				return nil
			}
			return stop(cmd.Context(), dir, pid)
		},
	}
}

// stop asks the process to end, and waits until it has let its folder go.
func stop(ctx context.Context, dir string, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop weir, process %d: %w", pid, err)
	}
	const patience = time.Minute
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		switch now, err := holder(dir); {
		case err != nil:
			return err
		case now != pid:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("weir, process %d, has not stopped within %s; kill -9 %d is safe: nothing acknowledged is lost", pid, patience, pid)
}
