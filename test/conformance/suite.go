package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// run runs the specs and prints what became of them.
func (o *options) run(ctx context.Context) (err error) {
	known, err := readKnown(o.known)
	if err != nil {
		return err
	}
	focus, err := o.chosen()
	if err != nil {
		return err
	}
	if o.dir == "" {
		stop, err := o.start(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop(err != nil)) }()
	}
	if err := o.ready(ctx); err != nil {
		return err
	}
	if kind, err := o.namespaces(); err != nil {
		return err
	} else if kind != "full" && o.specs != "" {
		fmt.Printf("The list of %s is for pods in namespaces that root makes; here they are %q, so it is left out.\n", o.specs, kind)
		return nil
	}
	out := filepath.Join(o.cache, "reports", time.Now().Format("20060102-150405"))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	begin := time.Now()
	ended := o.ginkgo(ctx, out, focus)
	results, err := readReport(filepath.Join(out, "report.json"))
	if err != nil {
		return errors.Join(ended, err) // it had no time to write one
	}
	t := tabulate(results, known)
	fmt.Print(t.text())
	fmt.Printf("%d specs at a time, %s in all. JUnit, JSON and what the suite said: %s\n", o.procs, time.Since(begin).Round(time.Second), out)
	if len(t.unknown) > 0 || len(results) == 0 {
		return fmt.Errorf("%w: %d of %d", errSpecsFailed, len(t.unknown), len(results))
	}
	return nil
}

// chosen is the regular expression of what to run: conformance unless the user
// says otherwise.
func (o *options) chosen() (string, error) {
	if o.specs == "" {
		if o.focus == "" {
			return `\[Conformance\]`, nil
		}
		return o.focus, nil
	}
	content, err := os.ReadFile(o.specs)
	if err != nil {
		return "", fmt.Errorf("read specs to run: %w", err)
	}
	var all []string
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, regexp.QuoteMeta(line))
		}
	}
	return strings.Join(all, "|"), nil
}

// ginkgo runs the suite; its error is that it did not run, or that a spec failed.
func (o *options) ginkgo(ctx context.Context, out, focus string) error {
	kubectl, err := o.kubectl(out)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(out, "suite.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{
		"--procs=" + strconv.Itoa(o.procs), "--no-color", "--timeout=3h", "--keep-going",
		"--focus=" + focus, "--output-dir=" + out, "--junit-report=junit.xml", "--json-report=report.json",
	}
	if o.skip != "" {
		args = append(args, "--skip="+o.skip)
	}
	args = append(args, filepath.Join(o.bin, "e2e.test"), "--",
		"--kubeconfig="+filepath.Join(o.dir, "kubeconfig"), "--provider=skeleton", "--kubectl-path="+kubectl)
	fmt.Fprintf(os.Stderr, "the suite runs; follow it with: tail -f %s\n", log.Name())
	suite := exec.CommandContext(ctx, filepath.Join(o.bin, "ginkgo"), args...)
	suite.Cancel = func() error { return suite.Process.Signal(os.Interrupt) } // it cleans up, and reports
	suite.Stdout, suite.Stderr = log, log
	return suite.Run()
}

// kubectl is weir's own, under the name that the suite calls.
func (o *options) kubectl(out string) (string, error) {
	file := filepath.Join(out, "kubectl")
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' --dir '%s' kubectl \"$@\"\n", o.weir, o.dir)
	return file, os.WriteFile(file, []byte(script), 0o755)
}
