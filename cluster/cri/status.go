package cri

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// Version names the runtime.
func (r *Runtime) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: Name, RuntimeVersion: "0.1.0", RuntimeApiVersion: "v1"}, nil
}

// Status says that pods can run, and what they go without.
func (r *Runtime) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	network := &runtimeapi.RuntimeCondition{Type: runtimeapi.NetworkReady, Status: true}
	if r.config.Network == nil {
		network.Reason = "PodsShareTheNetwork"
		network.Message = "Pods have no addresses of their own: they are on the network of this machine and share its ports."
	}
	ready := &runtimeapi.RuntimeCondition{Type: runtimeapi.RuntimeReady, Status: true}
	if len(r.config.Missing) > 0 {
		ready.Reason, ready.Message = "Degraded", strings.Join(r.config.Missing, " ")
	}
	return &runtimeapi.StatusResponse{
		Status:          &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{ready, network}},
		RuntimeHandlers: []*runtimeapi.RuntimeHandler{{Features: &runtimeapi.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: true}}},
		Features:        &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true},
	}, nil
}

// RuntimeConfig says who makes control groups: we do.
func (r *Runtime) RuntimeConfig(context.Context) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: runtimeapi.CgroupDriver_CGROUPFS}}, nil
}

// UpdateRuntimeConfig has nothing to do: the pods' addresses are the network's business.
func (r *Runtime) UpdateRuntimeConfig(context.Context, *runtimeapi.RuntimeConfig) error { return nil }

// CheckpointContainer is not offered.
func (r *Runtime) CheckpointContainer(context.Context, *runtimeapi.CheckpointContainerRequest) error {
	return status.Error(codes.Unimplemented, "a running container cannot be written to a file")
}

// CheckpointPod is not offered.
func (r *Runtime) CheckpointPod(context.Context, *runtimeapi.CheckpointPodRequest) error {
	return status.Error(codes.Unimplemented, "a running pod cannot be written to a file")
}

// RestorePod is not offered.
func (r *Runtime) RestorePod(context.Context, *runtimeapi.RestorePodRequest) (*runtimeapi.RestorePodResponse, error) {
	return nil, status.Error(codes.Unimplemented, "a pod cannot be read from a file")
}

// ReopenContainerLog goes on in a new file after the kubelet moved the log away.
func (r *Runtime) ReopenContainerLog(ctx context.Context, id string) error {
	i, err := r.runningInstance(id)
	if err != nil {
		return err
	}
	if err := i.log.reopen(); err != nil {
		return err
	}
	r.keepLog(ctx, i)
	return nil
}

// keepLog makes the log outlive its pod. A log that is not kept is no reason for a pod
// not to run.
func (r *Runtime) keepLog(ctx context.Context, i *instance) {
	if r.config.Logs == nil || i.logPath == "" {
		return
	}
	pod := i.sandbox.config.GetMetadata()
	err := r.config.Logs.Keep(podlogs.Pod{
		Namespace: pod.GetNamespace(),
		Name:      pod.GetName(),
		UID:       pod.GetUid(),
		Labels:    i.sandbox.config.GetLabels(),
	}, i.config.GetMetadata().GetName(), i.config.GetMetadata().GetAttempt(), i.logPath)
	if err != nil {
		klog.FromContext(ctx).Error(err, "a log will not outlive its pod", "container", i.id)
	}
}
