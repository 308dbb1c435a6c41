package cri

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilexec "k8s.io/utils/exec"
)

// serve serves CRI on a socket, for those who know no other way. weir's own kubelet calls
// the services as they are.
func serve(t *testing.T, socket string, r *Runtime, i *Images) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	must(t, err)
	server := grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(server, runtimeServer{r: r})
	runtimeapi.RegisterImageServiceServer(server, imageServer{i: i})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		must(t, <-served)
	})
}

type runtimeServer struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	r *Runtime
}

func (s runtimeServer) Version(ctx context.Context, in *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return s.r.Version(ctx, in.GetVersion())
}

func (s runtimeServer) Status(ctx context.Context, in *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	return s.r.Status(ctx, in.GetVerbose())
}

func (s runtimeServer) RuntimeConfig(ctx context.Context, _ *runtimeapi.RuntimeConfigRequest) (*runtimeapi.RuntimeConfigResponse, error) {
	return s.r.RuntimeConfig(ctx)
}

func (s runtimeServer) UpdateRuntimeConfig(ctx context.Context, in *runtimeapi.UpdateRuntimeConfigRequest) (*runtimeapi.UpdateRuntimeConfigResponse, error) {
	return &runtimeapi.UpdateRuntimeConfigResponse{}, s.r.UpdateRuntimeConfig(ctx, in.GetRuntimeConfig())
}

func (s runtimeServer) RunPodSandbox(ctx context.Context, in *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	id, err := s.r.RunPodSandbox(ctx, in.GetConfig(), in.GetRuntimeHandler())
	return &runtimeapi.RunPodSandboxResponse{PodSandboxId: id}, err
}

func (s runtimeServer) StopPodSandbox(ctx context.Context, in *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	return &runtimeapi.StopPodSandboxResponse{}, s.r.StopPodSandbox(ctx, in.GetPodSandboxId())
}

func (s runtimeServer) RemovePodSandbox(ctx context.Context, in *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	return &runtimeapi.RemovePodSandboxResponse{}, s.r.RemovePodSandbox(ctx, in.GetPodSandboxId())
}

func (s runtimeServer) PodSandboxStatus(ctx context.Context, in *runtimeapi.PodSandboxStatusRequest) (*runtimeapi.PodSandboxStatusResponse, error) {
	return s.r.PodSandboxStatus(ctx, in.GetPodSandboxId(), in.GetVerbose())
}

func (s runtimeServer) ListPodSandbox(ctx context.Context, in *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	all, err := s.r.ListPodSandbox(ctx, in.GetFilter())
	return &runtimeapi.ListPodSandboxResponse{Items: all}, err
}

func (s runtimeServer) UpdatePodSandboxResources(ctx context.Context, in *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	return s.r.UpdatePodSandboxResources(ctx, in)
}

func (s runtimeServer) CreateContainer(ctx context.Context, in *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	id, err := s.r.CreateContainer(ctx, in.GetPodSandboxId(), in.GetConfig(), in.GetSandboxConfig())
	return &runtimeapi.CreateContainerResponse{ContainerId: id}, err
}

func (s runtimeServer) StartContainer(ctx context.Context, in *runtimeapi.StartContainerRequest) (*runtimeapi.StartContainerResponse, error) {
	return &runtimeapi.StartContainerResponse{}, s.r.StartContainer(ctx, in.GetContainerId())
}

func (s runtimeServer) StopContainer(ctx context.Context, in *runtimeapi.StopContainerRequest) (*runtimeapi.StopContainerResponse, error) {
	return &runtimeapi.StopContainerResponse{}, s.r.StopContainer(ctx, in.GetContainerId(), in.GetTimeout())
}

func (s runtimeServer) RemoveContainer(ctx context.Context, in *runtimeapi.RemoveContainerRequest) (*runtimeapi.RemoveContainerResponse, error) {
	return &runtimeapi.RemoveContainerResponse{}, s.r.RemoveContainer(ctx, in.GetContainerId())
}

func (s runtimeServer) ListContainers(ctx context.Context, in *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	all, err := s.r.ListContainers(ctx, in.GetFilter())
	return &runtimeapi.ListContainersResponse{Containers: all}, err
}

func (s runtimeServer) ContainerStatus(ctx context.Context, in *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	return s.r.ContainerStatus(ctx, in.GetContainerId(), in.GetVerbose())
}

func (s runtimeServer) UpdateContainerResources(ctx context.Context, in *runtimeapi.UpdateContainerResourcesRequest) (*runtimeapi.UpdateContainerResourcesResponse, error) {
	err := s.r.UpdateContainerResources(ctx, in.GetContainerId(), &runtimeapi.ContainerResources{Linux: in.GetLinux()})
	return &runtimeapi.UpdateContainerResourcesResponse{}, err
}

func (s runtimeServer) ReopenContainerLog(ctx context.Context, in *runtimeapi.ReopenContainerLogRequest) (*runtimeapi.ReopenContainerLogResponse, error) {
	return &runtimeapi.ReopenContainerLogResponse{}, s.r.ReopenContainerLog(ctx, in.GetContainerId())
}

// ExecSync has the exit code in the answer, which is an error in Go.
func (s runtimeServer) ExecSync(ctx context.Context, in *runtimeapi.ExecSyncRequest) (*runtimeapi.ExecSyncResponse, error) {
	stdout, stderr, err := s.r.ExecSync(ctx, in.GetContainerId(), in.GetCmd(), time.Duration(in.GetTimeout())*time.Second)
	answer := &runtimeapi.ExecSyncResponse{Stdout: stdout, Stderr: stderr}
	var exit utilexec.CodeExitError
	if errors.As(err, &exit) {
		answer.ExitCode, err = int32(exit.Code), nil
	}
	return answer, err
}

func (s runtimeServer) Exec(ctx context.Context, in *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	return s.r.Exec(ctx, in)
}

func (s runtimeServer) Attach(ctx context.Context, in *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	return s.r.Attach(ctx, in)
}

func (s runtimeServer) PortForward(ctx context.Context, in *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	return s.r.PortForward(ctx, in)
}

func (s runtimeServer) ContainerStats(ctx context.Context, in *runtimeapi.ContainerStatsRequest) (*runtimeapi.ContainerStatsResponse, error) {
	stats, err := s.r.ContainerStats(ctx, in.GetContainerId())
	return &runtimeapi.ContainerStatsResponse{Stats: stats}, err
}

func (s runtimeServer) ListContainerStats(ctx context.Context, in *runtimeapi.ListContainerStatsRequest) (*runtimeapi.ListContainerStatsResponse, error) {
	all, err := s.r.ListContainerStats(ctx, in.GetFilter())
	return &runtimeapi.ListContainerStatsResponse{Stats: all}, err
}

func (s runtimeServer) PodSandboxStats(ctx context.Context, in *runtimeapi.PodSandboxStatsRequest) (*runtimeapi.PodSandboxStatsResponse, error) {
	stats, err := s.r.PodSandboxStats(ctx, in.GetPodSandboxId())
	return &runtimeapi.PodSandboxStatsResponse{Stats: stats}, err
}

func (s runtimeServer) ListPodSandboxStats(ctx context.Context, in *runtimeapi.ListPodSandboxStatsRequest) (*runtimeapi.ListPodSandboxStatsResponse, error) {
	all, err := s.r.ListPodSandboxStats(ctx, in.GetFilter())
	return &runtimeapi.ListPodSandboxStatsResponse{Stats: all}, err
}

type imageServer struct {
	runtimeapi.UnimplementedImageServiceServer
	i *Images
}

func (s imageServer) ListImages(ctx context.Context, in *runtimeapi.ListImagesRequest) (*runtimeapi.ListImagesResponse, error) {
	all, err := s.i.ListImages(ctx, in.GetFilter())
	return &runtimeapi.ListImagesResponse{Images: all}, err
}

func (s imageServer) ImageStatus(ctx context.Context, in *runtimeapi.ImageStatusRequest) (*runtimeapi.ImageStatusResponse, error) {
	return s.i.ImageStatus(ctx, in.GetImage(), in.GetVerbose())
}

func (s imageServer) PullImage(ctx context.Context, in *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	id, err := s.i.PullImage(ctx, in.GetImage(), in.GetAuth(), in.GetSandboxConfig())
	return &runtimeapi.PullImageResponse{ImageRef: id}, err
}

func (s imageServer) RemoveImage(ctx context.Context, in *runtimeapi.RemoveImageRequest) (*runtimeapi.RemoveImageResponse, error) {
	return &runtimeapi.RemoveImageResponse{}, s.i.RemoveImage(ctx, in.GetImage())
}

func (s imageServer) ImageFsInfo(ctx context.Context, _ *runtimeapi.ImageFsInfoRequest) (*runtimeapi.ImageFsInfoResponse, error) {
	return s.i.ImageFsInfo(ctx)
}
