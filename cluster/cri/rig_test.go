package cri

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/container"
	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/oci"
)

// A rig is a Runtime with real containers for a test.
type rig struct {
	*Runtime
	t       testing.TB
	dir     string
	config  Config
	changes *changes
}

// allContainers runs the containers of all tests: what their roots have in common takes a
// second to prepare.
var allContainers *container.Runtime

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) (code int) {
	if os.Getenv(unprivileged) != "" || os.Getenv(ownNetwork) != "" { // in a network namespace that nobody has prepared
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			panic(err)
		}
	}
	dir, err := os.MkdirTemp("", "cri-containers-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if allContainers, err = container.New(context.Background(), container.Config{Dir: dir}); err != nil {
		panic(err)
	}
	defer func() {
		if err := allContainers.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// newRig makes a rig; each of change may change its configuration first.
func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	dir := t.TempDir()
	containers := allContainers
	if containers.Kind() != container.Full {
		t.Skip(strings.Join(containers.Missing(), " "))
	}
	seen := &changes{}
	r := &rig{t: t, dir: dir, changes: seen, config: Config{
		Dir:        filepath.Join(dir, "cri"),
		KubeletDir: filepath.Join(dir, "kubelet"),
		Containers: containers,
		Images:     machine{},
		HostIP:     netip.MustParseAddr("192.0.2.1"),
		OnChange:   seen.add,
	}}
	for _, c := range change {
		c(&r.config)
	}
	var err error
	r.Runtime, err = New(r.config)
	must(t, err)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.Close(ended); err != nil {
			t.Error(err)
		}
		noGoroutines(t)
	})
	return r
}

// noGoroutines fails the test if code of this package still runs.
func noGoroutines(t testing.TB) {
	t.Helper()
	var left string
	for range 200 {
		left = ""
		stacks := make([]byte, 1<<20)
		for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "weir/cluster/cri.") && !strings.Contains(stack, "testing.") {
				left = stack
			}
		}
		if left == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("a goroutine is left:\n%s", left)
}

// A changes counts the changes of each pod.
type changes struct {
	mu   sync.Mutex
	pods map[string]int
}

func (c *changes) add(uid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pods == nil {
		c.pods = map[string]int{}
	}
	c.pods[uid]++
}

func (c *changes) of(uid string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pods[uid]
}

// pod runs a sandbox, of which change may change the configuration first.
func (r *rig) pod(change ...func(*runtimeapi.PodSandboxConfig)) string {
	r.t.Helper()
	id, err := r.RunPodSandbox(r.t.Context(), r.podConfig(change...), "")
	must(r.t, err)
	return id
}

func (r *rig) podConfig(change ...func(*runtimeapi.PodSandboxConfig)) *runtimeapi.PodSandboxConfig {
	config := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: "web-0", Namespace: "default", Uid: "uid-0"},
		Hostname:     "web-0",
		LogDirectory: filepath.Join(r.dir, "logs", "default_web-0_uid-0"),
		Labels:       map[string]string{"app": "web"},
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_CONTAINER},
		}},
	}
	for _, c := range change {
		c(config)
	}
	return config
}

// shell is a container that runs a script.
func shell(script string, change ...func(*runtimeapi.ContainerConfig)) *runtimeapi.ContainerConfig {
	config := &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "main"},
		Image:    &runtimeapi.ImageSpec{Image: "machine"},
		Command:  []string{"/bin/sh", "-c", script},
		Labels:   map[string]string{"name": "main"},
		LogPath:  "main/0.log",
		Linux:    &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{}},
	}
	for _, c := range change {
		c(config)
	}
	return config
}

// start creates and starts a container.
func (r *rig) start(pod string, config *runtimeapi.ContainerConfig) string {
	r.t.Helper()
	id, err := r.CreateContainer(r.t.Context(), pod, config, nil)
	must(r.t, err)
	must(r.t, r.StartContainer(r.t.Context(), id))
	return id
}

// status is what the runtime says of a container.
func (r *rig) status(id string) *runtimeapi.ContainerStatus {
	r.t.Helper()
	s, err := r.ContainerStatus(r.t.Context(), id, false)
	must(r.t, err)
	return s.GetStatus()
}

// wait waits for the end of a container.
func (r *rig) wait(id string) *runtimeapi.ContainerStatus {
	r.t.Helper()
	r.eventually("container has exited", func() bool {
		return r.status(id).GetState() == runtimeapi.ContainerState_CONTAINER_EXITED
	})
	return r.status(id)
}

// run runs a container to its end, and returns its status and what it wrote.
func (r *rig) run(pod string, config *runtimeapi.ContainerConfig) (*runtimeapi.ContainerStatus, string) {
	r.t.Helper()
	status := r.wait(r.start(pod, config))
	return status, r.written(status)
}

// written is the log of a container, without the times and streams.
func (r *rig) written(status *runtimeapi.ContainerStatus) string {
	r.t.Helper()
	data, err := os.ReadFile(status.GetLogPath())
	must(r.t, err)
	var text strings.Builder
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(line, " ", 4)
		if len(fields) != 4 {
			r.t.Fatalf("entry %q has no four fields", line)
		}
		if fields[2] == "P" {
			fields[3] = strings.TrimSuffix(fields[3], "\n")
		}
		text.WriteString(fields[3])
	}
	return text.String()
}

// eventually polls for a fact.
func (r *rig) eventually(what string, fact func() bool) {
	r.t.Helper()
	if !seen(fact) {
		r.t.Fatalf("not seen within 20 s: %s", what)
	}
}

// seen polls for a fact; goroutines beside a test may.
func seen(fact func() bool) bool {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if fact() {
			return true
		}
	}
	return false
}

// Machine is a store in which every image is this machine's folders alone, but for a few.
type machine struct{}

func (machine) Find(ref string) (*rootfs.Image, bool, error) {
	switch ref {
	case "absent":
		return nil, false, nil
	case "talkative":
		return &rootfs.Image{
			ID: "sha256:talkative", Reference: ref, Size: 5,
			Entrypoint: []string{"/bin/echo", "entry"}, Command: []string{"cmd"},
			Path: []string{"/env/bin"}, Variables: map[string]string{"LANG": "C.UTF-8", "MODE": "image"},
			WorkingDir: "/work/here", User: "33",
		}, true, nil
	}
	return &rootfs.Image{ID: "sha256:machine", Reference: ref, Size: 7}, true, nil
}

func (m machine) Pull(_ context.Context, ref string, _ oci.Remote, progress func(string)) (*rootfs.Image, error) {
	progress("Looking for " + ref + ".")
	image, ok, err := m.Find(ref)
	if !ok {
		err = fmt.Errorf("image %s: nothing says what it means: add it with `weir environment add %s`", ref, ref)
	}
	return image, err
}

func (machine) Unpack(_ context.Context, image *rootfs.Image, _ func(string)) (*rootfs.Image, error) {
	return image, nil
}

func (machine) Release(*rootfs.Image) {}

func (m machine) List() ([]*rootfs.Image, error) {
	a, _, _ := m.Find("machine")
	b, _, _ := m.Find("machine:again")
	c, _, _ := m.Find("talkative")
	return []*rootfs.Image{a, b, c}, nil
}

func (machine) Remove(context.Context, string) error { return nil }
