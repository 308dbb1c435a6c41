package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"github.com/weir-ml/weir/cluster/namespaces"
	"github.com/weir-ml/weir/cluster/network/outside"
)

// A handover is what the outer process tells the inner one.
type handover struct {
	PID int
	// The indexes of the files handed over: listeners, and the way out.
	API, S3, Front []int
	Outside        int
	Names          []string // of the machine, where it is open to others
}

const handoverVariable = "WEIR_HANDOVER"

// runOutside starts the inner process, which is this command again, and waits for it.
// It carries the pods' packets out meanwhile.
func runOutside(ctx context.Context, kind namespaces.Kind, d *doors) error {
	h := handover{PID: os.Getpid(), Names: d.names}
	var files []*os.File
	for _, l := range []struct {
		listeners []*net.TCPListener
		indexes   *[]int
	}{{d.api, &h.API}, {d.s3, &h.S3}, {d.front, &h.Front}} {
		for _, listener := range l.listeners {
			file, err := listener.File()
			if err != nil {
				return fmt.Errorf("hand over listener: %w", err)
			}
			_ = listener.Close() // from here on it is the inner process's
			*l.indexes = append(*l.indexes, len(files))
			files = append(files, file)
		}
	}
	wayOut, wayIn, err := outside.Pair()
	if err != nil {
		return err
	}
	h.Outside = len(files)
	files = append(files, wayIn)

	encoded, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := os.Setenv(handoverVariable, string(encoded)); err != nil {
		return err
	}
	inner, err := namespaces.Start(ctx, kind, namespaces.Config{
		Args: os.Args[1:], Files: files,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		return err
	}
	for _, f := range files {
		_ = f.Close()
	}
	go settle(ctx)
	carried := make(chan error, 1)
	go func() { carried <- outside.Serve(ctx, wayOut, outside.Config{}) }()
	if err := endOf(inner.Wait()); err != nil {
		return err
	}
	return <-carried
}

// endOf is what the inner process's end means for the outer one: the same.
func endOf(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if code := exit.ExitCode(); code > 0 {
			return exitError(code)
		}
		return fmt.Errorf("weir was killed (%s); its folder is as it was, and weir up goes on with it", exit.ProcessState)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
