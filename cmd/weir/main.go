// Command weir carries Kubernetes and what trains, serves and shares models on
// it in one program.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if run, ok := programs[filepath.Base(os.Args[0])]; ok {
		os.Exit(run(ctx, os.Args[1:]))
	}
	err := newCommand().ExecuteContext(ctx)
	var exit exitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(int(exit))
	default:
		fmt.Fprintln(os.Stderr, "weir:", err)
		os.Exit(1)
	}
}

// An exitError ends the program with its code; what there was to say is said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func newCommand() *cobra.Command {
	f := &folder{}
	root := &cobra.Command{
		Use:   "weir",
		Short: "Kubernetes and Kubeflow as one program",
		Long: `weir runs a real Kubernetes in one process and, on it, what trains, tunes and
serves models. Start it with "weir up"; then kubectl, published manifests and
the Python SDKs work against it.`,
		SilenceUsage:     true,
		SilenceErrors:    true,
		TraverseChildren: true, // so that --dir may stand before a command that parses no flags
	}
	root.PersistentFlags().StringVar(&f.flag, "dir", "", "weir's folder (default $XDG_DATA_HOME/weir, or $WEIR_DIR)")
	root.AddCommand(
		newUpCommand(f),
		newDownCommand(f),
		newStatusCommand(f),
		newEnvCommand(f),
		newRunCommand(f),
		newLinkCommand(f),
		newOutputsCommand(f),
		newTensorboardCommand(f),
		newUserCommand(f),
		newTokenCommand(f),
		newKubectlCommand(f),
		newLogsCommand(f),
		newWatchCommand(f),
		newExplainCommand(f),
		newQuickstartCommand(f),
		newEnvironmentCommand(f),
		newImageCommand(f),
		newControllersCommand(),
	)
	return root
}
