package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
)

// ofControllers measures the controllers alone, in a process of their own, as a
// cluster runs them: no pod is started.
func (b *bench) ofControllers(ctx context.Context) (err error) {
	w, err := b.fresh(ctx, "--without", "controllers,node")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	core, objects, err := w.clients()
	if err != nil {
		return err
	}
	if err := withServiceAccount(ctx, core); err != nil {
		return err
	}
	controllers, err := b.startControllers(ctx, w, objects)
	if err != nil {
		return err
	}
	defer controllers.stop()
	jobs := objects.Resource(tfjobs).Namespace("default")
	if err := wait(ctx, 3*time.Second); err != nil { // their start is not what is measured
		return err
	}
	pods, err := watchPods(ctx, core, "training.kubeflow.org/job-name")
	if err != nil {
		return err
	}
	defer pods.Stop()
	before, err := useOf(controllers.pid)
	if err != nil {
		return err
	}
	err = atOnce(b.jobs, func(i int) error {
		_, err := jobs.Create(ctx, job(fmt.Sprintf("many-%d", i), replicas), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	err = until(ctx, pods, func(p *corev1.Pod) bool {
		seen[p.Name] = true
		return len(seen) == b.jobs*replicas
	})
	if err != nil {
		return err
	}
	if err := wait(ctx, time.Second); err != nil { // until they have written the last status
		return err
	}
	after, err := useOf(controllers.pid)
	if err != nil {
		return err
	}
	b.report.row(fmt.Sprintf("`weir controllers` in a process of its own: CPU for a TFJob of %d replicas, until its pods and services exist", replicas), "%s; %d MB resident",
		short((after.cpu-before.cpu)/time.Duration(b.jobs)), after.resident>>20)
	return b.largeJob(ctx, core, objects, "whose pods nobody starts")
}

// controllers are weir controllers in a process of its own.
type controllers struct {
	pid  int
	stop func()
}

// startControllers runs weir controllers until they are stopped, and returns
// when jobs can be created.
func (b *bench) startControllers(ctx context.Context, w *weir, objects dynamic.Interface) (*controllers, error) {
	c := exec.CommandContext(ctx, b.binary, "controllers", "--kubeconfig", filepath.Join(w.dir, "kubeconfig"), "--metrics-bind-address", "0")
	controllers, err := begin(c, filepath.Join(w.dir, "controllers.log"))
	if err != nil {
		return nil, err
	}
	if err := jobsServed(ctx, objects); err != nil {
		controllers.stop()
		return nil, err
	}
	return controllers, nil
}

// jobsServed waits until TFJobs can be asked for.
func jobsServed(ctx context.Context, objects dynamic.Interface) error {
	return served(ctx, func() error {
		_, err := objects.Resource(tfjobs).Namespace("default").List(ctx, metav1.ListOptions{})
		return err
	})
}

// served waits until a call succeeds.
func served(ctx context.Context, call func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := call()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// atOnce does a thing n times, sixteen at a time.
func atOnce(n int, do func(int) error) error {
	var all errgroup.Group
	all.SetLimit(16)
	for i := range n {
		all.Go(func() error { return do(i) })
	}
	return all.Wait()
}
