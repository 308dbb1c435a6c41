package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/kit/oci"
)

func newImageCommand(f *folder) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build, load, pull, push, list, tag, save and remove images of containers",
		Long: `Build, load, pull, push, list, tag, save and remove images of containers. They are in weir's folder,
whether it runs or not, and a pod that names one runs it.`,
	}
	cmd.AddCommand(
		newImageLoadCommand(f), newImageSaveCommand(f), newImageListCommand(f),
		newImageInspectCommand(f), newImageTagCommand(f), newImageRemoveCommand(f),
		newImagePullCommand(f), newImagePushCommand(f), newImageBuildCommand(f), newImagePackagesCommand(f),
		newImagePruneCommand(f),
	)
	return cmd
}

func imagesDir(dir string) string { return filepath.Join(dir, "images") }

// openImages opens the images of a weir, which need not run.
func openImages(f *folder) (*oci.Store, error) {
	dir, err := f.path()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make weir's folder: %w", err)
	}
	last, err := lastState(dir)
	if err != nil {
		return nil, err
	}
	port := 0
	if last != nil {
		port = portOf(last.Front.URL, 0)
	}
	return imagesAt(dir, port)
}

func newImageLoadCommand(f *folder) *cobra.Command {
	var as string
	cmd := &cobra.Command{
		Use:   "load FILE",
		Short: "Load what docker save wrote, an OCI archive, or an OCI layout",
		Long: `Load the images of an archive that docker save, podman save or skopeo wrote, of an
OCI layout in a tar, or of one in a folder. A FILE of - is the standard input.`,
		Example: `  weir image load mnist.tar
  docker save ada/mnist:v1 | weir image load -
  weir image load layout/ --tag ada/mnist:v1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			names, err := load(cmd.Context(), store, cmd.InOrStdin(), args[0], as)
			for _, n := range names {
				fmt.Fprintf(cmd.OutOrStdout(), "loaded %s\n", n.Familiar())
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&as, "tag", "", "what to call the image, in place of what the archive says")
	return cmd
}

func load(ctx context.Context, store *oci.Store, in io.Reader, file, as string) ([]oci.Name, error) {
	if file == "-" {
		return store.Load(ctx, in, as)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if info.IsDir() {
		return store.LoadFolder(ctx, file, as)
	}
	archive, err := os.Open(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer archive.Close()
	return store.Load(ctx, archive, as)
}

func newImageSaveCommand(f *folder) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "save NAME...",
		Short: "Save images to an archive that docker load, skopeo and weir image load read",
		Example: `  weir image save ada/mnist:v1 --output mnist.tar
  weir image save ada/mnist:v1 | docker load`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			if output == "" || output == "-" {
				return store.Save(cmd.OutOrStdout(), args...)
			}
			file, err := os.CreateTemp(filepath.Dir(output), "."+filepath.Base(output)+"-*")
			if err != nil {
				return fmt.Errorf("save images: %w", err)
			}
			defer os.Remove(file.Name())
			err = errors.Join(store.Save(file, args...), file.Chmod(0o644), file.Close())
			if err != nil {
				return err
			}
			return os.Rename(file.Name(), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; the standard output if not said")
	return cmd
}

func newImageListCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List images",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			all, err := store.List()
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintln(out, "IMAGE\tID\tMADE\tSIZE\tUNPACKED")
			for _, i := range all {
				made := ""
				if i.Config.Created != nil {
					made = i.Config.Created.Format(time.DateOnly)
				}
				unpacked := "no"
				if u, ok := store.Unpacked(i); ok {
					unpacked = inBytes(u.Size)
				}
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", i.Name.Familiar(), i.ID.Encoded()[:12], made, inBytes(i.Size()), unpacked)
			}
			return out.Flush()
		},
	}
}

// findImage opens the images, and finds one by its name or the start of its ID.
func findImage(f *folder, name string) (*oci.Store, *oci.Image, error) {
	store, err := openImages(f)
	if err != nil {
		return nil, nil, err
	}
	i, err := store.Find(name)
	return store, i, err
}

// inBytes is an amount in few letters, such as 1.2 GB.
func inBytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func newImageInspectCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect NAME",
		Short: "Print what an image consists of and what runs in it, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, i, err := findImage(f, args[0])
			if err != nil {
				return err
			}
			u, _ := store.Unpacked(i)
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			return out.Encode(map[string]any{
				"name": i.Name.String(), "digest": i.Target.Digest, "id": i.ID,
				"pulled": i.Pulled, "layers": i.Layers, "unpacked": u.Folders, "config": i.Config, "docker": i.Docker,
			})
		},
	}
}

func newImageTagCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "tag NAME NEW-NAME",
		Short: "Give an image another name",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			return store.Tag(args[0], args[1])
		},
	}
}

func newImageRemoveCommand(f *folder) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME...",
		Short: "Remove names of images, and images that have no name any more",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := store.Remove(name); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", name)
			}
			freed, err := store.Collect(oci.PushTime, nil)
			if errors.Is(err, oci.ErrBusy) {
				fmt.Fprintln(cmd.ErrOrStderr(), "the room is free later: images are put into the folder just now")
				return nil
			}
			if err == nil && freed > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s are free again\n", inBytes(freed))
			}
			return err
		},
	}
}
