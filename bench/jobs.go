package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// image is what pods of the bench are made of: this machine's own programs.
const image = "bench"

// withImage starts a fresh weir that knows the image.
func (b *bench) withImage(ctx context.Context, flags ...string) (*weir, error) {
	dir, err := os.MkdirTemp(b.scratch, "weir-")
	if err != nil {
		return nil, err
	}
	programs := filepath.Join(b.scratch, "programs")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return nil, err
	}
	settings := fmt.Sprintf("environments: [{image: %q, folder: %q}]\n", image, programs)
	if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	return b.up(ctx, dir, flags...)
}

var tfjobs = schema.GroupVersionResource{Group: "kubeflow.org", Version: "v1", Resource: "tfjobs"}

const (
	replicas  = 3
	largeSize = 200
)

// ofJobs measures training jobs: many small ones at once, and a large one.
func (b *bench) ofJobs(ctx context.Context) (err error) {
	w, err := b.withImage(ctx)
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
	bare, err := bareObjects(ctx, core, b.jobs*replicas)
	if err != nil {
		return err
	}
	if err := b.manyJobs(ctx, core, objects, bare); err != nil {
		return err
	}
	return b.largeJob(ctx, core, objects, "whose pods start as they come")
}

// bareObjects is how long one client takes to create as many pods and services
// as the jobs will have. The pods ask for a node that is not there.
func bareObjects(ctx context.Context, core kubernetes.Interface, n int) (time.Duration, error) {
	began := time.Now()
	err := atOnce(n, func(i int) error {
		p := pod(fmt.Sprintf("bare-%d", i), false)
		p.Labels = map[string]string{"bare": ""}
		p.Spec.NodeSelector = map[string]string{"there": "is-none"}
		if _, err := core.CoreV1().Pods("default").Create(ctx, p, metav1.CreateOptions{}); err != nil {
			return err
		}
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: p.Labels}, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: p.Labels}}
		_, err := core.CoreV1().Services("default").Create(ctx, s, metav1.CreateOptions{})
		return err
	})
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	return took, atOnce(n, func(i int) error {
		name := fmt.Sprintf("bare-%d", i)
		return errors.Join(
			core.CoreV1().Pods("default").Delete(ctx, name, metav1.DeleteOptions{}),
			core.CoreV1().Services("default").Delete(ctx, name, metav1.DeleteOptions{}))
	})
}

// manyJobs measures jobs that are created at once.
func (b *bench) manyJobs(ctx context.Context, core kubernetes.Interface, objects dynamic.Interface, bare time.Duration) error {
	all, err := burstOf(ctx, core, objects, b.jobs, replicas)
	if err != nil {
		return err
	}
	b.report.row(fmt.Sprintf("%d TFJobs of %d replicas at once", b.jobs, replicas), "%.1f jobs/s until all have Succeeded; %s from create to a job's first pod at p95, %s at p50; all pods after %s, which is %.1f times what one client needs for as many bare pods and services",
		float64(b.jobs)/all.done.Seconds(), short(all.toFirst.quantile(0.95)), short(all.toFirst.median()), short(all.allPods), all.allPods.Seconds()/bare.Seconds())
	if err := objects.Resource(tfjobs).Namespace("default").DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	return gone(ctx, core)
}

// gone waits until there are no pods, so that the next measurement is not of
// their removal.
func gone(ctx context.Context, core kubernetes.Interface) error {
	return served(ctx, func() error {
		left, err := core.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		if err == nil && len(left.Items) > 0 {
			err = fmt.Errorf("%d pods are still there", len(left.Items))
		}
		return err
	})
}

// largeJob creates a job of many workers, and waits until it has all its pods.
func (b *bench) largeJob(ctx context.Context, core kubernetes.Interface, objects dynamic.Interface, which string) error {
	jobs := objects.Resource(tfjobs).Namespace("default")
	pods, err := watchPods(ctx, core, "training.kubeflow.org/job-name=large")
	if err != nil {
		return err
	}
	defer pods.Stop()
	began := time.Now()
	if _, err := jobs.Create(ctx, job("large", largeSize), metav1.CreateOptions{}); err != nil {
		return err
	}
	seen := map[string]bool{}
	err = until(ctx, pods, func(p *corev1.Pod) bool {
		seen[p.Name] = true
		return len(seen) == largeSize
	})
	if err != nil {
		return err
	}
	b.report.row(fmt.Sprintf("a TFJob of %d workers, %s, until all exist", largeSize, which), "%s", short(time.Since(began)))
	return jobs.Delete(ctx, "large", metav1.DeleteOptions{})
}

// job is a TFJob whose workers run true.
func job(name string, workers int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kubeflow.org/v1", "kind": "TFJob",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"successPolicy": "AllWorkers",
			"tfReplicaSpecs": map[string]any{"Worker": map[string]any{
				"replicas": workers,
				"template": map[string]any{"spec": map[string]any{
					"automountServiceAccountToken": false,
					"containers":                   []any{map[string]any{"name": "tensorflow", "image": image, "command": []any{"true"}}},
				}},
			}},
		},
	}}
}

func succeeded(o *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Succeeded" && c["status"] == "True" {
			return true
		}
	}
	return false
}
