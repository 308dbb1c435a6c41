package main

import (
	"fmt"
	"io"
	"path/filepath"
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
			s.describe(out, dir)
			return nil
		},
	}
}

// describe says where a running weir is reached, and what pods go without.
func (s *state) describe(out io.Writer, dir string) {
	if s.Front.URL != "" {
		fmt.Fprintf(out, "  weir        %s   (weir link prints a link that signs you in)\n", s.Front.URL)
	}
	fmt.Fprintf(out, "  Kubernetes  %s   (KUBECONFIG=%s)\n", s.Kubernetes.URL, filepath.Join(dir, "kubeconfig"))
	if s.S3.URL != "" {
		fmt.Fprintf(out, "  S3          %s   (weir env prints the keys)\n", s.S3.URL)
	}
	if s.Metrics.URL != "" {
		fmt.Fprintf(out, "  metrics     %s   (for tokens with the role system:monitoring)\n", s.Metrics.URL)
	}
	switch s.Namespaces {
	case "full":
		fmt.Fprintln(out, "  pods        in namespaces of their own")
	case "user":
		fmt.Fprintln(out, "  pods        in namespaces of their own, as this user")
	}
	if s.GPUs != "" {
		fmt.Fprintf(out, "  GPUs        %s   (pods ask for nvidia.com/gpu)\n", s.GPUs)
	}
	for _, m := range s.Missing {
		fmt.Fprintf(out, "  missing     %s\n", m)
	}
}
