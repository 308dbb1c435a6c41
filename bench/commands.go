package main

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const commandRuns = 10

// ofCommands measures what a person types and waits for.
func (b *bench) ofCommands(ctx context.Context) (err error) {
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
	jobs := objects.Resource(tfjobs).Namespace("default")
	created, err := jobs.Create(ctx, job("it", replicas), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	changes, err := jobs.Watch(ctx, metav1.ListOptions{ResourceVersion: created.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer changes.Stop()
	if err := until(ctx, changes, func(o *unstructured.Unstructured) bool { return succeeded(o) }); err != nil {
		return err
	}
	peer, err := b.times(ctx, commandRuns, b.binary, "--help")
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		args []string
	}{
		{"`weir status`", []string{"status"}},
		{"`weir explain` of a job that is done", []string{"explain", "tfjob/it"}},
		{"`weir logs` of a job that is done", []string{"logs", "tfjob/it"}},
		{"`weir kubectl get pods`", []string{"kubectl", "get", "pods"}},
	} {
		took, err := b.times(ctx, commandRuns, append([]string{b.binary, "--dir", w.dir}, c.args...)...)
		if err != nil {
			return err
		}
		b.report.row(c.what, "%s, at best %s (median of %d); `weir --help`, which does nothing, %s", short(took.median()), short(took.quantile(0)), commandRuns, short(peer.median()))
	}
	return nil
}
