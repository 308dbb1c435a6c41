package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/platform/mention"
	"github.com/weir-ml/weir/platform/packaging"
)

func newImagePruneCommand(f *folder) *cobra.Command {
	var age time.Duration
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what no image consists of, and images that neither a name nor an object leads to",
		Long: `Remove what no image consists of, and images without a name: those of which a tag was
moved, and pushes that were broken off. One that an object in the cluster names by its
digest stays; while weir does not run nobody knows, and all of them stay. A running
weir does this once a day.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := openImages(f)
			if err != nil {
				return err
			}
			named := func(string) (bool, error) { return true, nil }
			if config, err := f.rest(); err == nil {
				named = mention.Of(cmd.Context(), config)
			} else {
				fmt.Fprintf(cmd.ErrOrStderr(), "images without a name stay, since objects may name them: %v\n", err)
			}
			freed, err := pruneImages(store, age, age, named)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s are free again\n", inBytes(freed))
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&age, "older-than", oci.PushTime, "what is younger stays: somebody may be about to name it")
	return cmd
}

// stepsStay is how long a build may not have used what one made before.
const stepsStay = 14 * 24 * time.Hour

// pruneImages removes what no name and no object leads to, and of builds what has not
// been used for some time.
func pruneImages(store *oci.Store, age, unused time.Duration, named func(string) (bool, error)) (freed int64, err error) {
	if _, err := store.ForgetSteps(unused); err != nil {
		return 0, err
	}
	var problem error
	freed, err = store.Collect(age, func(d digest.Digest) bool {
		is, err := named(d.Encoded())
		problem = err
		return is || err != nil
	})
	return freed, errors.Join(err, problem)
}

// A cleaner removes, once a day, what was pushed and uploaded and nobody needs.
type cleaner struct {
	cluster *rest.Config
	images  *oci.Store
	code    func() (*packaging.Store, error) // nil is none
}

// What a weir that runs for hours at a time needs no more goes as well.
const (
	cleanFirst = time.Hour
	cleanEvery = 24 * time.Hour
)

func (c *cleaner) run(ctx context.Context) {
	next := time.NewTimer(cleanFirst)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		wait := cleanEvery
		err := c.clean(ctx)
		if errors.Is(err, oci.ErrBusy) {
			err, wait = nil, cleanFirst
		}
		if err != nil {
			klog.FromContext(ctx).Error(err, "What nobody needs stays")
		}
		next.Reset(wait)
	}
}

func (c *cleaner) clean(ctx context.Context) error {
	named := mention.Of(ctx, c.cluster)
	freed, err := pruneImages(c.images, oci.PushTime, stepsStay, named)
	if c.code != nil {
		store, failed := c.code()
		if failed == nil {
			var n int64
			n, failed = store.Prune(ctx, time.Now(), named)
			freed += n
		}
		err = errors.Join(err, failed)
	}
	if freed > 0 {
		klog.FromContext(ctx).Info("What nobody needs was removed", "bytes", freed)
	}
	return err
}
