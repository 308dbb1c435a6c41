// Package step runs the commands of a build: each as a container whose root is an
// image's, and whose writes become a layer.
//
//	image's folders ─┐
//	a place for writes ┴─▶ container ──▶ what it wrote ──▶ a layer
//
// It lives in namespaces of its own, with a network as pods have it, and needs no
// weir that runs.
package step
