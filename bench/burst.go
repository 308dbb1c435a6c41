package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// A burst is what became of jobs that were created at once.
type burst struct {
	toFirst samples       // from each job's create to its first pod
	allPods time.Duration // until all pods of all jobs existed
	done    time.Duration // until all jobs had succeeded
}

// burstOf creates n jobs of some workers at once, and waits until all have
// succeeded.
func burstOf(ctx context.Context, core kubernetes.Interface, objects dynamic.Interface, n int, workers int64) (burst, error) {
	jobs := objects.Resource(tfjobs).Namespace("default")
	pods, err := watchPods(ctx, core, "training.kubeflow.org/job-name")
	if err != nil {
		return burst{}, err
	}
	defer pods.Stop()
	now, err := jobs.List(ctx, metav1.ListOptions{})
	if err != nil {
		return burst{}, err
	}
	changes, err := watchFrom(ctx, now.GetResourceVersion(), jobs.Watch)
	if err != nil {
		return burst{}, err
	}
	defer changes.Stop()

	created, first := make([]time.Time, n), map[string]time.Time{}
	var allPods, done time.Time
	var watches errgroup.Group
	began := time.Now()
	watches.Go(func() error {
		seen := map[string]bool{}
		return until(ctx, pods, func(p *corev1.Pod) bool {
			job := p.Labels["training.kubeflow.org/job-name"]
			if _, ok := first[job]; !ok {
				first[job] = time.Now()
			}
			seen[p.Name], allPods = true, time.Now()
			return len(seen) == n*int(workers)
		})
	})
	watches.Go(func() error {
		ended := map[string]bool{}
		return until(ctx, changes, func(o *unstructured.Unstructured) bool {
			if succeeded(o) {
				ended[o.GetName()], done = true, time.Now()
			}
			return len(ended) == n
		})
	})
	watches.Go(func() error {
		return atOnce(n, func(i int) error {
			o := job(fmt.Sprintf("many-%d", i), workers)
			created[i] = time.Now()
			_, err := jobs.Create(ctx, o, metav1.CreateOptions{})
			return err
		})
	})
	if err := watches.Wait(); err != nil {
		return burst{}, err
	}
	b := burst{allPods: allPods.Sub(began), done: done.Sub(began)}
	for i, at := range created {
		b.toFirst = append(b.toFirst, first[fmt.Sprintf("many-%d", i)].Sub(at))
	}
	return b, nil
}

// watchPods watches the pods of a label from now on.
func watchPods(ctx context.Context, core kubernetes.Interface, selector string) (watch.Interface, error) {
	pods := core.CoreV1().Pods("default")
	now, err := pods.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return watchFrom(ctx, now.ResourceVersion, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		o.LabelSelector = selector
		return pods.Watch(ctx, o)
	})
}

// watchFrom watches from a version on, and goes on where the API server cuts off
// who reads too slowly.
func watchFrom(ctx context.Context, version string, from cache.WatchFuncWithContext) (watch.Interface, error) {
	return watchtools.NewRetryWatcherWithContext(ctx, version, &cache.ListWatch{WatchFuncWithContext: from})
}
