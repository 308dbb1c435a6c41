package cri

import (
	"errors"
	"os"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ErrNotRunning says that a container is not there, or does not run.
var ErrNotRunning = errors.New("it does not run")

// Look opens a file or folder in a running container of a pod: see container.Look.
func (r *Runtime) Look(namespace, pod, name, path string) (*os.File, error) {
	i := r.runs(namespace, pod, name)
	if i == nil {
		return nil, ErrNotRunning
	}
	return i.process.Look(path)
}

// runs is the running instance of a container; nil if there is none. Of a pod that
// was, and has not ended yet, another may have the name already.
func (r *Runtime) runs(namespace, pod, name string) *instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *instance
	for _, i := range r.instances.byID {
		p := i.sandbox.config.GetMetadata()
		if i.state == runtimeapi.ContainerState_CONTAINER_RUNNING && i.process != nil && p.GetNamespace() == namespace && p.GetName() == pod && i.config.GetMetadata().GetName() == name &&
			(found == nil || i.created > found.created) {
			found = i
		}
	}
	return found
}
