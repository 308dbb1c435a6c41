package cri

import (
	"slices"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/rootfs"
)

// command is the argument vector of a container: the pod's command takes the place of
// the image's entrypoint and command, the pod's arguments that of the image's command.
func command(image *rootfs.Image, command, args []string) []string {
	switch {
	case len(command) > 0:
		return slices.Concat(command, args)
	case len(args) > 0:
		return slices.Concat(image.Entrypoint, args)
	default:
		return slices.Concat(image.Entrypoint, image.Command)
	}
}

// variablesOf are what the pod puts into the environment of a container. What every
// container has and what its image sets comes from cluster/container, before these.
func variablesOf(pod []*runtimeapi.KeyValue) []string {
	variables := make([]string, 0, len(pod))
	for _, kv := range pod {
		variables = append(variables, kv.GetKey()+"="+string(kv.GetValue()))
	}
	return variables
}
