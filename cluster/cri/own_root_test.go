package cri

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/oci"
)

// layerOf is a layer of headers; a content of a file is its PAX comment's.
func layerOf(t *testing.T, entries ...entry) oci.Layer {
	t.Helper()
	return func(w io.Writer) error {
		out := tar.NewWriter(w)
		for _, e := range entries {
			h := e.Header
			h.Size = int64(len(e.content))
			if err := out.WriteHeader(&h); err != nil {
				return err
			}
			if _, err := io.WriteString(out, e.content); err != nil {
				return err
			}
		}
		return out.Close()
	}
}

type entry struct {
	tar.Header
	content string
}

func fileOf(name, content string, mode int64, owner int) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Uid: owner, Gid: owner}, content}
}

func folderOf(name string, mode int64, owner int) entry {
	return entry{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner}, ""}
}

// busybox is a program that is many, for images that bring nothing else.
func busybox(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		data, err := os.ReadFile(path)
		if err == nil && !strings.Contains(string(data[:min(len(data), 4096)]), "ld-linux") {
			return string(data)
		}
	}
	t.Skip("a busybox that stands alone (Debian's busybox-static) is not here")
	return ""
}

// ownRoots is a rig whose images are those of a store.
func ownRoots(t *testing.T) (*rig, *oci.Store) {
	t.Helper()
	dir := t.TempDir()
	store, err := oci.Open(filepath.Join(dir, "images"))
	must(t, err)
	return newRig(t, func(c *Config) { c.Images = rootfs.NewImages(nil, store) }), store
}

// boxImage is an image with a shell and some of everything.
func boxImage(t *testing.T, store *oci.Store, name string, c ocispec.ImageConfig, more ...entry) {
	t.Helper()
	box := busybox(t)
	var config ocispec.Image
	config.OS, config.Architecture, config.Config = "linux", runtime.GOARCH, c
	base := []entry{
		folderOf("bin", 0o755, 0), fileOf("bin/busybox", box, 0o755, 0), folderOf("etc", 0o755, 0), folderOf("tmp", 0o1777, 0),
		fileOf("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:0:0:ada:/srv/ada:/bin/sh\n", 0o644, 0),
		fileOf("etc/removed", "x", 0o644, 0),
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "etc/resolv.conf", Linkname: "../run/resolv/conf"}, ""},
	}
	for _, tool := range strings.Fields("sh cat ls echo id stat sleep touch mount env mkdir test") {
		base = append(base, entry{tar.Header{Typeflag: tar.TypeLink, Name: "bin/" + tool, Linkname: "bin/busybox"}, ""})
	}
	_, err := store.Make(name, config, layerOf(t, base...), layerOf(t, slices.Concat([]entry{
		fileOf("etc/.wh.removed", "", 0o644, 0), folderOf("srv", 0o755, 0), folderOf("data", 0o777, 0), fileOf("data/seed", "seed\n", 0o644, 0),
	}, more)...))
	must(t, err)
}

// A container of an image has the image's root and nothing of this machine's.
func TestOwnRoot(t *testing.T) {
	r, store := ownRoots(t)
	boxImage(t, store, "ada/box", ocispec.ImageConfig{
		Env: []string{"PATH=/bin", "GREETING=hello"}, Entrypoint: []string{"/bin/sh", "-c"}, Cmd: []string{"echo $GREETING; pwd"},
		WorkingDir: "/srv/work", Volumes: map[string]struct{}{"/data": {}},
	})
	box := func(script string, change ...func(*runtimeapi.ContainerConfig)) *runtimeapi.ContainerConfig {
		return shell(script, append([]func(*runtimeapi.ContainerConfig){func(c *runtimeapi.ContainerConfig) { c.Image.Image = "ada/box" }}, change...)...)
	}
	own := func(c *runtimeapi.ContainerConfig) { c.Command = nil }
	readOnly := func(c *runtimeapi.ContainerConfig) { c.Linux.SecurityContext.ReadonlyRootfs = true }
	pod := r.pod(func(c *runtimeapi.PodSandboxConfig) {
		c.DnsConfig = &runtimeapi.DNSConfig{Servers: []string{"10.0.0.1"}}
	})
	for name, c := range map[string]struct {
		why    string
		config *runtimeapi.ContainerConfig
		want   string
	}{
		"Command":   {why: "The image says what runs, with which variables and where.", config: box("", own), want: "hello\n/srv/work\n"},
		"Args":      {why: "The pod's arguments take the place of the image's command.", config: box("", own, func(c *runtimeapi.ContainerConfig) { c.Args = []string{"echo args"} }), want: "args\n"},
		"Root":      {why: "The image's folders are there, and those that the kernel shows; nothing of the machine.", config: box("ls /; ls /etc"), want: "bin\ndata\ndev\netc\nproc\nrun\nsrv\nsys\ntmp\nhostname\npasswd\nresolv.conf\n"},
		"Whiteout":  {why: "What a layer removed is not there.", config: box("cat /etc/removed 2>/dev/null || echo gone"), want: "gone\n"},
		"Write":     {why: "It can be written to.", config: box("echo x > /etc/new && echo y > /data/seed && cat /etc/new /data/seed"), want: "x\ny\n"},
		"Resolv":    {why: "A link that leads nowhere is no hindrance.", config: box("cat /etc/resolv.conf"), want: "nameserver 10.0.0.1\n"},
		"ReadOnly":  {why: "Or not, if the pod says so.", config: box("touch /etc/x 2>/dev/null || echo read-only", readOnly), want: "read-only\n"},
		"Volumes":   {why: "But the image's volumes can, and have what it put there.", config: box("cat /data/seed && echo z > /data/new && cat /data/new", readOnly), want: "seed\nz\n"},
		"Home":      {why: "The home is the image's word.", config: box("echo $HOME"), want: "/root\n"},
		"NoDevices": {why: "What is made with mknod cannot be used.", config: box("/bin/busybox mknod /disk b 254 0 2>/dev/null && cat /disk >/dev/null 2>&1 || echo no"), want: "no\n"},
		"NoMachine": {why: "weir's folders are out of reach.", config: box("cat /proc/mounts | /bin/busybox grep -c " + r.dir + "; ls -d " + r.dir + " 2>/dev/null || echo none"), want: "0\nnone\n"},
		"Fresh":     {why: "What one container wrote another does not see.", config: box("ls /etc/new 2>/dev/null || echo fresh; cat /data/seed"), want: "fresh\nseed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.LogPath = name + ".log"
			status, out := r.run(pod, c.config)
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Errorf("%s (-want +got)\n%s\n%s", c.why, diff, status.GetMessage())
			}
		})
	}
}

// The users and groups of an image are those of its own files.
func TestUsersOfImages(t *testing.T) {
	if os.Getenv(unprivileged) != "" {
		t.Skip("there is one user")
	}
	r, store := ownRoots(t)
	boxImage(t, store, "ada/users", ocispec.ImageConfig{User: "ada", Env: []string{"PATH=/bin"}},
		fileOf("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nada:x:1234:2345:ada:/srv/ada:/bin/sh\n", 0o644, 0),
		fileOf("etc/group", "root:x:0:\nada:x:2345:\nteam:x:3456:bob,ada\n", 0o644, 0),
		fileOf("srv/hers", "hers", 0o600, 1234), fileOf("srv/theirs", "theirs", 0o640, 99),
	)
	pod := r.pod()
	users := func(script string, change ...func(*runtimeapi.ContainerConfig)) *runtimeapi.ContainerConfig {
		return shell(script, append([]func(*runtimeapi.ContainerConfig){func(c *runtimeapi.ContainerConfig) { c.Image.Image = "ada/users" }}, change...)...)
	}
	for name, c := range map[string]struct {
		why    string
		config *runtimeapi.ContainerConfig
		want   string
	}{
		"Image": {why: "The image's user, with the group, groups and home of its account.", config: users("id -u; id -g; id -G; echo $HOME; cat /srv/hers; cat /srv/theirs 2>/dev/null || echo no"), want: "1234\n2345\n2345 3456\n/srv/ada\nhersno\n"},
		"Strict": {why: "Without the account's groups, if the pod says so.", config: users("id -G", func(c *runtimeapi.ContainerConfig) {
			c.Linux.SecurityContext.SupplementalGroupsPolicy = runtimeapi.SupplementalGroupsPolicy_Strict
		}), want: "2345\n"},
		"Pod": {why: "The pod's user replaces it.", config: users("id -u; id -g; echo $HOME", func(c *runtimeapi.ContainerConfig) {
			c.Linux.SecurityContext.RunAsUser = &runtimeapi.Int64Value{Value: 77}
		}), want: "77\n0\n/\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.LogPath = name + ".log"
			status, out := r.run(pod, c.config)
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Errorf("%s (-want +got)\n%s\n%s", c.why, diff, status.GetMessage())
			}
		})
	}
	_, err := r.CreateContainer(t.Context(), pod, users("true", func(c *runtimeapi.ContainerConfig) {
		c.Linux.SecurityContext.RunAsUsername = "eve"
	}), nil)
	if err == nil || !strings.Contains(err.Error(), `user "eve"`) {
		t.Errorf("a user whom the image does not know: %v", err)
	}
}

func TestStopSignalOfImages(t *testing.T) {
	for image, want := range map[string]runtimeapi.Signal{
		"": runtimeapi.Signal_SIGNAL_SIGTERM, "SIGQUIT": runtimeapi.Signal_SIGNAL_SIGQUIT, "quit": runtimeapi.Signal_SIGNAL_SIGQUIT, "3": runtimeapi.Signal_SIGNAL_SIGQUIT,
		"SIGRTMIN+3": runtimeapi.Signal_SIGNAL_SIGRTMINPLUS3, "nonsense": runtimeapi.Signal_SIGNAL_SIGTERM,
	} {
		i := &instance{config: &runtimeapi.ContainerConfig{}, imageSignal: image}
		if got := i.stopSignal(); got != want {
			t.Errorf("%q: %s, want %s", image, got, want)
		}
	}
	i := &instance{config: &runtimeapi.ContainerConfig{StopSignal: runtimeapi.Signal_SIGNAL_SIGUSR1}, imageSignal: "SIGQUIT"}
	if got := i.stopSignal(); got != runtimeapi.Signal_SIGNAL_SIGUSR1 {
		t.Errorf("the pod's own is %s", got)
	}
}

// An image of more layers than a kernel before 6.5 takes in one line, and a volume of it.
func TestManyLayers(t *testing.T) {
	r, store := ownRoots(t)
	box := busybox(t)
	layers := []oci.Layer{layerOf(t, folderOf("bin", 0o755, 0), fileOf("bin/sh", box, 0o755, 0))}
	var names []string
	for i := range 60 {
		name := "n" + string(rune('A'+i))
		names = append(names, name)
		layers = append(layers, layerOf(t, folderOf("all", 0o755, 0), fileOf("all/"+name, "", 0o644, 0), fileOf("last", name, 0o644, 0)))
	}
	var config ocispec.Image
	config.OS, config.Architecture = "linux", runtime.GOARCH
	_, err := store.Make("ada/many", config, layers...)
	must(t, err)
	want := "n" + string(rune('A'+59)) + strings.Join(names, " ") + " " + strings.Join(names, " ") + "\n"
	_, out := r.run(r.pod(), shell("read l < /last; cd /all; a=$(echo *); cd /volume; echo $l$a $(echo *)", func(c *runtimeapi.ContainerConfig) {
		c.Image.Image = "ada/many"
		c.Mounts = []*runtimeapi.Mount{{ContainerPath: "/volume", Image: &runtimeapi.ImageSpec{Image: "ada/many"}, ImageSubPath: "all"}}
	}))
	if out != want {
		t.Errorf("output\n%s\nwant\n%s", out, want)
	}
}
