package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kubernetes/test/utils/image"
)

// programs is a folder of programs that stand for those that are built.
func programs(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"busybox", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("this machine has no %s", program)
		}
	}
	bin := t.TempDir()
	for _, name := range []string{"agnhost", "nnp", "etcd", "sample-apiserver"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// notMade are the images that the suite names and no conformance spec wants, and why
// nothing stands for them; docs/conformance.md says it to people.
var notMade = map[string]string{
	"invalid.registry.k8s.io/*":                         "it is the one that cannot be had",
	"registry.k8s.io/build-image/distroless-iptables:*": "it looks at kube-proxy's iptables, and weir has neither",
	"registry.k8s.io/cloud-provider-gcp/*":              "drivers of volumes: weir has no CSI",
	"registry.k8s.io/sig-storage/*":                     "drivers of volumes: weir has no CSI",
	"*/volume/*":                                        "servers of NFS and iSCSI, which the kernel would have to mount",
	"*/apparmor-loader:*":                               "it loads profiles into the kernel's AppArmor, which weir does not use",
	"*/node-perf/*":                                     "of the node's own suite, which brings a kubelet",
	"*/sample-device-plugin:*":                          "of the node's own suite, which brings a kubelet",
	"*/regression-issue-74839:*":                        "its spec wants two nodes",
	"*/resource-consumer:*":                             "for autoscaling under load, which no conformance spec tries; it wants the program stress",
}

// Every image that the suite names is made, or it is said why not.
func TestEveryImage(t *testing.T) {
	recipes, err := Make(programs(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, r := range recipes {
		made = append(made, r.Image)
	}
	used := map[string]bool{}
	for _, config := range image.GetOriginalImageConfigs() {
		name := config.GetE2EImage()
		is := slices.ContainsFunc(made, func(glob string) bool { return means(glob, name) })
		for glob := range notMade {
			if !is && means(glob, name) {
				is, used[glob] = true, true
			}
		}
		if !is {
			t.Errorf("nothing stands for %s, and it is not said why", name)
		}
	}
	for glob := range notMade {
		if !used[glob] {
			t.Errorf("%s is said not to be made, and the suite names no such image that is not", glob)
		}
	}
}

// means says whether a name is one of a glob, in which * stands for any text.
func means(glob, name string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$").MatchString(name)
}

// The images can be made while containers run from them: what is right stays the
// same file, and what is not is replaced.
func TestImagesAreMadeOnce(t *testing.T) {
	bin, dir := programs(t), t.TempDir()
	first, err := Make(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	stays, changes := filepath.Join(dir, "agnhost/files/localhost.crt"), filepath.Join(dir, "kitten/files/data.json")
	before, err := os.Stat(stays)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changes, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}

	second, err := Make(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("recipes (-first +second):\n%s", diff)
	}
	if after, err := os.Stat(stays); err != nil || !os.SameFile(before, after) {
		t.Errorf("%s was made anew", stays)
	}
	if got, _ := os.ReadFile(changes); string(got) != "{\n  \"image\": \"kitten.jpg\"\n}\n" {
		t.Errorf("%s: %q", changes, got)
	}
	for _, name := range []string{"agnhost/files/agnhost-2", "busybox/files/usr/bin/sh", "nonewprivs/files/usr/local/bin/nnp"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
