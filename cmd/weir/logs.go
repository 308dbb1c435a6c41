package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/explain"
)

// logOptions are the flags of "weir logs".
type logOptions struct {
	namespace  string
	replicas   []string
	container  string
	color      string
	follow     bool
	previous   bool
	timestamps bool
}

func newLogsCommand(f *folder) *cobra.Command {
	var o logOptions
	c := &cobra.Command{
		Use:   "logs KIND/NAME",
		Short: "Print what all replicas of a job print, in the order of time",
		Long: `Print what the pods of an object have printed, all replicas interleaved in the
order of time. Logs are kept when pods end and when they are deleted, so those of
a job that is over, or gone, are printed too, and by the front door of a weir
(--kubeconfig) to who may read logs. Another cluster keeps only those of pods that
exist.

A container that was started again prints from its last start; --previous is
what it printed before.`,
		Example: "  weir logs tfjob/mnist -f\n  weir logs tfjob/mnist --replica worker-1\n  weir logs pod/shell -n ada",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			finder, err := newLogFinder(f, args, o)
			if err != nil {
				return err
			}
			defer finder.close()
			colored, err := wantsColor(o.color, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			printer := &logPrinter{out: cmd.OutOrStdout(), short: finder.replica, colored: colored, timestamps: o.timestamps}
			if o.follow {
				return followLogs(cmd.Context(), finder, printer)
			}
			return printLogs(cmd.Context(), finder, printer)
		},
	}
	flags := c.Flags()
	f.orAnother(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "default", "the object's namespace")
	flags.StringSliceVar(&o.replicas, "replica", nil, "only these replicas, such as worker-1")
	flags.StringVarP(&o.container, "container", "c", "", "only the container of this name")
	flags.StringVar(&o.color, "color", "auto", "color the names of replicas: auto, always or never")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on until the object has ended")
	flags.BoolVarP(&o.previous, "previous", "p", false, "what containers printed before they were last started again")
	flags.BoolVar(&o.timestamps, "timestamps", false, "say of each line when it was printed")
	return c
}

// newLogFinder looks for the logs of what the arguments name. Where no weir runs
// it finds those of pods and of jobs all the same.
func newLogFinder(f *folder, args []string, o logOptions) (*logFinder, error) {
	dir, err := f.path()
	if err != nil {
		return nil, err
	}
	config, notRunning := f.rest()
	if notRunning != nil {
		config = nil
		if o.follow || f.kubeconfig != "" {
			return nil, notRunning
		}
	}
	mapper, err := newMapper(config)
	if err != nil {
		return nil, err
	}
	t, err := parseTarget(mapper, args, o.namespace)
	if err != nil {
		return nil, err
	}
	finder := &logFinder{target: t, options: o, store: podlogs.View(cluster.KeptLogs(dir)), chosen: map[string]podlogs.Log{}, offline: notRunning}
	if config == nil {
		return finder, nil
	}
	reader, err := newClient(config, mapper)
	if err != nil {
		return nil, err
	}
	if f.kubeconfig != "" {
		if finder.mirror, err = newMirror(config, o.follow); err != nil {
			return nil, err
		}
		finder.store = finder.mirror.store
	}
	finder.source = explain.Source{Reader: reader, Mapper: mapper, Logs: keptTail(finder.store)}
	return finder, nil
}

// wantsColor is whether to color what is written to w.
func wantsColor(when string, w io.Writer) (bool, error) {
	switch when {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		return isTerminal(w) && os.Getenv("NO_COLOR") == "", nil
	}
	return false, fmt.Errorf("--color %s: it is auto, always or never", when)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// printLogs prints what there is.
func printLogs(ctx context.Context, finder *logFinder, printer *logPrinter) error {
	found, err := finder.find(ctx)
	if err != nil {
		return err
	}
	if len(found.logs) == 0 {
		return errors.New(finder.whyNothing(ctx))
	}
	var m podlogs.Merger
	defer m.Close()
	printer.expect(found.logs, nil)
	for _, l := range found.logs {
		m.Add(l.Read())
	}
	m.End()
	_, err = printer.drain(&m)
	return err
}

const (
	readEvery  = 100 * time.Millisecond // files are read for new lines
	findEvery  = 500 * time.Millisecond // new pods are looked for
	soonEvery  = 25 * time.Millisecond  // both, while the first line is awaited
	soonFor    = 15 * time.Second       // but no longer than that
	pauseFor   = time.Second            // without lines it may have ended, which is looked for
	pauseEvery = 200 * time.Millisecond // more often
	quietFor   = 500 * time.Millisecond // after the end, until nothing more comes
	keptQuiet  = 100 * time.Millisecond // the same, where logs are read as they are written
	endWithin  = 5 * time.Second        // in any case
)

// followLogs prints what there is and what comes, until the object has ended.
func followLogs(ctx context.Context, finder *logFinder, printer *logPrinter) error {
	var m podlogs.Merger
	defer m.Close()
	quiet := quietFor
	if finder.mirror == nil {
		quiet = keptQuiet
	}
	begun := time.Now()
	var lastFound, lastLine, ended time.Time
	for {
		now := time.Now()
		soon := lastLine.IsZero() && now.Sub(begun) < soonFor
		every := findEvery
		if !lastLine.IsZero() && now.Sub(lastLine) < pauseFor {
			every = pauseEvery
		}
		if soon || now.Sub(lastFound) >= every {
			found, err := finder.find(ctx)
			if ctx.Err() != nil {
				return nil // Somebody has seen enough.
			}
			if err != nil {
				return err
			}
			printer.expect(found.logs, found.replicas)
			for _, l := range found.logs {
				m.Add(l.Read())
			}
			lastFound = now
			if found.ended && ended.IsZero() {
				ended = now
			}
		}
		printed, err := printer.drain(&m)
		if err != nil {
			return err
		}
		if printed > 0 {
			lastLine = now
		}
		if !ended.IsZero() && (now.Sub(ended) > endWithin || now.Sub(ended) >= quiet && now.Sub(lastLine) >= quiet) {
			m.End()
			_, err := printer.drain(&m)
			return err
		}
		wait := readEvery
		if soon {
			wait = soonEvery
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
