package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/spf13/cobra"

	"github.com/weir-ml/weir/platform/explain"
)

// A quickstart trains the example, from an empty folder to the model's accuracy.
type quickstart struct {
	folder  *folder
	example string
	keep    bool
	out     io.Writer
}

const (
	quickstartJob    = "digits"
	quickstartData   = "digits-data"
	quickstartBucket = "digits"
)

func newQuickstartCommand(f *folder) *cobra.Command {
	q := quickstart{folder: f}
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "Train a Keras model over four replicas, and show how it goes",
		Long: `Start weir in a folder of its own, put scikit-learn's digits into its S3, train
a classifier on them with a TFJob of a chief, two workers and an evaluator, show
the replicas side by side as they go, and stop weir again. The first time it
takes a few minutes, most of them for TensorFlow's packages; later it starts in
seconds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.out = cmd.OutOrStdout()
			return q.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.example, "example", "examples/training/digits", "folder of the example")
	flags.BoolVar(&q.keep, "keep", false, "leave weir running in the end")
	return cmd
}

func (q *quickstart) run(ctx context.Context) (err error) {
	if _, err := os.Stat(filepath.Join(q.example, "kustomization.yaml")); err != nil {
		return fmt.Errorf("find the example: %w; run this in weir's sources, or name the folder with --example", err)
	}
	dir, err := q.folder.path()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := detach(ctx, dir, upOptions{listen: "127.0.0.1"}, q.out); err != nil {
		return err
	}
	if !q.keep {
		defer func() {
			pid, lookErr := holder(dir)
			if lookErr != nil || pid == 0 {
				return
			}
			// Also when the user has interrupted us.
			if stopErr := stop(context.WithoutCancel(ctx), dir, pid); err == nil {
				err = stopErr
			}
		}()
	}

	// Its pods go with a job of an earlier time, so that their names are free.
	// The data first, so that its pod is seen and the training need not wait.
	if err := q.kubectl(ctx, dir, "delete", "--ignore-not-found", "--cascade=foreground", "tfjob/"+quickstartJob, "job/"+quickstartData); err != nil {
		return err
	}
	if err := q.kubectl(ctx, dir, "apply", "-k", q.example, "--selector", "app=digits,part=data"); err != nil {
		return err
	}
	if err := q.watch(ctx, "job", quickstartData); err != nil {
		return err
	}
	if err := q.kubectl(ctx, dir, "apply", "-k", q.example); err != nil {
		return err
	}
	if err := q.watch(ctx, "tfjob", quickstartJob); err != nil {
		return err
	}
	return q.conclude(ctx, dir, time.Since(began))
}

// kubectl does what a user would.
func (q *quickstart) kubectl(ctx context.Context, dir string, args ...string) error {
	fmt.Fprintf(q.out, "\n$ kubectl %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{"--dir", dir, "kubectl"}, args...)...)
	cmd.Stdout, cmd.Stderr = q.out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// watch shows the replicas of a job until it has ended, and says why if that was
// not well.
func (q *quickstart) watch(ctx context.Context, kind, name string) error {
	w, err := newWatch(q.folder, []string{kind, name}, "default", newScreen(q.out, true))
	if err != nil {
		return err
	}
	end, err := w.show(ctx)
	if err != nil {
		return err
	}
	if end.State != explain.Done {
		fmt.Fprintf(q.out, "\n%s\n%s\n", end.Sentence, end.Remedy)
		return exitError(1)
	}
	return nil
}

// conclude says how good the model is, where it lies and what to try next.
func (q *quickstart) conclude(ctx context.Context, dir string, took time.Duration) error {
	s, err := lastState(dir)
	if err != nil {
		return err
	}
	finished, err := readFinished(ctx, s.S3)
	if err != nil {
		return err
	}
	flag := " --dir " + dir
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, dir); err == nil {
			flag = " --dir " + rel
		}
	}
	fmt.Fprintf(q.out, `
Trained %d epochs over three replicas in %s.
Accuracy on 360 images that nobody trained on: %.1f %%
The model lies in s3://%s/model/model.keras

What to try next:
  bin/weir up%[5]s
      starts the same weir and leaves it running; then, in another shell:
  eval "$(bin/weir env%[5]s)"
      points kubectl, boto3 and weir's own commands at it
  bin/weir logs tfjob/%[6]s
      what the replicas said; bin/weir explain says why something does not move
  bin/weir kubectl apply -k %[7]s
      trains again
`, finished.Epochs, took.Round(time.Second), finished.Accuracy*100, quickstartBucket, flag, quickstartJob, q.example)
	return nil
}

// finished is what the example writes beside its model.
type finished struct {
	Epochs   int     `json:"epochs"`
	Accuracy float64 `json:"accuracy"`
}

func readFinished(ctx context.Context, e endpoint) (*finished, error) {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(e.URL), Region: e.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: e.AccessKey, SecretAccessKey: e.SecretKey}, nil
		}),
	})
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(quickstartBucket), Key: aws.String("model/finished.json")})
	if err != nil {
		return nil, fmt.Errorf("read what the training wrote beside its model: %w", err)
	}
	defer object.Body.Close()
	var f finished
	if err := json.NewDecoder(object.Body).Decode(&f); err != nil {
		return nil, fmt.Errorf("read what the training wrote beside its model: %w", err)
	}
	return &f, nil
}
