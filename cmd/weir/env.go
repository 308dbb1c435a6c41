package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func newEnvCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print what a shell needs to reach this weir",
		Long: `Print export lines for KUBECONFIG, for the front door and a token for it, for the
S3 endpoint and its keys, and for WEIR_DIR, which leads weir's own commands to
the same weir.`,
		Example: `  eval "$(weir env)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, s, err := f.running()
			if err != nil {
				return err
			}
			printEnv(cmd.OutOrStdout(), dir, s)
			return nil
		},
	}
}

func printEnv(w io.Writer, dir string, s *state) {
	export := func(name, value string) {
		fmt.Fprintf(w, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	export("WEIR_DIR", dir)
	export("KUBECONFIG", filepath.Join(dir, "kubeconfig"))
	if s.Front.URL != "" {
		export("WEIR_URL", s.Front.URL)
		export("WEIR_TOKEN", s.Front.Token)
		if s.Front.CAFile != "" {
			export("WEIR_CA_FILE", s.Front.CAFile)
		}
	}
	if s.S3.URL == "" {
		return
	}
	export("AWS_ACCESS_KEY_ID", s.S3.AccessKey)
	export("AWS_SECRET_ACCESS_KEY", s.S3.SecretKey)
	export("AWS_DEFAULT_REGION", s.S3.Region)
	export("AWS_REGION", s.S3.Region)
	export("AWS_ENDPOINT_URL", s.S3.URL)
	// As pods have it: TensorFlow's own file system takes no scheme.
	scheme, host, _ := strings.Cut(s.S3.URL, "://")
	secure := "0"
	if scheme == "https" {
		secure = "1"
	}
	export("S3_ENDPOINT", host)
	export("S3_USE_HTTPS", secure)
	export("S3_VERIFY_SSL", secure)
	if s.S3.CAFile != "" {
		export("AWS_CA_BUNDLE", s.S3.CAFile)
	}
}
