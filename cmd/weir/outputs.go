package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newOutputsCommand(f *folder) *cobra.Command {
	var namespace string
	c := &cobra.Command{
		Use:   "outputs RUN [DIR]",
		Short: "List what a run has left behind, or copy it into a folder",
		Long: `List the files that a run has left in the folder that its --output named, or
that a notebook's results are in. With DIR they are copied there. They stay in S3
when the run's job is deleted.`,
		Example: "  weir outputs train-x7k2p\n  weir outputs train-x7k2p ./out",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := runner{folder: f, out: cmd.OutOrStdout(), said: cmd.ErrOrStderr()}
			store, err := r.store()
			if err != nil {
				return err
			}
			_, name, ok := strings.Cut(args[0], "/")
			if !ok {
				name = args[0]
			}
			parts, err := store.Outputs(cmd.Context(), namespace, name)
			if err != nil {
				return err
			}
			if len(parts) == 0 {
				return fmt.Errorf("run %s has left nothing behind in namespace %s: what it keeps is what it writes to the folder that --output names", name, namespace)
			}
			if len(args) == 2 {
				if err := store.Fetch(cmd.Context(), namespace, name, parts, args[1]); err != nil {
					return err
				}
				r.say("%s in %s", count(len(parts), "file"), args[1])
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(w, "FILE\tSIZE")
			for _, p := range parts {
				fmt.Fprintf(w, "%s\t%s\n", p.Name, inBytes(p.Size))
			}
			return w.Flush()
		},
	}
	c.Flags().StringVarP(&namespace, "namespace", "n", "default", "the run's namespace")
	f.orAnother(c.Flags())
	return c
}
