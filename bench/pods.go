package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

const singlePods = 20

// ofPods measures pods that run true: one after another, and many at once.
func (b *bench) ofPods(ctx context.Context) (err error) {
	w, err := b.withImage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	core, _, err := w.clients()
	if err != nil {
		return err
	}
	if err := withServiceAccount(ctx, core); err != nil {
		return err
	}
	spawned, err := b.times(ctx, singlePods, "true")
	if err != nil {
		return err
	}
	for _, v := range []struct {
		what  string
		token bool
	}{{"without a volume", false}, {"with a token's volume", true}} {
		var all, calls samples
		// The first is not counted: it finds the image.
		for i := range singlePods + 1 {
			took, call, err := onePod(ctx, core, pod(fmt.Sprintf("single-%d-%t", i, v.token), v.token))
			if err != nil {
				return err
			}
			if i > 0 {
				all, calls = append(all, took), append(calls, call)
			}
		}
		b.report.row("a pod of `true` "+v.what+", from create until Succeeded is seen", "%s, at best %s, p90 %s (%d one after another); the create alone %s; `true` without a pod %s",
			short(all.median()), short(all.quantile(0)), short(all.quantile(0.9)), singlePods, short(calls.median()), short(spawned.median()))
	}

	took, created, err := manyPods(ctx, core, b.pods)
	if err != nil {
		return err
	}
	b.report.row(fmt.Sprintf("%d pods of `true` at once", b.pods), "%.0f pods/s until all have Succeeded; all were created after %s", float64(b.pods)/took.Seconds(), short(created))
	return nil
}

// pod is one that runs true.
func pod(name string, token bool) *corev1.Pod {
	grace := int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			AutomountServiceAccountToken:  &token,
			TerminationGracePeriodSeconds: &grace,
			Containers:                    []corev1.Container{{Name: "main", Image: image, Command: []string{"true"}}},
		},
	}
}

// onePod creates a pod and returns how long it took until it had ended, and how
// long the call alone.
func onePod(ctx context.Context, core kubernetes.Interface, p *corev1.Pod) (took, call time.Duration, err error) {
	pods := core.CoreV1().Pods("default")
	began := time.Now()
	created, err := pods.Create(ctx, p, metav1.CreateOptions{})
	if err != nil {
		return 0, 0, err
	}
	call = time.Since(began)
	changes, err := pods.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + p.Name, ResourceVersion: created.ResourceVersion})
	if err != nil {
		return 0, 0, err
	}
	defer changes.Stop()
	if err := until(ctx, changes, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded }); err != nil {
		return 0, 0, err
	}
	return time.Since(began), call, pods.Delete(ctx, p.Name, metav1.DeleteOptions{})
}

// manyPods creates pods at once and returns how long it took until all had
// ended, and until all were created.
func manyPods(ctx context.Context, core kubernetes.Interface, n int) (took, created time.Duration, err error) {
	pods := core.CoreV1().Pods("default")
	changes, err := watchPods(ctx, core, "many")
	if err != nil {
		return 0, 0, err
	}
	defer changes.Stop()
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		ended := map[string]bool{}
		done <- until(ctx, changes, func(p *corev1.Pod) bool {
			if p.Status.Phase == corev1.PodSucceeded {
				ended[p.Name] = true
			}
			return len(ended) == n
		})
	}()
	err = atOnce(n, func(i int) error {
		p := pod(fmt.Sprintf("many-%d", i), false)
		p.Labels = map[string]string{"many": ""}
		_, err := pods.Create(ctx, p, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	created = time.Since(began)
	err = <-done
	took = time.Since(began)
	return took, created, errors.Join(err, pods.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "many"}))
}

// patience is how long nothing may happen before a measurement is given up.
const patience = 2 * time.Minute

// until reads changes until enough of them have come.
func until[T any](ctx context.Context, changes watch.Interface, enough func(T) bool) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
			return fmt.Errorf("nothing has happened for %s", patience)
		case e, ok := <-changes.ResultChan():
			if !ok {
				return errors.New("the watch has ended")
			}
			object, is := e.Object.(T)
			if !is {
				return fmt.Errorf("the watch says %s: %v", e.Type, e.Object)
			}
			if enough(object) {
				return nil
			}
		}
	}
}
