package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	_ "unsafe" // for go:linkname

	cadvisor "github.com/google/cadvisor/lib/model"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	plugin "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/cm/resourceupdates"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/kubernetes/pkg/kubelet/status"
	schedulerframework "k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/weir-ml/weir/cluster/gpu"
)

// resourceGPU is what containers ask for, as of NVIDIA's own device plugin.
const resourceGPU = "nvidia.com/gpu"

// withGPUs is a container manager that also hands out GPUs. Upstream's device
// manager says which container has which, also after a restart; the plugin that
// it asks what a GPU takes is in the process, in place of a socket.
type withGPUs struct {
	cm.ContainerManager
	devices  *devicemanager.ManagerImpl
	topology topologymanager.Manager
	plugin   gpuPlugin
}

// newDeviceManager is upstream's, with the folder of its checkpoint to choose:
// the exported one has /var/lib/kubelet, which is not ours.
//
//go:linkname newDeviceManager k8s.io/kubernetes/pkg/kubelet/cm/devicemanager.newManagerImpl
func newDeviceManager(klog.Logger, string, []cadvisor.Node, topologymanager.Store) (*devicemanager.ManagerImpl, error)

func newWithGPUs(logger klog.Logger, m cm.ContainerManager, dir string, machine gpu.Machine) (*withGPUs, error) {
	topology, err := topologymanager.NewManager(logger, nil, topologymanager.PolicyNone, "", nil)
	if err != nil {
		return nil, err
	}
	devices, err := newDeviceManager(logger, filepath.Join(dir, "device-plugins", "kubelet.sock"), nil, topology)
	if err != nil {
		return nil, err
	}
	// Nobody registers: the socket is not made, whose path may be too long for one.
	server, err := field(reflect.ValueOf(devices), "server")
	if err != nil {
		return nil, err
	}
	inner, ok := server.Interface().(plugin.Server)
	if !ok {
		return nil, fmt.Errorf("field server of the device manager holds %T", server.Interface())
	}
	server.Set(reflect.ValueOf(noServer{inner}))
	topology.AddHintProvider(logger, devices)
	return &withGPUs{ContainerManager: m, devices: devices, topology: topology, plugin: gpuPlugin{machine}}, nil
}

type noServer struct{ plugin.Server }

func (noServer) Start(klog.Logger) error { return nil }
func (noServer) Stop(klog.Logger) error  { return nil }

func (w *withGPUs) Start(ctx context.Context, node *corev1.Node, active cm.ActivePodsFunc, get cm.GetNodeFunc, sources config.SourcesReady, statuses status.PodStatusProvider, service internalapi.RuntimeService, isolation bool) error {
	if err := w.ContainerManager.Start(ctx, node, active, get, sources, statuses, service, isolation); err != nil {
		return err
	}
	logger := klog.FromContext(ctx)
	// No container has outlived the weir before.
	if err := w.devices.Start(logger, devicemanager.ActivePodsFunc(active), sources, nil, nil); err != nil {
		return err
	}
	if err := w.devices.PluginConnected(ctx, resourceGPU, w.plugin); err != nil {
		return err
	}
	w.devices.PluginListAndWatchReceiver(logger, resourceGPU, w.plugin.list())
	return nil
}

func (w *withGPUs) GetDevicePluginResourceCapacity(logger klog.Logger) (capacity, allocatable corev1.ResourceList, gone []string) {
	return w.devices.GetCapacity(logger)
}

func (w *withGPUs) GetAllocateResourcesPodAdmitHandler(klog.Logger) lifecycle.PodAdmitHandler {
	return w.topology
}

func (w *withGPUs) UpdatePluginResources(node *schedulerframework.NodeInfo, attributes *lifecycle.PodAdmitAttributes) error {
	return w.devices.UpdatePluginResources(node, attributes)
}

func (w *withGPUs) UpdateAllocatedDevices(logger klog.Logger) {
	w.devices.UpdateAllocatedDevices(logger)
}

func (w *withGPUs) Updates() <-chan resourceupdates.Update { return w.devices.Updates() }

func (w *withGPUs) GetResources(ctx context.Context, pod *corev1.Pod, container *corev1.Container) (*kubecontainer.RunContainerOptions, error) {
	given, err := w.devices.GetDeviceRunContainerOptions(ctx, pod, container)
	if err != nil || given == nil {
		return &kubecontainer.RunContainerOptions{}, err
	}
	return &kubecontainer.RunContainerOptions{Devices: given.Devices, Mounts: given.Mounts, Envs: given.Envs}, nil
}

// gpuLabels say on the node what its GPUs are, by the names of NVIDIA's feature
// discovery, so that a selector for a model works.
func gpuLabels(m gpu.Machine) map[string]string {
	if len(m.GPUs) == 0 {
		return nil
	}
	labels := map[string]string{
		"nvidia.com/gpu.present": "true",
		"nvidia.com/gpu.count":   strconv.Itoa(len(m.GPUs)),
		"nvidia.com/gpu.product": m.GPUs[0].Product(),
	}
	if m.Driver != "" {
		labels["nvidia.com/cuda.driver-version.full"] = m.Driver
	}
	return labels
}

// gpuPlugin answers as NVIDIA's device plugin does over its socket.
type gpuPlugin struct{ machine gpu.Machine }

func (p gpuPlugin) API() deviceplugin.DevicePluginClient { return p }
func (p gpuPlugin) Resource() string                     { return resourceGPU }
func (p gpuPlugin) SocketPath() string                   { return "in-process" }

func (p gpuPlugin) list() *deviceplugin.ListAndWatchResponse {
	r := &deviceplugin.ListAndWatchResponse{}
	for _, g := range p.machine.GPUs {
		r.Devices = append(r.Devices, &deviceplugin.Device{ID: g.UUID, Health: deviceplugin.Healthy})
	}
	return r
}

func (p gpuPlugin) GetDevicePluginOptions(context.Context, *deviceplugin.Empty, ...grpc.CallOption) (*deviceplugin.DevicePluginOptions, error) {
	return &deviceplugin.DevicePluginOptions{}, nil
}

// driverFolders are where a container's loader looks without being told to, in
// Debian's images and in others. What is not there in an image is made.
func driverFolders(architecture string) []string {
	switch architecture {
	case "amd64":
		return []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib64"}
	case "arm64":
		return []string{"/usr/lib/aarch64-linux-gnu", "/usr/lib64"}
	default:
		return []string{"/usr/lib64"}
	}
}

// Allocate says what each container gets with its GPUs: their nodes, the
// driver's files in the folders of the system, and the variables that NVIDIA's
// plugin sets.
func (p gpuPlugin) Allocate(_ context.Context, r *deviceplugin.AllocateRequest, _ ...grpc.CallOption) (*deviceplugin.AllocateResponse, error) {
	answer := &deviceplugin.AllocateResponse{}
	for _, request := range r.GetContainerRequests() {
		ids := slices.Sorted(slices.Values(request.GetDevicesIds()))
		c := &deviceplugin.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(ids, ","), "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"},
		}
		nodes := slices.Clone(p.machine.Devices)
		for _, id := range ids {
			i := slices.IndexFunc(p.machine.GPUs, func(g gpu.GPU) bool { return g.UUID == id })
			if i < 0 {
				return nil, fmt.Errorf("GPU %s: this machine has none of this name any more: delete the pod, and another gets one that is there", id)
			}
			nodes = append(nodes, p.machine.GPUs[i].Device)
		}
		for _, n := range nodes {
			c.Devices = append(c.Devices, &deviceplugin.DeviceSpec{HostPath: n, ContainerPath: n, Permissions: "rw"})
		}
		for _, f := range p.machine.Libraries {
			for _, folder := range driverFolders(runtime.GOARCH) {
				c.Mounts = append(c.Mounts, &deviceplugin.Mount{HostPath: f.Path, ContainerPath: filepath.Join(folder, f.Name), ReadOnly: true})
			}
		}
		for _, f := range p.machine.Programs {
			c.Mounts = append(c.Mounts, &deviceplugin.Mount{HostPath: f.Path, ContainerPath: filepath.Join("/usr/bin", f.Name), ReadOnly: true})
		}
		answer.ContainerResponses = append(answer.ContainerResponses, c)
	}
	return answer, nil
}

// What the options say is not offered.
var errNotOffered = errors.New("not offered")

func (gpuPlugin) ListAndWatch(context.Context, *deviceplugin.Empty, ...grpc.CallOption) (grpc.ServerStreamingClient[deviceplugin.ListAndWatchResponse], error) {
	return nil, errNotOffered
}

func (gpuPlugin) GetPreferredAllocation(context.Context, *deviceplugin.PreferredAllocationRequest, ...grpc.CallOption) (*deviceplugin.PreferredAllocationResponse, error) {
	return nil, errNotOffered
}

func (gpuPlugin) PreStartContainer(context.Context, *deviceplugin.PreStartContainerRequest, ...grpc.CallOption) (*deviceplugin.PreStartContainerResponse, error) {
	return nil, errNotOffered
}
