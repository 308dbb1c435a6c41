package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/explain"
	"github.com/weir-ml/weir/platform/packaging"
)

func kindWord(o *unstructured.Unstructured) string { return strings.ToLower(o.GetKind()) }

// command is a command of weir about a run.
func (r *runner) command(verb string, o *unstructured.Unstructured) string {
	text := fmt.Sprintf("weir %s %s/%s", verb, kindWord(o), o.GetName())
	if o.GetNamespace() != "default" {
		text += " -n " + o.GetNamespace()
	}
	return text
}

// errLeft is of a user who has gone, while the run goes on.
var errLeft = errors.New("detached")

// accompany shows what a run prints until it has ended, and ends as it did. Who
// interrupts is asked whether to stop the run as well.
func (r *runner) accompany(ctx context.Context, store *packaging.Store, c client.Client, o *unstructured.Unstructured) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupted)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // The first interrupt is a question.
	defer cancel()

	finder, err := newLogFinder(r.folder, []string{kindWord(o) + "/" + o.GetName()}, logOptions{namespace: o.GetNamespace(), follow: true})
	if err != nil {
		return err
	}
	defer finder.close()
	view := &runView{out: r.out, said: r.said, screen: newScreen(r.out, true)}
	if view.watch, err = newWatch(r.folder, []string{kindWord(o) + "/" + o.GetName()}, o.GetNamespace(), newScreen(io.Discard, false)); err != nil {
		return err
	}
	printer := &logPrinter{out: view, errors: view.errors(), short: finder.replica, colored: isTerminal(r.out) && os.Getenv("NO_COLOR") == ""}
	ended := make(chan error, 1)
	go func() { ended <- followLogs(ctx, finder, printer) }()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); view.follow(ctx, stop) }()
	for {
		select {
		case err := <-ended:
			close(stop)
			<-stopped
			view.end()
			if err != nil {
				return err
			}
			return r.finish(ctx, store, finder.source, o)
		case s := <-interrupted:
			err := r.interrupt(ctx, s, interrupted, view, c, o)
			if errors.Is(err, errLeft) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// interrupt decides what becomes of a run whose user has sent a signal: nil goes
// on showing it.
func (r *runner) interrupt(ctx context.Context, s os.Signal, again <-chan os.Signal, view *runView, c client.Client, o *unstructured.Unstructured) error {
	answer := "stop"
	switch {
	case s == syscall.SIGHUP:
		answer = "detach"
	case s == os.Interrupt && isTerminal(os.Stdin):
		view.pause(func() { answer = r.ask(again) })
	}
	switch answer {
	case "detach":
		r.say("weir: it goes on; see how with: %s", r.command("watch", o))
		return errLeft
	case "stop":
		r.say("weir: stopping %s/%s", kindWord(o), o.GetName())
		if err := c.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("stop %s/%s: %w", kindWord(o), o.GetName(), err)
		}
		r.say("weir: what it has printed stays: %s", r.command("logs", o))
		return exitError(130)
	}
	return nil
}

// ask asks what to do about a run: detach, stop, or go on. A second interrupt
// means stop.
func (r *runner) ask(again <-chan os.Signal) string {
	fmt.Fprint(r.said, "\nweir: [d]etach and let it run, [s]top it, or go on? ")
	answered := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil {
			line = "d"
		}
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-again:
		return "stop"
	case a := <-answered:
		switch {
		case strings.HasPrefix(a, "d"):
			return "detach"
		case strings.HasPrefix(a, "s"):
			return "stop"
		}
		return "go on"
	}
}

// finish says how a run has ended, what it has left behind, and how to see it
// again. The error has the exit code of the program.
func (r *runner) finish(ctx context.Context, store *packaging.Store, source explain.Source, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	e, err := explain.Of(ctx, source, gvk, o.GetNamespace(), o.GetName())
	if err != nil {
		return err
	}
	r.say("weir: %s", e.Sentence)
	if r.output != "" {
		if err := r.sayOutputs(ctx, store, o); err != nil {
			return err
		}
	}
	r.say("weir: see it again with: %s", r.command("logs", o))
	if e.State == explain.Done {
		return nil
	}
	code, err := exitCodeOf(ctx, source, o)
	if err != nil {
		return err
	}
	return exitError(code)
}

func (r *runner) sayOutputs(ctx context.Context, store *packaging.Store, o *unstructured.Unstructured) error {
	parts, err := store.Outputs(ctx, o.GetNamespace(), o.GetName())
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		r.say("weir: it has left nothing in %s", r.output)
		return nil
	}
	var size int64
	for _, p := range parts {
		size += p.Size
	}
	r.say("weir: %s, %s, in s3://%s/%s", count(len(parts), "file"), inBytes(size), packaging.OutputBucket, packaging.OutputPrefix(o.GetNamespace(), o.GetName()))
	command := "weir outputs " + o.GetName() + " ./" + o.GetName()
	if o.GetNamespace() != "default" {
		command += " -n " + o.GetNamespace()
	}
	r.say("weir: copy what it has left with: %s", command)
	return nil
}

// exitCodeOf is the exit code of the container that failed first, and 1 where
// none has: a run may also be given up.
func exitCodeOf(ctx context.Context, source explain.Source, o *unstructured.Unstructured) (int, error) {
	pods, err := explain.PodsOf(ctx, source, o)
	if err != nil {
		return 1, err
	}
	var failed []*corev1.ContainerStateTerminated
	for _, p := range pods {
		for _, s := range p.Status.ContainerStatuses {
			if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
				failed = append(failed, t)
			}
		}
	}
	if len(failed) == 0 {
		return 1, nil
	}
	first := slices.MinFunc(failed, func(a, b *corev1.ContainerStateTerminated) int { return a.FinishedAt.Compare(b.FinishedAt.Time) })
	return int(first.ExitCode), nil
}
