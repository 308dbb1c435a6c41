package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/explain"
)

// exitHeldUp is how "weir explain" ends when something is wrong with the object.
const exitHeldUp exitError = 2

func newExplainCommand(f *folder) *cobra.Command {
	var namespace string
	c := &cobra.Command{
		Use:   "explain KIND/NAME",
		Short: "Say why an object is not moving, and what to do",
		Long: `Say in a sentence how an object fares and what holds it up, what to do about it,
and what that rests on. It knows pods, jobs of every framework, Deployments,
claims, Services, namespaces that do not go away, and asks the owner of
anything else.

The exit code is 0 when nothing is wrong, 2 when the object is stuck or has
failed, and 1 when weir cannot tell.`,
		Example: "  weir explain tfjob/mnist\n  weir explain pvc data -n ada",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := explained(cmd.Context(), f, args, namespace)
			if err != nil {
				return err
			}
			printExplanation(cmd.OutOrStdout(), e)
			if e.State == explain.Stuck || e.State == explain.Failed {
				return exitHeldUp
			}
			return nil
		},
	}
	c.Flags().StringVarP(&namespace, "namespace", "n", "default", "the object's namespace")
	f.orAnother(c.Flags())
	return c
}

func explained(ctx context.Context, f *folder, args []string, namespace string) (explain.Explanation, error) {
	config, err := f.rest()
	if err != nil {
		return explain.Explanation{}, err
	}
	dir, err := f.path()
	if err != nil {
		return explain.Explanation{}, err
	}
	mapper, err := newMapper(config)
	if err != nil {
		return explain.Explanation{}, err
	}
	t, err := parseTarget(mapper, args, namespace)
	if err != nil {
		return explain.Explanation{}, err
	}
	reader, err := newClient(config, mapper)
	if err != nil {
		return explain.Explanation{}, err
	}
	source := explain.Source{Reader: reader, Mapper: mapper, Logs: keptTail(podlogs.View(cluster.KeptLogs(dir)))}
	if f.kubeconfig != "" {
		core, err := kubernetes.NewForConfig(config)
		if err != nil {
			return explain.Explanation{}, fmt.Errorf("reach the API server: %w", err)
		}
		source.Logs = lastLines(core)
	}
	e, err := explain.Of(ctx, source, t.kind, t.namespace, t.name)
	if apierrors.IsNotFound(err) {
		return e, errors.New(notFound(t))
	}
	return e, err
}

// notFound says that an object does not exist, and where it was looked for.
func notFound(t target) string {
	if t.namespace == "" {
		return fmt.Sprintf("there is no %s", t)
	}
	return fmt.Sprintf("there is no %s in namespace %s; -n names another", t, t.namespace)
}

func printExplanation(w io.Writer, e explain.Explanation) {
	fmt.Fprintln(w, e.Sentence)
	if e.Remedy != "" {
		fmt.Fprintf(w, "What to do: %s\n", e.Remedy)
	}
	fmt.Fprintf(w, "\n%s: %s, %s\n", strings.ToLower(e.Object.Kind)+"/"+e.Object.Name, strings.ToLower(string(e.State)), e.Reason)
	for _, fact := range e.Facts {
		fmt.Fprintln(w, fact)
	}
}

// keptTail reads the last lines of containers from the logs that are kept.
func keptTail(store *podlogs.Store) explain.Logs {
	return func(_ context.Context, pod *corev1.Pod, container string, lines int) ([]string, error) {
		logs, err := store.Logs(podlogs.Pod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
		if err != nil {
			return nil, err
		}
		var of []podlogs.Log
		for _, l := range logs {
			if l.Container == container {
				of = append(of, l)
			}
		}
		if len(of) > 1 && runs(pod, container) {
			of = of[:len(of)-1]
		}
		if len(of) == 0 {
			return nil, nil
		}
		tail, err := of[len(of)-1].Tail(lines)
		var text []string
		for _, l := range tail {
			text = append(text, l.Text)
		}
		return text, err
	}
}

// runs is whether a container of a pod is running now.
func runs(pod *corev1.Pod, container string) bool {
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name == container {
			return s.State.Running != nil
		}
	}
	return false
}
