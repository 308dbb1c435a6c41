package node

import (
	"context"
	"fmt"
	"os"
	"strings"

	cadvisor "github.com/google/cadvisor/lib/model"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// A machine tells the kubelet what cAdvisor would, read from the kernel: how
// big the machine is. What containers use, the runtime tells.
type machine struct{ dir string }

func (m *machine) Start() error { return nil }

func (m *machine) ContainerInfoV2(string, cadvisor.RequestOptions) (map[string]cadvisor.ContainerInfo, error) {
	return map[string]cadvisor.ContainerInfo{}, nil
}

func (m *machine) GetRequestedContainersInfo(string, cadvisor.RequestOptions) (map[string]*cadvisor.ContainerInfo, error) {
	return map[string]*cadvisor.ContainerInfo{}, nil
}

func (m *machine) MachineInfo(klog.Logger) (*cadvisor.MachineInfo, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, fmt.Errorf("ask the kernel for the size of memory: %w", err)
	}
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return nil, fmt.Errorf("ask the kernel for the number of CPUs: %w", err)
	}
	return &cadvisor.MachineInfo{
		NumCores:       cpus.Count(),
		MemoryCapacity: uint64(info.Totalram) * uint64(info.Unit), //nolint:unconvert // It has 32 bits on some processors.
		BootID:         firstLine("/proc/sys/kernel/random/boot_id"),
		MachineID:      firstLine("/etc/machine-id"),
	}, nil
}

func (m *machine) VersionInfo() (*cadvisor.VersionInfo, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("ask the kernel for its version: %w", err)
	}
	return &cadvisor.VersionInfo{
		KernelVersion:      unix.ByteSliceToString(name.Release[:]),
		ContainerOsVersion: osName(),
	}, nil
}

func (m *machine) ImagesFsInfo(context.Context) (cadvisor.FsInfo, error) {
	return m.GetDirFsInfo(m.dir)
}

func (m *machine) RootFsInfo() (cadvisor.FsInfo, error) { return m.GetDirFsInfo(m.dir) }

func (m *machine) ContainerFsInfo(context.Context) (cadvisor.FsInfo, error) {
	return m.GetDirFsInfo(m.dir)
}

func (m *machine) GetDirFsInfo(path string) (cadvisor.FsInfo, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return cadvisor.FsInfo{}, fmt.Errorf("ask for the space in %s: %w", path, err)
	}
	block := uint64(fs.Bsize)
	return cadvisor.FsInfo{
		Device: "root", Mountpoint: path,
		Capacity: fs.Blocks * block, Available: fs.Bavail * block, Usage: (fs.Blocks - fs.Bfree) * block,
		Inodes: &fs.Files, InodesFree: &fs.Ffree,
	}, nil
}

func firstLine(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "" // not every system has every one; the kubelet does without
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}

// osName is the system's name for itself.
func osName() string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "Linux"
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(name), `"`)
		}
	}
	return "Linux"
}
