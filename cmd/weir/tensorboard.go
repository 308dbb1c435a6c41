package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/platform/tensorboard"
)

func newTensorboardCommand(f *folder) *cobra.Command {
	var namespace string
	c := &cobra.Command{
		Use:   "tensorboard KIND/NAME | PLACE",
		Short: "Print a link to TensorBoard over what a job writes, or a folder holds",
		Long: `Make a Tensorboard for a job or a place, unless there is one, and print where it
stands at the front door. A place is s3://BUCKET/FOLDER or pvc://CLAIM/FOLDER. A
job says where it writes event files by the annotation weir-ml.github.io/events,
or by an argument such as --logdir or a variable such as LOG_DIR.

A Tensorboard that nobody looks at sleeps after an hour; opening it wakes it.
weir kubectl get tensorboards lists them.`,
		Example: "  weir tensorboard tfjob/mnist\n  weir tensorboard s3://default-runs/mnist\n  weir tensorboard pvc://data/logs -n ada",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, s, err := f.running()
			if err != nil {
				return err
			}
			if s.Front.URL == "" {
				return errors.New("this weir has no front door: it was started --without gateway")
			}
			wanted, err := f.wanted(args, namespace)
			if err != nil {
				return err
			}
			opened, err := openTensorboard(cmd.Context(), s.Front, namespace, wanted)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), s.Front.URL+opened.Path)
			return nil
		},
	}
	c.Flags().StringVarP(&namespace, "namespace", "n", "default", "the job's namespace, and the Tensorboard's")
	return c
}

// wanted is what the arguments of weir tensorboard name.
func (f *folder) wanted(args []string, namespace string) (tensorboard.Wanted, error) {
	if len(args) == 1 && strings.Contains(args[0], "://") {
		return tensorboard.Wanted{LogsPath: args[0]}, nil
	}
	config, err := f.rest()
	if err != nil {
		return tensorboard.Wanted{}, err
	}
	mapper, err := newMapper(config)
	if err != nil {
		return tensorboard.Wanted{}, err
	}
	t, err := parseTarget(mapper, args, namespace)
	if err != nil {
		return tensorboard.Wanted{}, err
	}
	version, kind := t.kind.ToAPIVersionAndKind()
	return tensorboard.Wanted{APIVersion: version, Kind: kind, Name: t.name}, nil
}

// openTensorboard asks the front door for a Tensorboard.
func openTensorboard(ctx context.Context, front endpoint, namespace string, w tensorboard.Wanted) (*tensorboard.Opened, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL+tensorboard.OpenPath(namespace), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask for TensorBoard: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+front.Token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask for TensorBoard: %w", err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("ask for TensorBoard: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		var refused metav1.Status
		if json.Unmarshal(said, &refused) != nil || refused.Message == "" {
			return nil, fmt.Errorf("ask for TensorBoard: the front door says %s", answer.Status)
		}
		return nil, errors.New(refused.Message)
	}
	opened := &tensorboard.Opened{}
	if err := json.Unmarshal(said, opened); err != nil {
		return nil, fmt.Errorf("ask for TensorBoard: %w", err)
	}
	return opened, nil
}
