package gpu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// information is a GPU's file of the kernel's, as the driver writes it.
func information(model, uuid, minor string) string {
	return "Model: \t\t " + model + "\nIRQ:   \t\t 40\nGPU UUID: \t " + uuid + "\nBus Location: \t 0000:00:05.0\nDevice Minor: \t " + minor + "\nGPU Excluded:\t No\n"
}

const version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (dvs)\nGCC version:  gcc version 12.3.0\n"

func TestFind(t *testing.T) {
	two := map[string]string{
		"proc/driver/nvidia/version":                       version,
		"proc/driver/nvidia/gpus/0000:00:05.0/information": information("NVIDIA H100 80GB HBM3", "GPU-b", "10"),
		"proc/driver/nvidia/gpus/0000:00:06.0/information": information("Tesla T4", "GPU-a", "2"),
		"dev/nvidia10":   "",
		"dev/nvidia2":    "",
		"dev/nvidiactl":  "",
		"dev/nvidia-uvm": "",
		"usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04":      "",
		"usr/lib/x86_64-linux-gnu/libcuda.so.1":               "-> libcuda.so.580.159.04",
		"usr/lib/x86_64-linux-gnu/libcuda.so":                 "-> /etc/alternatives/cuda",
		"etc/alternatives/cuda":                               "-> /usr/lib/x86_64-linux-gnu/libcuda.so.1",
		"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.159.04": "",
		"usr/lib/x86_64-linux-gnu/libc.so.6":                  "",
		"usr/lib/x86_64-linux-gnu/libcuda.so.470.1.2":         "",
		"usr/lib/x86_64-linux-gnu/libloop.so":                 "-> libloop.so",
		"usr/bin/nvidia-smi":                                  "",
	}
	cases := map[string]struct {
		files map[string]string
		want  Machine
	}{
		"None": {files: map[string]string{"dev/null": ""}},
		"Two": {files: two, want: Machine{
			GPUs: []GPU{
				{UUID: "GPU-a", Model: "Tesla T4", Device: "/dev/nvidia2"},
				{UUID: "GPU-b", Model: "NVIDIA H100 80GB HBM3", Device: "/dev/nvidia10"},
			},
			Driver:  "580.159.04",
			Devices: []string{"/dev/nvidiactl", "/dev/nvidia-uvm"},
			Libraries: []File{
				{"/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04", "libcuda.so"},
				{"/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04", "libcuda.so.1"},
				{"/usr/lib/x86_64-linux-gnu/libcuda.so.580.159.04", "libcuda.so.580.159.04"},
				{"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.159.04", "libnvidia-ml.so.580.159.04"},
			},
			Programs: []File{{"/usr/bin/nvidia-smi", "nvidia-smi"}},
		}},
		"A kernel that says nothing": {
			files: map[string]string{"dev/nvidia0": "", "dev/nvidiactl": "", "dev/nvidia-uvm": "", "usr/local/nvidia/lib64/libcuda.so.550.1": ""},
			want: Machine{
				GPUs:      []GPU{{UUID: "nvidia0", Model: "NVIDIA", Device: "/dev/nvidia0"}},
				Devices:   []string{"/dev/nvidiactl", "/dev/nvidia-uvm"},
				Libraries: []File{{"/usr/local/nvidia/lib64/libcuda.so.550.1", "libcuda.so.550.1"}},
			},
		},
		"Half a driver": {
			files: map[string]string{"dev/nvidia0": "", "dev/nvidiactl": ""},
			want: Machine{
				GPUs:    []GPU{{UUID: "nvidia0", Model: "NVIDIA", Device: "/dev/nvidia0"}},
				Devices: []string{"/dev/nvidiactl"},
				Missing: []string{
					"Programs find no GPU: /dev/nvidia-uvm is not there. `sudo nvidia-modprobe -c 0 -u` makes it; then start weir again.",
					"Programs find no GPU: the libraries of NVIDIA's driver (libcuda.so) are in none of the usual folders. Install the driver's package for computing, then start weir again.",
				},
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Find(machine(t, c.files))); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProduct(t *testing.T) {
	if got := (GPU{Model: "NVIDIA H100  80GB HBM3"}).Product(); got != "NVIDIA-H100-80GB-HBM3" {
		t.Errorf("product %q", got)
	}
}

func TestString(t *testing.T) {
	m := Machine{GPUs: []GPU{{Model: "Tesla T4"}, {Model: "NVIDIA L4"}, {Model: "Tesla T4"}}, Driver: "580.1"}
	if got, want := m.String(), "2 × Tesla T4, 1 × NVIDIA L4, driver 580.1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// machine makes a folder that looks like one: "-> x" is a link to x.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}
