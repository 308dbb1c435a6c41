package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/environment"
)

func newEnvironmentCommand(f *folder) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "environment",
		Short: "Say what images mean: which Python and which packages",
	}
	cmd.AddCommand(newEnvironmentAddCommand(f), newEnvironmentListCommand(f), newEnvironmentRemoveCommand(f))
	return cmd
}

func environmentsDir(dir string) string { return filepath.Join(dir, "environments") }

func newEnvironmentAddCommand(f *folder) *cobra.Command {
	var requirements, python, programs, base string
	var packages []string
	cmd := &cobra.Command{
		Use:   "add IMAGE",
		Short: "Map an image, or a glob of images, to an environment",
		Long: `Map an image, or a glob of images, to an environment. The mapping is written to
weir.yaml, and a running weir takes it at once. The environment is built when
the first pod needs it.`,
		Example: `  weir environment add 'registry.local/mnist:*' --package tensorflow-cpu --package tf-keras
  weir environment add my/image --requirements requirements.txt
  weir environment add my/image --python ~/envs/mine
  weir environment add my/mnist --from registry.local/base:v3 --package torchvision`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.path()
			if err != nil {
				return err
			}
			r := environment.Recipe{Image: args[0], From: base, Requirements: packages, Python: python}
			if requirements != "" {
				lines, err := readRequirements(requirements)
				if err != nil {
					return err
				}
				r.Requirements = append(r.Requirements, lines...)
			}
			for _, path := range []struct {
				flag string
				to   *string
			}{{python, &r.Python}, {programs, &r.Folder}} {
				if strings.Contains(path.flag, "/") {
					if *path.to, err = filepath.Abs(path.flag); err != nil {
						return err
					}
				}
			}
			if len(r.Requirements) == 0 && r.Python == "" && r.Folder == "" && r.From == "" {
				return errors.New("say what the image means: --requirements FILE, --package NAME, with or without --from BASE, --python PATH or --folder PATH")
			}
			if err := r.Check(); err != nil {
				return err
			}
			if err := addEnvironment(dir, r); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is mapped in %s\n", r.Image, settingsFile(dir))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&requirements, "requirements", "", "file with packages, as pip reads it")
	flags.StringArrayVar(&packages, "package", nil, "package, as pip names it; may be repeated")
	flags.StringVar(&base, "from", "", "image, or name of an environment, that the packages are laid over")
	flags.StringVar(&python, "python", "", "interpreter or environment to use as it is, or a version, as 3.11")
	flags.StringVar(&programs, "folder", "", "folder of programs that come first on the PATH, instead of a Python")
	return cmd
}

// readRequirements reads the lines of a requirements.txt that name packages.
func readRequirements(file string) ([]string, error) {
	open, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read requirements: %w", err)
	}
	defer open.Close()
	var all []string
	lines := bufio.NewScanner(open)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), " #")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "-"):
			return nil, fmt.Errorf("%s:%d: %q is an option, not a package: set it in the shell that runs weir up, as UV_INDEX_URL", file, n, line)
		default:
			all = append(all, line)
		}
	}
	return all, lines.Err()
}

// addEnvironment puts a recipe before the others in weir.yaml, and leaves all
// else in it, comments too, as it stands.
func addEnvironment(dir string, r environment.Recipe) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make weir's folder: %w", err)
	}
	held, err := os.OpenFile(settingsFile(dir)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("hold settings: %w", err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("hold settings: %w", err)
	}
	if _, err := readSettings(dir); err != nil {
		return err
	}
	data, err := os.ReadFile(settingsFile(dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read settings: %w", err)
	}
	var document, entry yamlv3.Node
	if err := yamlv3.Unmarshal(data, &document); err != nil {
		return fmt.Errorf("read %s: %w", settingsFile(dir), err)
	}
	text, err := yaml.Marshal(r)
	if err != nil {
		return err
	}
	if err := yamlv3.Unmarshal(text, &entry); err != nil {
		return err
	}
	list := environmentsNode(&document)
	list.Content = append([]*yamlv3.Node{entry.Content[0]}, list.Content...)
	if data, err = yamlv3.Marshal(&document); err != nil {
		return err
	}
	temp := settingsFile(dir) + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return os.Rename(temp, settingsFile(dir))
}

// environmentsNode is the list of environments in a settings file; it is made
// when there is none.
func environmentsNode(document *yamlv3.Node) *yamlv3.Node {
	if len(document.Content) == 0 || document.Content[0].Kind != yamlv3.MappingNode {
		document.Kind = yamlv3.DocumentNode
		document.Content = []*yamlv3.Node{{Kind: yamlv3.MappingNode}}
	}
	root := document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "environments" {
			root.Content[i+1].Kind, root.Content[i+1].Tag, root.Content[i+1].Value = yamlv3.SequenceNode, "!!seq", ""
			return root.Content[i+1]
		}
	}
	list := &yamlv3.Node{Kind: yamlv3.SequenceNode}
	root.Content = append(root.Content, &yamlv3.Node{Kind: yamlv3.ScalarNode, Value: "environments"}, list)
	return list
}

func newEnvironmentListCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what images mean, and the environments that are built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, recipes, err := openEnvironments(f)
			if err != nil {
				return err
			}
			images, err := openImages(f)
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(out, "IMAGE\tMEANS\tBUILT")
			for _, r := range recipes {
				built := "no"
				if r.From != "" {
					if made, err := images.Find(rootfs.NameOver(r)); err == nil {
						built = inBytes(made.Size())
					}
				}
				if e, ok := store.Built(r); ok {
					built = "yes"
					if e.Size > 0 {
						built = inBytes(e.Size)
					}
				}
				fmt.Fprintf(out, "%s\t%s\t%s\n", r.Image, meaning(r), built)
			}
			if err := out.Flush(); err != nil {
				return err
			}
			entries, err := store.List()
			if err != nil || len(entries) == 0 {
				return err
			}
			fmt.Fprintln(out, "\nID\tFIRST BUILT FOR\tSIZE")
			for _, e := range entries {
				fmt.Fprintf(out, "%s\t%s\t%s\n", e.ID[:len("sha256:")+12], e.Image, inBytes(e.Size))
			}
			return out.Flush()
		},
	}
}

// meaning is a recipe in a few words.
func meaning(r environment.Recipe) string {
	switch {
	case r.From != "":
		return strings.Join(r.Requirements, ", ") + " over " + r.From
	case r.Programs:
		return "a program of weir's"
	case r.Machine:
		return "this machine's programs"
	case r.Files != "":
		return "the files in " + r.Files
	case r.Folder != "":
		return "the programs in " + r.Folder
	case len(r.Requirements) > 0:
		return strings.Join(r.Requirements, ", ")
	case strings.Contains(r.Python, "/"):
		return r.Python
	}
	return strings.TrimSpace("Python " + r.Python)
}

func newEnvironmentRemoveCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Remove an environment that is built; the next pod that needs it has it built again",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, _, err := openEnvironments(f)
			if err != nil {
				return err
			}
			entries, err := store.List()
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e.ID == args[0] || strings.HasPrefix(e.ID, "sha256:"+strings.TrimPrefix(args[0], "sha256:")) {
					fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", e.ID)
					return store.Remove(e.ID)
				}
			}
			return fmt.Errorf("no environment %s: weir environment list names them", args[0])
		},
	}
}

// openEnvironments opens the environments of a weir, which need not run, and
// returns with them what images mean: first what weir.yaml says.
func openEnvironments(f *folder) (*environment.Store, []environment.Recipe, error) {
	dir, err := f.path()
	if err != nil {
		return nil, nil, err
	}
	s, err := readSettings(dir)
	if err != nil {
		return nil, nil, err
	}
	store, err := environment.Open(environmentsDir(dir), environment.Options{})
	if err != nil {
		return nil, nil, err
	}
	kept, err := store.Kept()
	if err != nil {
		return nil, nil, err
	}
	return store, slices.Concat(s.Environments, kept, environment.BuiltIn()), nil
}
