package cri

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/cgroup"
)

// groupOf makes the control group that the instance will run in; nil where there are none.
func (r *Runtime) groupOf(i *instance) (*cgroup.Group, error) {
	if r.config.Cgroups == nil {
		return nil, nil
	}
	r.mu.Lock()
	limits := limitsOf(i.resources)
	r.mu.Unlock()
	group, err := r.config.Cgroups.New(i.id, limits)
	if err != nil {
		return nil, fmt.Errorf("limit the container: %w", err)
	}
	return group, nil
}

func limitsOf(r *runtimeapi.LinuxContainerResources) cgroup.Limits {
	limits := cgroup.Limits{CPUShares: uint64(max(r.GetCpuShares(), 0)), MemoryBytes: max(r.GetMemoryLimitInBytes(), 0)}
	if r.GetCpuQuota() > 0 && r.GetCpuPeriod() > 0 {
		limits.CPUMilli = max(r.GetCpuQuota()*1000/r.GetCpuPeriod(), 1)
	}
	return limits
}

// UpdateContainerResources changes the limits of a container, running or to run. What
// resources does not name stays as it is.
func (r *Runtime) UpdateContainerResources(_ context.Context, id string, resources *runtimeapi.ContainerResources) error {
	i, err := r.instance(id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i.state == runtimeapi.ContainerState_CONTAINER_EXITED {
		return status.Errorf(codes.FailedPrecondition, "container %s has exited: it has no limits to change", i.id)
	}
	updated := merged(i.resources, resources.GetLinux())
	if i.group != nil {
		if err := i.group.Set(limitsOf(updated)); err != nil {
			return fmt.Errorf("change the limits of container %s: %w", i.id, err)
		}
	}
	i.resources = updated
	return nil
}

// merged are the old resources with those that the new ones name.
func merged(old, new *runtimeapi.LinuxContainerResources) *runtimeapi.LinuxContainerResources {
	all := &runtimeapi.LinuxContainerResources{}
	if old != nil {
		all = proto.CloneOf(old)
	}
	for _, field := range []struct {
		to   *int64
		from int64
	}{
		{&all.CpuPeriod, new.GetCpuPeriod()},
		{&all.CpuQuota, new.GetCpuQuota()},
		{&all.CpuShares, new.GetCpuShares()},
		{&all.MemoryLimitInBytes, new.GetMemoryLimitInBytes()},
		{&all.OomScoreAdj, new.GetOomScoreAdj()},
		{&all.MemorySwapLimitInBytes, new.GetMemorySwapLimitInBytes()},
	} {
		if field.from != 0 {
			*field.to = field.from
		}
	}
	return all
}
