// Package gpu finds the NVIDIA GPUs of the machine, and what a container must
// see to use one: its device nodes, and the files of the driver that belong to
// the kernel's module and so come from the machine, never from an image.
//
// All is read from files; nothing of NVIDIA's is linked or started. The form of
// /proc/driver/nvidia is that of NVIDIA's driver, described in its README
// ("The NVIDIA /proc File System Interface").
package gpu

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// A GPU is one of the machine.
type GPU struct {
	UUID   string // as NVIDIA writes it: GPU-6b8f…
	Model  string // "NVIDIA H100 80GB HBM3"
	Device string // its node: /dev/nvidia0
}

// A File is one of the driver's.
type File struct {
	Path string // on the machine, without links
	Name string // what programs call it: libcuda.so.1
}

// Machine is what Find found. Without GPUs it is empty.
type Machine struct {
	GPUs []GPU
	// Driver is its version, "580.159.04", if the kernel says.
	Driver string
	// Devices are nodes that a container needs beside its GPUs' own.
	Devices []string
	// Libraries and Programs are the driver's files for programs in containers.
	Libraries, Programs []File
	// Missing says in sentences what keeps GPUs from being used.
	Missing []string
}

// Find looks at a machine. root is "/", or a folder that stands in for it. The
// paths in the answer are the machine's own, without root.
func Find(root string) Machine {
	s := search{root: root}
	m := Machine{GPUs: s.gpus()}
	if len(m.GPUs) == 0 {
		return Machine{}
	}
	m.Driver = s.driver()
	for _, name := range []string{"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset"} {
		if device := "/dev/" + name; s.has(device) {
			m.Devices = append(m.Devices, device)
		}
	}
	for _, needed := range []string{"/dev/nvidiactl", "/dev/nvidia-uvm"} {
		if !slices.Contains(m.Devices, needed) {
			m.Missing = append(m.Missing, fmt.Sprintf("Programs find no GPU: %s is not there. `sudo nvidia-modprobe -c 0 -u` makes it; then start weir again.", needed))
		}
	}
	if m.Libraries = s.libraries(m.Driver); len(m.Libraries) == 0 {
		m.Missing = append(m.Missing, "Programs find no GPU: the libraries of NVIDIA's driver (libcuda.so) are in none of the usual folders. Install the driver's package for computing, then start weir again.")
	}
	if path, ok := s.first("nvidia-smi", "/usr/local/nvidia/bin", "/usr/bin", "/opt/bin"); ok {
		m.Programs = []File{{Path: path, Name: "nvidia-smi"}}
	}
	return m
}

// Product is a GPU's model as a label's value: "NVIDIA-H100-80GB-HBM3".
func (g GPU) Product() string { return strings.Join(strings.Fields(g.Model), "-") }

// String is the machine's GPUs in a line: "2 × Tesla T4, driver 580.159.04".
func (m Machine) String() string {
	count := map[string]int{}
	var models []string
	for _, g := range m.GPUs {
		if count[g.Model]++; count[g.Model] == 1 {
			models = append(models, g.Model)
		}
	}
	var parts []string
	for _, model := range models {
		parts = append(parts, fmt.Sprintf("%d × %s", count[model], model))
	}
	if m.Driver != "" {
		parts = append(parts, "driver "+m.Driver)
	}
	return strings.Join(parts, ", ")
}

// Files are all of the driver.
func (m Machine) Files() []File { return slices.Concat(m.Libraries, m.Programs) }

// search looks for things below a root.
type search struct{ root string }

func (s search) at(path string) string { return filepath.Join(s.root, path) }

func (s search) has(path string) bool {
	_, err := os.Lstat(s.at(path))
	return err == nil
}

// node is the name of a GPU's device node, without "nvidia".
var node = regexp.MustCompile(`^nvidia(\d+)$`)

// gpus are those that have a device node, in the order of their numbers. A
// kernel that does not say what they are leaves their number as a name.
func (s search) gpus() []GPU {
	var all []GPU
	known := s.information()
	entries, err := os.ReadDir(s.at("/dev"))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		number := node.FindStringSubmatch(e.Name())
		if number == nil {
			continue
		}
		g := known[number[1]]
		g.Device = "/dev/" + e.Name()
		g.UUID = cmp.Or(g.UUID, e.Name())
		g.Model = cmp.Or(g.Model, "NVIDIA")
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b GPU) int {
		return cmp.Or(cmp.Compare(len(a.Device), len(b.Device)), cmp.Compare(a.Device, b.Device))
	})
	return all
}

// information is what the kernel says of GPUs, by the number of their device.
func (s search) information() map[string]GPU {
	all := map[string]GPU{}
	files, _ := filepath.Glob(s.at("/proc/driver/nvidia/gpus/*/information"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // a GPU that has gone meanwhile
		}
		facts := map[string]string{}
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok {
				facts[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
		all[facts["Device Minor"]] = GPU{UUID: facts["GPU UUID"], Model: facts["Model"]}
	}
	return all
}

// release is a version of the driver.
var release = regexp.MustCompile(`\b\d{3,}\.\d+(\.\d+)?\b`)

func (s search) driver() string {
	data, err := os.ReadFile(s.at("/proc/driver/nvidia/version"))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(data), "\n") // the next is the compiler's
	return release.FindString(first)
}

// folders are where distributions and the images of clouds have the driver's
// libraries.
var folders = []string{
	"/usr/local/nvidia/lib64", "/usr/local/nvidia/lib",
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu/nvidia/current", "/usr/lib/aarch64-linux-gnu/nvidia/current",
	"/usr/lib64", "/usr/lib", "/opt/lib64",
}

// libraries are those of the first folder that has the driver's libcuda: all
// files that carry its version, under each name that leads to them there.
func (s search) libraries(version string) []File {
	for _, folder := range folders {
		versions, _ := filepath.Glob(s.at(filepath.Join(folder, "libcuda.so."+cmp.Or(version, "*.*"))))
		if len(versions) == 0 {
			continue
		}
		return s.named(folder, strings.TrimPrefix(filepath.Base(versions[0]), "libcuda"))
	}
	return nil
}

// named are the libraries of a folder whose file, links followed, has a name that ends so.
func (s search) named(folder, suffix string) []File {
	entries, err := os.ReadDir(s.at(folder))
	if err != nil {
		return nil
	}
	var all []File
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "lib") || e.IsDir() {
			continue
		}
		real, err := s.real(filepath.Join(folder, e.Name()))
		if name := filepath.Base(real); err == nil && strings.HasPrefix(name, "lib") && strings.HasSuffix(name, suffix) {
			all = append(all, File{Path: real, Name: e.Name()})
		}
	}
	return all
}

// first is where a program is, in the first folder that has it.
func (s search) first(name string, folders ...string) (string, bool) {
	for _, folder := range folders {
		if real, err := s.real(filepath.Join(folder, name)); err == nil {
			return real, true
		}
	}
	return "", false
}

// real follows links, as they lead on the machine itself.
func (s search) real(path string) (string, error) {
	for range 40 {
		target, err := os.Readlink(s.at(path))
		switch {
		case errors.Is(err, syscall.EINVAL): // no link
			return path, nil
		case err != nil:
			return "", err
		case filepath.IsAbs(target):
			path = target
		default:
			path = filepath.Join(filepath.Dir(path), target)
		}
	}
	return "", fmt.Errorf("%s: links lead round in a circle", path)
}
