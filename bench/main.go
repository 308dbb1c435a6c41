// Command bench measures weir from outside, as its users meet it, and prints a
// table of figures:
//
//	go run ./bench [-jobs 100] [-pods 100] [-only start,pods,…] > figures.md
//	go run ./bench -only training [-bursts 100,500,2000] [-workers 1000] [-nodes stand-in,one-process,real] [-operator DIR] > figures.md
//
// A figure on a machine that others use as well says little by itself, so most
// stand beside a peer that was measured in the same run. Nothing here fails for
// being slow.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A bench is what all measurements need.
type bench struct {
	binary, scratch string
	pods, jobs      int
	bursts          []int // jobs at once, one burst after another
	upload          int64 // bytes of the long file
	workers         int64 // of the largest job; none if 0
	nodes           []string
	operator        string // a copy of upstream's training-operator, to be measured beside; none if empty
	report          *report
}

// A measurement is one part of the table.
type measurement struct {
	name string
	run  func(*bench, context.Context) error
	// apart is measured only when it is named: it takes long.
	apart bool
}

// measurements in the order of the table.
func measurements() []measurement {
	return []measurement{
		{name: "binary", run: (*bench).ofBinary},
		{name: "start", run: (*bench).ofStart},
		{name: "pods", run: (*bench).ofPods},
		{name: "jobs", run: (*bench).ofJobs},
		{name: "controllers", run: (*bench).ofControllers},
		{name: "commands", run: (*bench).ofCommands},
		{name: "run", run: (*bench).ofRun},
		{name: "build", run: (*bench).ofBuild},
		{name: "dockerfile", run: (*bench).ofDockerfile},
		{name: "images", run: (*bench).ofImages, apart: true},
		{name: "gateway", run: (*bench).ofGateway, apart: true},
		{name: "upload", run: (*bench).ofUpload, apart: true},
		{name: "pages", run: (*bench).ofPages, apart: true},
		{name: "training", run: (*bench).ofTraining, apart: true},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	b := bench{report: &report{out: out}}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&b.binary, "weir", "bin/weir", "the program")
	flags.IntVar(&b.pods, "pods", 100, "pods at once")
	flags.IntVar(&b.jobs, "jobs", 100, "training jobs at once")
	bursts := flags.String("bursts", "100,500,2000", "training jobs at once, for the part training")
	flags.Int64Var(&b.workers, "workers", 1000, "workers of the largest job, for the part training; 0 is none")
	upload := flags.Int64("upload", 1000, "megabytes of the file that goes through the front door, for the part upload")
	nodes := flags.String("nodes", strings.Join([]string{standInName, askInside, realName}, ","), "who runs the pods, one after another, for the part training")
	flags.StringVar(&b.operator, "operator", "", "a copy of upstream's training-operator with its program at bin/training-operator, to be measured beside, for the part training")
	only := flags.String("only", "", "parts to measure, with commas between; all but images, gateway, pages, training and upload if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *upload < 1 {
		return fmt.Errorf("-upload %d: say how many megabytes, as 10000", *upload)
	}
	b.upload = *upload * 1e6
	var err error
	if b.bursts, err = numbers(*bursts); err != nil {
		return fmt.Errorf("-bursts: %w", err)
	}
	for _, n := range strings.Split(*nodes, ",") {
		name, ok := nodeNames()[n]
		if !ok {
			return fmt.Errorf("-nodes: there is no node %q; name some of %s, %s and %s, with commas between", n, standInName, askInside, realName)
		}
		b.nodes = append(b.nodes, name)
	}
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return err
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("%w; build it with: make build", err)
	}
	b.binary = binary
	if b.scratch, err = os.MkdirTemp("", "weir-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.scratch)

	b.report.begin(machine())
	for _, m := range measurements() {
		named := slices.Contains(strings.Split(*only, ","), m.name)
		if !named && (m.apart || *only != "") {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", m.name)
		if err := m.run(&b, ctx); err != nil {
			return fmt.Errorf("measure %s: %w", m.name, err)
		}
	}
	b.report.end(machine())
	return nil
}
