package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/platform/explain"
	"github.com/weir-ml/weir/platform/training/progress"
)

func newWatchCommand(f *folder) *cobra.Command {
	var namespace string
	c := &cobra.Command{
		Use:   "watch KIND/NAME",
		Short: "Show how far a job is, and the curves of its loss and accuracy",
		Long: `Show how the replicas of a job go: how far each is, how fast and for how long
still, the last loss, accuracy or whatever it prints, and their curves. On a
terminal it is drawn in its place; elsewhere there are lines. It ends with the
job, and shows those that have ended too.

All of it is found in what the replicas print: a program need not be changed.`,
		Example: "  weir watch tfjob/mnist\n  weir watch pytorchjob/llm -n ada\n  weir watch tfjob/mnist --kubeconfig ~/.kube/config",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := newWatch(f, args, namespace, newScreen(cmd.OutOrStdout(), true))
			if err != nil {
				return err
			}
			e, err := w.show(cmd.Context())
			if errors.Is(err, context.Canceled) {
				return nil // Somebody has seen enough.
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n", e.Sentence)
			if e.State == explain.Failed || e.State == explain.Stuck {
				if e.Remedy != "" {
					fmt.Fprintf(cmd.OutOrStdout(), "What to do: %s\n", e.Remedy)
				}
				return exitHeldUp
			}
			return nil
		},
	}
	c.Flags().StringVarP(&namespace, "namespace", "n", "default", "the object's namespace")
	f.orAnother(c.Flags())
	return c
}

// A watch looks at a job until it has ended.
type watch struct {
	target target
	source explain.Source
	screen *screen
	// course is how the replicas stand, given the pods that there are.
	course func(ctx context.Context, pods []corev1.Pod) ([]progress.Replica, error)
	// kept is whether that is known from the beginning, and need not be read first.
	kept bool
}

// newWatch looks at an object. What weir's controllers keep is read where it
// lies; of another cluster, or what is no training job, the logs are followed
// from here.
func newWatch(f *folder, args []string, namespace string, s *screen) (*watch, error) {
	config, err := f.rest()
	if err != nil {
		return nil, err
	}
	dir, err := f.path()
	if err != nil {
		return nil, err
	}
	mapper, err := newMapper(config)
	if err != nil {
		return nil, err
	}
	w := &watch{screen: s}
	if w.target, err = parseTarget(mapper, args, namespace); err != nil {
		return nil, err
	}
	reader, err := newClient(config, mapper)
	if err != nil {
		return nil, err
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	w.source = explain.Source{Reader: reader, Mapper: mapper, Logs: lastLines(core)}
	job := progress.Job{Kind: strings.ToLower(w.target.kind.Kind), Namespace: w.target.namespace, Name: w.target.name}
	logs := progress.APILogs(core)
	if f.kubeconfig == "" {
		if progress.HasCourse(job.Kind) {
			w.course, w.kept = keptCourse(progress.Open(courses(dir)), job), true
			return w, nil
		}
		logs = newKeptLogs(dir)
	}
	live, err := progress.NewLive(job, logs)
	w.course = func(ctx context.Context, pods []corev1.Pod) ([]progress.Replica, error) {
		return live.Replicas(), live.Look(ctx, pods)
	}
	return w, err
}

// keptCourse reads what the controllers keep of a job.
func keptCourse(store *progress.Store, job progress.Job) func(context.Context, []corev1.Pod) ([]progress.Replica, error) {
	return func(context.Context, []corev1.Pod) ([]progress.Replica, error) {
		course, err := store.Find(job.Namespace, job.Kind, job.Name)
		if errors.Is(err, progress.ErrUnknown) {
			return nil, nil // It has said nothing yet.
		}
		if err != nil {
			return nil, err
		}
		return course.Replicas(), nil
	}
}

// How long after its end a job may still be heard.
const (
	heardFor    = 6 * time.Second
	silentAfter = 3 * time.Second
)

// show shows the replicas until the job has ended, and returns what there is to
// say of that.
func (w *watch) show(ctx context.Context) (explain.Explanation, error) {
	tick := time.NewTicker(findEvery)
	defer tick.Stop()
	var ended, heard time.Time
	for first := true; ; first = false {
		e, over, err := w.look(ctx)
		if err != nil {
			return e, err
		}
		now := time.Now()
		if w.screen.news() {
			heard = now
		}
		if over && ended.IsZero() {
			ended = now
		}
		if over && (first && w.kept || now.Sub(ended) > heardFor || now.Sub(ended) > silentAfter && now.Sub(heard) > silentAfter) {
			w.screen.note = ""
			w.screen.draw(now, true)
			return e, nil
		}
		w.screen.draw(now, false)
		select {
		case <-ctx.Done():
			return e, ctx.Err()
		case <-tick.C:
		}
	}
}

// look asks how the job and its replicas are, and whether it has ended.
func (w *watch) look(ctx context.Context) (e explain.Explanation, over bool, err error) {
	finder := logFinder{target: w.target, source: w.source}
	o, err := finder.object(ctx)
	if err != nil {
		return e, false, err
	}
	if o == nil {
		return e, false, errors.New(notFound(w.target))
	}
	var pods []corev1.Pod
	if w.target.kind == corev1.SchemeGroupVersion.WithKind("Pod") {
		pods = make([]corev1.Pod, 1)
		err = w.source.Reader.Get(ctx, w.target.key(), &pods[0])
	} else {
		pods, err = explain.PodsOf(ctx, w.source, o)
	}
	if err != nil {
		return e, false, err
	}
	for i := range pods {
		w.screen.states[progress.ReplicaOf(&pods[i], w.target.name)] = stateOf(&pods[i])
	}
	if w.screen.replicas, err = w.course(ctx, pods); err != nil {
		return e, false, err
	}
	e, err = explain.Of(ctx, w.source, w.target.kind, w.target.namespace, w.target.name)
	if err != nil {
		return e, false, err
	}
	w.screen.note = ""
	if e.Reason != "Running" && e.State != explain.Done {
		w.screen.note = e.Sentence
	}
	return e, hasEnded(o), nil
}

// stateOf is a pod's state in a word.
func stateOf(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "ending"
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return w.Reason
		}
	}
	return strings.ToLower(string(pod.Status.Phase))
}
