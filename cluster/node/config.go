package node

import (
	"time"

	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/hostpath"
	"k8s.io/kubernetes/pkg/volume/image"
	"k8s.io/kubernetes/pkg/volume/local"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
)

// kubeletServer is the kubelet's configuration: upstream's defaults, less what
// needs a machine of the kubelet's own (cgroup trees, iptables, swap rules).
func kubeletServer(c Config) (*kubeletoptions.KubeletServer, error) {
	flags := kubeletoptions.NewKubeletFlags()
	flags.RootDirectory = c.Dir
	flags.CertDirectory = c.Dir
	flags.HostnameOverride = c.Name
	flags.NodeIP = c.Address.String()
	flags.NodeLabels = gpuLabels(c.GPUs)

	k, err := kubeletoptions.NewKubeletConfiguration()
	if err != nil {
		return nil, err
	}
	k.Address = c.Address.String()
	k.Port = int32(c.Port)
	k.EnableServer = true
	k.HealthzPort = 0
	k.TLSCertFile, k.TLSPrivateKeyFile = c.Serving.CertFile, c.Serving.KeyFile
	k.Authentication.X509.ClientCAFile = c.Authority.CertFile()
	k.Authentication.Webhook.Enabled = true
	k.Authentication.Anonymous.Enabled = false
	k.Authorization.Mode = kubeletconfig.KubeletAuthorizationModeWebhook

	k.PodLogsDir = c.PodLogs
	k.ClusterDNS, k.ClusterDomain = c.ClusterDNS, c.ClusterDomain
	k.ResolverConfig = c.ResolvConf
	k.ContainerRuntimeEndpoint = "unix:///in-process" // must be set; nobody dials it
	k.MaxPods = 1000
	k.SerializeImagePulls = false
	k.RegistryPullQPS = 0
	k.EventRecordQPS = 0

	// Limits are set by the runtime, container by container.
	k.CgroupsPerQOS = false
	k.EnforceNodeAllocatable = nil
	k.FailSwapOn = false
	k.FailCgroupV1 = false
	k.MakeIPTablesUtilChains = false
	k.LocalStorageCapacityIsolation = false
	k.EnableControllerAttachDetach = false
	if c.Collection != (ImageCollection{}) {
		k.ImageGCHighThresholdPercent, k.ImageGCLowThresholdPercent = c.Collection.High, c.Collection.Low
	}
	k.EvictionHard = map[string]string{}
	// A laptop's clock and network come and go; pods stay.
	k.NodeStatusReportFrequency.Duration = 5 * time.Minute
	return &kubeletoptions.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *k}, nil
}

func volumePlugins() []volume.VolumePlugin {
	var all []volume.VolumePlugin
	for _, plugins := range [][]volume.VolumePlugin{
		emptydir.ProbeVolumePlugins(),
		hostpath.ProbeVolumePlugins(volume.VolumeConfig{}),
		secret.ProbeVolumePlugins(),
		configmap.ProbeVolumePlugins(),
		downwardapi.ProbeVolumePlugins(),
		projected.ProbeVolumePlugins(),
		local.ProbeVolumePlugins(),
		image.ProbeVolumePlugins(),
	} {
		all = append(all, plugins...)
	}
	return all
}

// withoutLinks is the operating system, but makes no links: see ContainerLogsDir.
type withoutLinks struct{ kubecontainer.RealOS }

func (withoutLinks) Symlink(string, string) error { return nil }

// unshared leaves mount propagation alone: all mounts here are private to the program.
type unshared struct{ *hostutil.HostUtil }

func (unshared) MakeRShared(string) error { return nil }
