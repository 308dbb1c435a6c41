package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newStatusCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether weir runs, where it is reached, and what this machine lacks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, s, err := f.running()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "weir runs in %s as process %d, since %s\n", dir, s.PID, s.Started.Format(time.DateTime))
			fmt.Fprintf(out, "  Kubernetes  %s\n", s.Kubernetes.URL)
			if s.S3.URL != "" {
				fmt.Fprintf(out, "  S3          %s\n", s.S3.URL)
			}
			fmt.Fprintf(out, "  namespaces  %s\n", s.Namespaces)
			for _, m := range s.Missing {
				fmt.Fprintf(out, "  missing: %s\n", m)
			}
			return nil
		},
	}
}
