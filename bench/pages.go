package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	listedJobs = 10_000
	makeAtOnce = 32
)

// ofPages measures the pages in Chromium, by its own tracing: the first one with
// nothing kept, and a list of many jobs, which wait and have no pods.
func (b *bench) ofPages(ctx context.Context) (err error) {
	w, err := b.fresh(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.down(ctx)) }()
	var first struct {
		Painted, Interactive, Worst float64
		Scripts, Runs               int
	}
	if err := w.inBrowser(ctx, "first", &first); err != nil {
		return err
	}
	b.report.row("the first page, with nothing kept, until it can be used", "%s, at worst %s (median of %d); something is seen after %s; its scripts are %d kB, compressed",
		milliseconds(first.Interactive), milliseconds(first.Worst), first.Runs, milliseconds(first.Painted), first.Scripts/1000)

	core, _, err := w.clients()
	if err != nil {
		return err
	}
	if err := manyJobs(ctx, core, listedJobs); err != nil {
		return err
	}
	var list struct {
		Read float64
		Took map[string]struct {
			Median, Worst float64
			Of            int
		}
	}
	if err := w.inBrowser(ctx, "list", &list); err != nil {
		return err
	}
	b.report.row(fmt.Sprintf("a list of %d jobs, until all are there", listedJobs), "%s", milliseconds(list.Read))
	for _, what := range slices.Sorted(maps.Keys(list.Took)) {
		t := list.Took[what]
		if t.Of == 0 {
			return fmt.Errorf("list: the browser traced no interaction for %s", what)
		}
		b.report.row("there, "+what+", until it is seen", "%s, at worst %s (median of %d)", milliseconds(t.Median), milliseconds(t.Worst), t.Of)
	}
	return nil
}

func milliseconds(ms float64) string { return short(time.Duration(ms * float64(time.Millisecond))) }

// manyJobs makes jobs that nothing is done for.
func manyJobs(ctx context.Context, core kubernetes.Interface, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(makeAtOnce)
	for i := range n {
		g.Go(func() error {
			_, err := core.BatchV1().Jobs("default").Create(ctx, &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("job-%05d", i)},
				Spec: batchv1.JobSpec{Suspend: new(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: "busybox", Command: []string{"true"}}},
				}}},
			}, metav1.CreateOptions{})
			return err
		})
	}
	return g.Wait()
}

var signInLink = regexp.MustCompile(`https?:\S+`)

// inBrowser runs a part of ui/bench and reads what it found.
func (w *weir) inBrowser(ctx context.Context, part string, found any) error {
	printed, err := exec.CommandContext(ctx, w.binary, "--dir", w.dir, "link").Output()
	if err != nil {
		return fmt.Errorf("weir link: %w", err)
	}
	c := exec.CommandContext(ctx, "node", "bench/measure.mjs", part, string(signInLink.Find(printed)))
	c.Dir, c.Env = "ui", append(os.Environ(), "NODE_NO_WARNINGS=1")
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("measure in the browser, which takes node, Chromium and `npm ci` in ui: %w: %s", err, strings.TrimSpace(said.String()))
	}
	if err := json.Unmarshal(out, found); err != nil {
		return fmt.Errorf("read what was measured in the browser: %w", err)
	}
	return nil
}
