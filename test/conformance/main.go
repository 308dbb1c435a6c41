// Command conformance runs Kubernetes's own suite against a weir.
//
//	specs ──► ginkgo ──► e2e.test × procs ──► weir
//	                        │
//	                   report.json ──► table, compared with known-failures.txt
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// errSpecsFailed means that the suite ran, and the table says what failed.
var errSpecsFailed = errors.New("specs failed that are not known to")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: images or run")
	}
	var o options
	flags := flag.NewFlagSet("conformance "+args[0], flag.ExitOnError)
	flags.StringVar(&o.weir, "weir", "bin/weir", "the program to try")
	flags.StringVar(&o.cache, "cache", ".cache/conformance", "folder of what is made once")
	flags.StringVar(&o.bin, "bin", "", "folder of the programs that were built")
	flags.StringVar(&o.dir, "dir", "", "folder of a running weir; none starts one")
	flags.IntVar(&o.procs, "procs", 8, "specs at a time")
	flags.StringVar(&o.focus, "focus", "", "regular expression of what to run")
	flags.StringVar(&o.skip, "skip", "", "regular expression of what not to run")
	flags.StringVar(&o.specs, "specs", "", "file of the specs to run")
	flags.StringVar(&o.known, "known", "", "file of the specs that are known to fail")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if err := o.absolute(); err != nil {
		return err
	}
	switch args[0] {
	case "images":
		return o.images()
	case "run":
		return o.run(ctx)
	}
	return fmt.Errorf("%q: there are images and run", args[0])
}

// options are what a user may say.
type options struct {
	weir, cache, bin, dir string
	procs                 int
	focus, skip           string
	specs, known          string
}

func (o *options) absolute() error {
	for _, p := range []*string{&o.weir, &o.cache, &o.bin, &o.dir} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}
