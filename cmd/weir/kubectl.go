package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	kubectl "k8s.io/kubectl/pkg/cmd"
)

// newKubectlCommand is kubectl itself. Flags are kubectl's own, so weir's --dir
// stands before the word kubectl.
func newKubectlCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl",
		Short:              "kubectl itself, against this weir",
		Example:            "  weir kubectl get pods\n  weir --dir DIR kubectl get pods",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.path()
			if err != nil {
				return err
			}
			flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag().WithDiscoveryBurst(300).WithDiscoveryQPS(50)
			file := filepath.Join(dir, "kubeconfig") // --kubeconfig still names another
			flags.KubeConfig = &file
			// kubectl keeps what a server has by its address, and that may have
			// been another weir's before.
			if os.Getenv("KUBECACHEDIR") == "" {
				cache := filepath.Join(dir, "kubectl")
				flags.CacheDir = &cache
			}
			inner := kubectl.NewKubectlCommand(kubectl.KubectlOptions{
				PluginHandler: kubectl.NewDefaultPluginHandler([]string{"kubectl"}),
				Arguments:     append([]string{"kubectl"}, args...),
				ConfigFlags:   flags,
				IOStreams:     genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
			})
			inner.SetArgs(args)
			return inner.ExecuteContext(cmd.Context())
		},
	}
}
