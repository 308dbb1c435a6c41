// Package e2e_test uses weir as people do: the program, kubectl, and clients
// that are given its kubeconfig. It knows nothing of how weir is made.
//
// Most stories share one weir, each in a namespace of its own; those that stop
// or kill it have their own.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/test/program"
)

// shared is the weir of most stories.
var shared weir

// open is a folder of this machine that the shared weir opens to pods, and
// looked one that pods may only look at.
var open, looked string

func TestMain(m *testing.M) {
	program.AtOnce(6)
	os.Exit(run(m))
}

func run(m *testing.M) int {
	failed := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var err error
	if shared.binary, err = clustertest.Binary(); err != nil {
		return failed(err)
	}
	if shared.dir, err = os.MkdirTemp("", "weir-e2e-"); err != nil {
		return failed(err)
	}
	defer os.RemoveAll(shared.dir)
	for _, f := range []*string{&open, &looked} {
		if *f, err = os.MkdirTemp("", "weir-e2e-share-"); err != nil {
			return failed(err)
		}
		defer os.RemoveAll(*f)
	}
	if err := shared.reuseEnvironments(); err != nil {
		return failed(err)
	}
	defer func() { _ = shared.command(context.Background(), "down").Run() }()
	if err := shared.up("--share", open, "--share", looked+":ro"); err != nil {
		return failed(err)
	}
	return m.Run()
}
