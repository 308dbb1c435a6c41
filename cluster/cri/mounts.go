package cri

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/kit/oci/layers"
)

// mountsOf are the mounts of an instance, outer ones first. The error is about one that
// the pod may not have.
func (r *Runtime) mountsOf(ctx context.Context, i *instance) ([]container.Mount, error) {
	var mounts []container.Mount
	for _, m := range i.config.GetMounts() {
		if m.GetImage() != nil {
			mount, err := r.imageMount(ctx, i, m)
			if err != nil {
				return nil, err
			}
			mounts = append(mounts, mount)
			continue
		}
		if m.GetRecursiveReadOnly() && (!m.GetReadonly() || m.GetPropagation() != runtimeapi.MountPropagation_PROPAGATION_PRIVATE) {
			return nil, fmt.Errorf("volume at %s: read-only with all below it (recursiveReadOnly) is what is read-only (readOnly) and sees nothing of later mounts (mountPropagation: None)", m.GetContainerPath())
		}
		from, err := r.shares.source(i.sandbox.config.GetMetadata().GetUid(), m.GetHostPath())
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, container.Mount{
			Source:      from.path,
			Target:      m.GetContainerPath(),
			ReadOnly:    m.GetReadonly() || from.readOnly,
			Optional:    from.optional,
			Propagation: propagationOf(m.GetPropagation()),
		})
	}
	slices.SortStableFunc(mounts, func(a, b container.Mount) int { return depth(a.Target) - depth(b.Target) })
	return mounts, nil
}

// imageMount shows the files of an image as a volume, read-only.
func (r *Runtime) imageMount(ctx context.Context, i *instance, m *runtimeapi.Mount) (container.Mount, error) {
	image, err := r.imageOf(ctx, i, m.GetImage())
	if err != nil {
		return container.Mount{}, fmt.Errorf("volume at %s: %w", m.GetContainerPath(), err)
	}
	if image.OwnRoot() {
		folders, err := layers.Folders(image.Layers, m.GetImageSubPath())
		if err != nil {
			return container.Mount{}, fmt.Errorf("volume at %s: image %s: %w", m.GetContainerPath(), image.Reference, err)
		}
		last := len(folders) - 1
		return container.Mount{Source: folders[last], Over: folders[:last], Target: m.GetContainerPath(), ReadOnly: true}, nil
	}
	for _, f := range image.Folders {
		if f.Target != "/" {
			continue
		}
		source, err := securejoin.SecureJoin(f.Source, m.GetImageSubPath())
		if err != nil {
			return container.Mount{}, fmt.Errorf("volume at %s: %w", m.GetContainerPath(), err)
		}
		if source, err = filepath.EvalSymlinks(source); err != nil {
			return container.Mount{}, fmt.Errorf("volume at %s: %w", m.GetContainerPath(), err)
		}
		return container.Mount{Source: source, Target: m.GetContainerPath(), ReadOnly: true}, nil
	}
	return container.Mount{}, fmt.Errorf("volume at %s: image %s has no files of its own to mount: use an emptyDir that an init container fills", m.GetContainerPath(), image.Reference)
}

func depth(path string) int { return strings.Count(filepath.Clean("/"+path), "/") }

func propagationOf(p runtimeapi.MountPropagation) container.Propagation {
	switch p {
	case runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER:
		return container.FromMachine
	case runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL:
		return container.Bidirectional
	default:
		return container.Private
	}
}

// devicesOf are the devices that a device plugin gave the container.
func devicesOf(config *runtimeapi.ContainerConfig) ([]container.Device, error) {
	if len(config.GetCDIDevices()) > 0 {
		return nil, fmt.Errorf("device %s: weir knows no CDI devices: ask for a resource of a device plugin", config.GetCDIDevices()[0].GetName())
	}
	var devices []container.Device
	for _, d := range config.GetDevices() {
		if path := filepath.Clean(d.GetHostPath()); !strings.HasPrefix(path, "/dev/") {
			return nil, fmt.Errorf("device %q: not below /dev", d.GetHostPath())
		}
		target := d.GetContainerPath()
		if target == "" {
			target = d.GetHostPath()
		}
		devices = append(devices, container.Device{Source: filepath.Clean(d.GetHostPath()), Target: target})
	}
	return devices, nil
}

// capabilitiesOf are all the capabilities that the container can ever have.
func capabilitiesOf(security *runtimeapi.LinuxContainerSecurityContext) ([]string, error) {
	add, drop := security.GetCapabilities().GetAddCapabilities(), security.GetCapabilities().GetDropCapabilities()
	if security.GetPrivileged() {
		add, drop = []string{"ALL"}, nil
	}
	capabilities, err := container.Capabilities(add, drop)
	if err != nil {
		return nil, fmt.Errorf("capabilities: %w", err)
	}
	return capabilities, nil
}
