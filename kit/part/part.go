// Package part names the parts of the program in its CPU profiles, which tell then
// what each part takes:
//
//	weir kubectl get --raw '/debug/pprof/profile?seconds=10' > cpu.pprof
//	go tool pprof -tags cpu.pprof
package part

import (
	"context"
	"runtime/pprof"
)

// Label is the key of the label that samples of a profile have.
const Label = "part"

// What parts are called that more than one room speaks of.
const (
	// APIServer answers the others, each in a goroutine of its own.
	APIServer = "API server"
	// Platform is all controllers of the platform.
	Platform = "controllers of the platform"
)

// Start starts a part: the function, and all goroutines that come of it, are of the
// part. It returns what the function returns.
func Start[T any](ctx context.Context, name string, start func(context.Context) (T, error)) (started T, err error) {
	pprof.Do(ctx, pprof.Labels(Label, name), func(ctx context.Context) { started, err = start(ctx) })
	return started, err
}

// Enter makes the goroutine that calls it one of a part, to its end.
func Enter(ctx context.Context, name string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels(Label, name)))
}
