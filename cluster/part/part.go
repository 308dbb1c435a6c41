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

// label is the key of the label that samples of a profile have.
const label = "part"

// APIServer is the part that answers the others, each in a goroutine of its own.
const APIServer = "API server"

// Start starts a part: the function, and all goroutines that come of it, are of the
// part. It returns what the function returns.
func Start[T any](ctx context.Context, name string, start func(context.Context) (T, error)) (started T, err error) {
	pprof.Do(ctx, pprof.Labels(label, name), func(ctx context.Context) { started, err = start(ctx) })
	return started, err
}

// Enter makes the goroutine that calls it one of a part, to its end.
func Enter(ctx context.Context, name string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels(label, name)))
}
