package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/weir-ml/weir/kit/part"
)

const (
	// realName is the node that starts the pods.
	realName = "real"
	// insideName is the node that stands in, with weir's controllers in its process;
	// it is asked for by a name without blanks.
	insideName, askInside = "stand-in, one process", "one-process"
	// operatorName is the same with upstream's training operator where weir's
	// controllers would be.
	operatorName = "stand-in, upstream's operator"
)

// nodeNames are the nodes that can be asked for.
func nodeNames() map[string]string {
	return map[string]string{standInName: standInName, askInside: insideName, realName: realName}
}

// ofTraining measures bursts of jobs, with a node that starts their pods and
// with one that only says so.
func (b *bench) ofTraining(ctx context.Context) error {
	b.report.table("jobs × workers", "node", "jobs/s", "first pod, p50", "p95", "all pods after",
		"CPU a job: controllers", "everything", "peak memory: controllers", "everything")
	for _, node := range b.nodes {
		for _, n := range b.bursts {
			if err := b.burst(ctx, node, n, replicas, b.startControllers); err != nil {
				return err
			}
		}
		if b.workers == 0 {
			continue
		}
		if err := b.burst(ctx, node, 1, b.workers, b.startControllers); err != nil {
			return err
		}
	}
	if b.operator == "" {
		return nil
	}
	for _, n := range b.bursts {
		if err := b.burst(ctx, operatorName, n, replicas, b.startOperator); err != nil {
			return err
		}
	}
	return nil
}

// starter starts what makes the pods of jobs.
type starter func(context.Context, *weir, dynamic.Interface) (*controllers, error)

// burst measures one burst, in a weir of its own so that the peak of memory is
// its own too. What controllers take is told by their process where they have one,
// and by profiles where weir has them in its own.
func (b *bench) burst(ctx context.Context, node string, n int, workers int64, start starter) (err error) {
	fmt.Fprintf(os.Stderr, "bench: %d jobs × %d, %s node\n", n, workers, node)
	standsIn := node != realName
	apart := standsIn && node != insideName
	var flags []string
	switch {
	case apart:
		flags = []string{"--without", "controllers,node"}
	case standsIn:
		flags = []string{"--without", "node"}
	}
	w, err := b.withImage(ctx, flags...)
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
	processes := []int{w.pid}
	if apart {
		controllers, err := start(ctx, w, objects)
		if err != nil {
			return err
		}
		defer controllers.stop()
		processes = append(processes, controllers.pid)
	}
	if standsIn {
		leave, err := startStandIn(ctx, w, core)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, leave()) }()
	}
	if err := wait(ctx, 3*time.Second); err != nil { // their start is not what is measured
		return err
	}

	var parts *profiling
	if node == insideName {
		parts = profileParts(ctx, core)
	}
	before, err := usesOf(processes)
	if err != nil {
		return err
	}
	all, err := burstOf(ctx, core, objects, n, workers)
	if err != nil {
		return err
	}
	if err := wait(ctx, time.Second); err != nil { // until the last is written
		return err
	}
	after, err := usesOf(processes)
	if err != nil {
		return err
	}
	var spent time.Duration
	var peak int64
	for i := range processes {
		spent += after[i].cpu - before[i].cpu
		peak += after[i].peak
	}
	controllersSpent, controllersPeak := "", ""
	if apart {
		controllersSpent, controllersPeak = short((after[1].cpu-before[1].cpu)/time.Duration(n)), megabytes(after[1].peak)
	}
	if parts != nil {
		share, err := parts.share(part.Platform)
		if err != nil {
			return err
		}
		controllersSpent = short(time.Duration(share * float64(spent) / float64(n)))
	}
	b.report.cells(fmt.Sprintf("%d × %d", n, workers), node, fmt.Sprintf("%.1f", float64(n)/all.done.Seconds()),
		short(all.toFirst.median()), short(all.toFirst.quantile(0.95)), short(all.allPods),
		controllersSpent, short(spent/time.Duration(n)), controllersPeak, megabytes(peak))
	return nil
}

func usesOf(processes []int) ([]use, error) {
	var all []use
	for _, pid := range processes {
		u, err := useOf(pid)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, nil
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n>>20) }

// numbers reads numbers with commas between.
func numbers(text string) ([]int, error) {
	var all []int
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of jobs; name some as in 100,500", word)
		}
		all = append(all, n)
	}
	return all, nil
}
