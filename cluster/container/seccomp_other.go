//go:build !amd64

package container

// refusedHere are refused calls that only these processors have.
var refusedHere []uint32
