package cri

import (
	"archive/tar"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/cluster/cgroup"
	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/rootfs"
	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/registry"
)

// ownNetwork is set in the run of the tests that TestCritest makes.
const ownNetwork = "WEIR_TEST_OWN_NETWORK"

// critestFails are critest's specs that do not pass, by the beginnings of their names.
var critestFails = map[string]string{
	"Image Manager public image with digest":                            "the bytes of this digest are upstream's, and an image that is made here has another",
	"Image Manager image status should support all kinds of references": "the status of a name has that name alone, so that a pod that starts need not wait until all images are read; lists have all names",
	"Container runtime should support adding volume and device runtime should support starting container with volume when host path is a symlink": "a link with a whole path leads out of the folder that is shared, and is refused",
	"Container Mount Readonly runtime should support readonly mounts should support non-recursive readonly mounts":                                "what is read-only is so with all that is mounted below it",
	"Security Context bucket runtime should support MaskedPaths":                                                                                  "the shell of Debian's busybox has an ls of its own; TestSecurityContext looks at what is masked",
	"Security Context SeccompProfilePath should support seccomp localhost profile":                                                                "weir filters by its own profile only, and says so",
	"Security Context SeccompProfilePath runtime should support an seccomp profile that blocks setting hostname":                                  "weir filters by its own profile only, and says so",
	"Security Context SeccompProfilePath runtime should ignore a seccomp profile that blocks setting hostname when privileged":                    "weir filters by its own profile only, and says so",
}

// critest, Kubernetes's own suite for container runtimes, finds what it asks for, with
// images that are made here in place of those that it names.
func TestCritest(t *testing.T) {
	program := os.Getenv("WEIR_CRITEST")
	if program == "" {
		t.Skip("make conformance-cri builds critest, and runs this")
	}
	if os.Getenv(ownNetwork) == "" { // pods' addresses would be the machine's
		cmd := exec.CommandContext(t.Context(), "unshare", "--net", os.Args[0], "-test.run=^TestCritest$", "-test.v", "-test.timeout=30m")
		cmd.Env = append(os.Environ(), ownNetwork+"=yes")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		} else {
			t.Logf("%s", out)
		}
		return
	}
	dir := t.TempDir()
	pods, err := network.Start(t.Context(), network.Config{PodCIDR: netip.MustParsePrefix("10.244.0.0/16")})
	must(t, err)
	groups, err := cgroup.Open()
	must(t, err)
	defer groups.Close()
	store, err := oci.Open(filepath.Join(dir, "images"))
	must(t, err)
	images := mirrored{ImageStore: rootfs.NewImages(nil, store), client: critestRegistries(t)}
	r := newRig(t, func(c *Config) {
		c.Network, c.HostIP, c.Cgroups, c.Images = pods, pods.Gateway(), groups, images
		c.Shared = []Share{{Path: dir}}
	})
	socket := filepath.Join(dir, "cri.sock")
	serve(t, socket, r.Runtime, NewImages(ImagesConfig{Store: images, Dir: dir}))

	report := filepath.Join(dir, "report.json")
	cmd := exec.CommandContext(t.Context(), program, "-runtime-endpoint=unix://"+socket, "-image-endpoint=unix://"+socket,
		"-ginkgo.focus="+os.Getenv("FOCUS"), "-ginkgo.no-color", "-ginkgo.json-report="+report)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, ended := cmd.CombinedOutput()
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v, %v\n%s", ended, err, out)
	}
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts    []string
			LeafNodeText, State        string
			LeafNodeType               string
			Failure                    struct{ Message string }
			CapturedGinkgoWriterOutput string
		}
	}
	must(t, json.Unmarshal(data, &suites))
	count := map[string]int{}
	for _, s := range suites[0].SpecReports {
		if s.LeafNodeType != "It" {
			continue
		}
		name := strings.TrimPrefix(strings.Join(append(s.ContainerHierarchyTexts, s.LeafNodeText), " "), "[k8s.io] ")
		why := ""
		for begin, reason := range critestFails {
			if strings.HasPrefix(name, begin) {
				why = reason
			}
		}
		count[s.State]++
		switch {
		case s.State == "skipped" && s.Failure.Message != "":
			t.Logf("skipped: %s: %s", name, s.Failure.Message)
		case s.State == "passed" && why != "":
			t.Errorf("%s passes, and is said to fail, since %s", name, why)
		case s.State != "passed" && s.State != "skipped" && why == "":
			t.Errorf("%s: %s: %s\n%s", s.State, name, s.Failure.Message, s.CapturedGinkgoWriterOutput)
		}
	}
	t.Logf("specs: %v", count)
	if count["passed"] == 0 {
		t.Errorf("nothing passed:\n%s", out)
	}
}

// A mirrored store pulls by a client that finds registries where it likes.
type mirrored struct {
	ImageStore
	client *http.Client
}

func (m mirrored) Pull(ctx context.Context, ref string, from oci.Remote, progress func(string)) (*rootfs.Image, error) {
	from.Client = m.client
	return m.ImageStore.Pull(ctx, ref, from, progress)
}

// critestRegistries are the registries that critest names, with images that busybox is
// most of.
func critestRegistries(t *testing.T) *http.Client {
	t.Helper()
	far, err := oci.Open(t.TempDir())
	must(t, err)
	const suite, own = "registry.k8s.io/e2e-test-images/", "gcr.io/k8s-staging-cri-tools/"
	serves := func(port string) []string {
		return []string{"/bin/nginx", "nginx: master process", port}
	}
	user := func(name string) ocispec.ImageConfig { return ocispec.ImageConfig{User: name} }
	for name, config := range map[string]ocispec.ImageConfig{
		suite + "busybox:1.29-2":                {Cmd: []string{"sh"}},
		suite + "nginx:1.14-2":                  {Cmd: serves("80")},
		suite + "httpd:2.4.39-4":                {Cmd: serves("80")},
		suite + "nonewprivs:1.3":                {Cmd: []string{"/nnp"}},
		own + "hostnet-nginx-" + runtime.GOARCH: {Cmd: serves("12003")},
		own + "test-image-latest":               {},
		own + "test-image-tag:test":             {},
		own + "test-image-tag:all":              {},
		own + "test-image-1":                    {},
		own + "test-image-2":                    {},
		own + "test-image-3":                    {},
		own + "test-image-tags:1":               {},
		own + "test-image-user-uid":             user("1002"),
		own + "test-image-user-username":        user("www-data"),
		own + "test-image-user-uid-group":       user("1003:1004"),
		own + "test-image-user-username-group":  user("www-data:1004"),
		own + "test-image-predefined-group":     user("1000"),
		"registry.k8s.io/pause:3.9":             {Cmd: []string{"sleep", "infinity"}},
	} {
		if config.Cmd == nil {
			config.Cmd = []string{"sh"}
		}
		config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
		critestImage(t, far, name, config)
	}
	must(t, far.Tag("registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9"))
	for _, tag := range []string{"2", "3"} {
		must(t, far.Tag(own+"test-image-tags:1", own+"test-image-tags:"+tag))
	}

	hosts := map[string]http.Handler{}
	for _, host := range []string{"registry.k8s.io", "k8s.gcr.io", "gcr.io"} {
		hosts[host] = registry.Handler(far.Host(host))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts[r.Host].ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	must(t, err)
	return &http.Client{Transport: towards{at}}
}

// towards sends all requests to one server, which is told whom they are for.
type towards struct{ server *url.URL }

func (to towards) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.URL.Scheme, r.URL.Host = r.URL.Host, to.server.Scheme, to.server.Host
	return http.DefaultTransport.RoundTrip(r)
}

// critestImage is an image with all of busybox, and with what its specs look for.
func critestImage(t *testing.T, store *oci.Store, name string, config ocispec.ImageConfig) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "busybox", "--list").Output()
	must(t, err)
	entries := []entry{
		fileOf("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\ndefault-user:x:1000:1000::/home/default-user:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n", 0o644, 0),
		fileOf("etc/group", "root:x:0:\nwww-data:x:33:\ndefault-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\nnobody:x:65534:\n", 0o644, 0),
		fileOf("etc/name", name, 0o644, 0),
		folderOf("var", 0o755, 0), folderOf("var/run", 0o755, 0), folderOf("www", 0o755, 0),
		fileOf("www/index.html", "Welcome to nginx!\n", 0o644, 0),
		fileOf("bin/nginx", "#!/bin/sh\necho $$ > /var/run/nginx.pid\necho httpd serves\nhttpd -f -p $2 -h /www\n", 0o755, 0),
	}
	for tool, script := range map[string]string{"pgrep": "exec pidof $1", "ipcs": "exec cat /proc/sysvipc/shm"} { // Debian's busybox has neither.
		entries = append(entries, fileOf("bin/"+tool, "#!/bin/sh\n"+script+"\n", 0o755, 0))
	}
	if strings.Contains(name, "nonewprivs") {
		nnp, err := os.ReadFile(os.Getenv("WEIR_NNP"))
		must(t, err)
		entries = append(entries, fileOf("nnp", string(nnp), 0o6755, 0))
	}
	has := strings.Fields("busybox sh cat ls echo id stat sleep touch mount env mkdir test")
	for _, tool := range strings.Fields(string(list)) {
		if !strings.Contains(" "+strings.Join(has, " ")+" ", " "+tool+" ") {
			entries = append(entries, entry{tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + tool, Linkname: "busybox"}, ""})
		}
	}
	boxImage(t, store, name, config, entries...)
}
