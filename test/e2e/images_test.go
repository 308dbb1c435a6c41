package e2e_test

import (
	"archive/tar"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/weir-ml/weir/kit/oci"
	"github.com/weir-ml/weir/kit/registry"
)

// An imageFile is a file in an image that a test makes; one whose name ends with /
// is a folder.
type imageFile struct {
	name, content string
	owner         int
}

func imageLayer(files ...imageFile) oci.Layer {
	return func(w io.Writer) error {
		out := tar.NewWriter(w)
		for _, f := range files {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(f.content)), Mode: 0o755, Uid: f.owner, Gid: f.owner}
			if strings.HasSuffix(f.name, "/") {
				h.Typeflag = tar.TypeDir
			}
			if err := out.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.WriteString(out, f.content); err != nil {
				return err
			}
		}
		return out.Close()
	}
}

// boxArchive is an archive of an image with a shell, and two layers of which one
// hides some of the other. It greets.
func boxArchive(t *testing.T, name string) string {
	t.Helper()
	return boxArchiveWith(t, name, "GREETING=hello")
}

// boxArchiveWith is boxArchive's with a variable of one's own.
func boxArchiveWith(t *testing.T, name, variable string) string {
	t.Helper()
	var box []byte
	for _, path := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		if data, err := os.ReadFile(path); err == nil {
			box = data
		}
	}
	if box == nil {
		t.Skip("busybox (Debian's busybox-static) is not on this machine")
	}
	config := ocispec.ImageConfig{
		Entrypoint: []string{"/bin/sh", "-c"}, Cmd: []string{"echo $GREETING from $(pwd); ls /data; sleep 1000"},
		Env: []string{"PATH=/bin", variable}, WorkingDir: "/work", Volumes: map[string]struct{}{"/data": {}},
	}
	tools := []imageFile{{name: "bin/"}, {name: "bin/busybox", content: string(box)}, {name: "bin/sh", content: string(box)}, {name: "data/"}, {name: "data/old"}, {name: "data/theirs", owner: 1000}}
	for _, tool := range []string{"ls", "sleep", "cat", "id"} {
		tools = append(tools, imageFile{name: "bin/" + tool, content: "#!/bin/sh\nexec /bin/busybox " + tool + ` "$@"` + "\n"})
	}
	return archiveOf(t, name, config, imageLayer(tools...), imageLayer(imageFile{name: "data/.wh.old"}, imageFile{name: "data/new"}))
}

// archiveOf is an archive of an image of layers for this machine.
func archiveOf(t *testing.T, name string, config ocispec.ImageConfig, layers ...oci.Layer) string {
	t.Helper()
	store, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	image := ocispec.Image{Config: config}
	image.OS, image.Architecture = "linux", runtime.GOARCH
	if _, err := store.Make(name, image, layers...); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Save(f, name); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return archive
}

// runsImage runs a pod of an image that is in weir's folder, and nowhere else. Its root is
// read-only, but for the image's volume, which has what the image put there.
func (s *story) runsImage(name string) {
	s.Helper()
	s.apply(strings.Replace(pod("it", "imagePullPolicy: Never", "securityContext: {readOnlyRootFilesystem: true}"), "python:3.11", name, 1))
	s.runs("it")
	s.eventually(time.Minute, "it greets", func() (bool, string) {
		out := s.kubectl("logs", "it")
		return out == "hello from /work\nnew\ntheirs\n", out
	})
	if out := s.exec("it", "ls /"); strings.Contains(out, "usr") {
		s.Errorf("the pod sees this machine's folders: %s", out)
	}
	if out := s.exec("it", "echo mine > /data/mine; cat /data/mine; echo x 2>/dev/null > /work/x || echo refused"); out != "mine\nrefused\n" {
		s.Errorf("the pod writes to its volume and to the root: %q", out)
	}
}

// An image that was loaded from a file runs, and is gone when it was removed.
func TestLoadedImage(t *testing.T) {
	s := begin(t)
	archive := boxArchive(t, "ada/box:v1")
	if out := s.weir.must(t, "image", "load", archive); out != "loaded ada/box:v1\n" {
		t.Errorf("weir image load: %s", out)
	}
	s.weir.must(t, "image", "tag", "ada/box:v1", "weir.local/ada/box:v2")
	s.runsImage("weir.local/ada/box:v2")
	list := s.weir.must(t, "image", "list")
	for _, name := range []string{"ada/box:v1", "weir.local/ada/box:v2"} {
		if !strings.Contains(list, name) {
			t.Errorf("weir image list does not name %s:\n%s", name, list)
		}
	}
	s.weir.must(t, "image", "remove", "ada/box:v1", "weir.local/ada/box:v2")
	if out := s.exec("it", "cat /data/new && echo still there"); out != "still there\n" {
		t.Errorf("a pod that runs lost its image: %s", out)
	}
	s.apply(strings.Replace(pod("next", "imagePullPolicy: Never"), "python:3.11", "ada/box:v1", 1))
	s.eventually(time.Minute, "the image is gone", func() (bool, string) {
		out := s.kubectl("get", "pod", "next", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		return out == "ErrImageNeverPull", out
	})
}

// A file that is no image says so, and which file.
func TestLoadOfSomethingElse(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "letter.tar")
	write(t, file, strings.Repeat("to whom it concerns\n", 100))
	a := shared.ask(t, "", "image", "load", file)
	if a.code == 0 || !strings.Contains(a.err, file) || !strings.Contains(a.err, "not an archive of images") {
		t.Errorf("exit code %d: %s%s", a.code, a.out, a.err)
	}
	a = shared.ask(t, "", "image", "load", file+".gone")
	if a.code == 0 || !strings.Contains(a.err, file+".gone: no such file") {
		t.Errorf("exit code %d: %s%s", a.code, a.out, a.err)
	}
}

// It all holds for a user without rights, in a user namespace.
func TestLoadedImageWithoutRights(t *testing.T) {
	t.Parallel()
	archive := boxArchive(t, "ada/box:v1")
	w := withoutRights(t)
	w.starts(t)
	if kind := w.is(t).Namespaces; kind != "user" {
		t.Skipf("this machine gives users no namespaces of their own, but %q", kind)
	}
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if a := w.ask(t, string(data), "image", "load", "-"); a.code != 0 {
		t.Fatalf("weir image load: %s%s", a.out, a.err)
	}
	w.story(t).runsImage("ada/box:v1")
}

// Images are pushed to the front door and pulled from it with a token of the
// cluster, as far as its roles say, and run under the name that they were pushed as.
func TestRegistry(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		t.Skip("skopeo (a Debian package) is not on this machine")
	}
	s := begin(t)
	archive := boxArchive(t, "ada/box:v1")
	front := strings.TrimPrefix(s.weir.is(t).Front.URL, "http://")
	image := strings.Replace(front, "127.0.0.1", "localhost", 1) + "/" + s.namespace + "/box:v1"
	ask := func(token string, args ...string) (string, error) {
		home := t.TempDir()
		c := exec.CommandContext(t.Context(), skopeo, append([]string{"--insecure-policy", "--tmpdir", home}, args...)...)
		c.Env = append(os.Environ(), "HOME="+home, "REGISTRY_AUTH_FILE="+filepath.Join(home, "auth.json"))
		if token != "" {
			login := exec.CommandContext(t.Context(), skopeo, "login", "--tls-verify=false", "--username=any", "--password-stdin", strings.Split(image, "/")[0])
			login.Env, login.Stdin = c.Env, strings.NewReader(token)
			if out, err := login.CombinedOutput(); err != nil {
				return string(out), err
			}
		}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	push := []string{"copy", "--dest-tls-verify=false", "oci-archive:" + archive, "docker://" + image}
	pull := []string{"inspect", "--tls-verify=false", "docker://" + image}
	if out, err := ask("", push...); err == nil || !strings.Contains(out, "sign in") {
		t.Errorf("nobody pushes: %v %s", err, out)
	}
	if out, err := ask("not-a-token", push...); err == nil {
		t.Errorf("somebody without a token pushes: %s", out)
	}
	account := strings.TrimSpace(s.kubectl("create", "token", "default"))
	if out, err := ask(account, push...); err == nil || !refused(out) {
		t.Errorf("an account without rights pushes: %v %s", err, out)
	}
	s.kubectl("create", "rolebinding", "edits", "--clusterrole=edit", "--serviceaccount="+s.namespace+":default")
	s.eventually(time.Minute, "an account that may edit pushes", func() (bool, string) {
		out, err := ask(account, push...)
		return err == nil, out
	})
	if out, err := ask(account, pull...); err != nil {
		t.Errorf("and pulls: %v %s", err, out)
	}
	elsewhere := strings.Replace(image, "/"+s.namespace+"/", "/default/", 1)
	if out, err := ask(account, "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+image, "docker://"+elsewhere); err == nil || !refused(out) {
		t.Errorf("but not to another namespace: %v %s", err, out)
	}
	s.runsImage(image)
	s.weir.must(t, "image", "remove", "weir.local/"+s.namespace+"/box:v1")
	if out, err := ask(account, pull...); err == nil {
		t.Errorf("a removed image is pulled: %s", out)
	}
	s.kubectl("create", "quota", "images", "--hard=images.weir-ml.github.io/storage=1k")
	s.eventually(time.Minute, "a namespace that has its share is refused more", func() (bool, string) {
		out, err := ask(account, push...)
		return err != nil && strings.Contains(out, "namespace "+s.namespace+" may have 1.0 kB of images"), out
	})
	s.eventually(2*time.Minute, "what nobody needs goes, once nobody else puts images in", func() (bool, string) {
		a := s.weir.ask(t, "", "image", "prune")
		return a.code == 0 && strings.Contains(a.out, "are free again"), a.out + a.err
	})
}

// refused says whether a client was told that somebody may not do something. An
// answer to HEAD has no words.
func refused(out string) bool {
	return strings.Contains(out, "may not") || strings.Contains(out, "403") || strings.Contains(out, "denied")
}

// serves serves at an address of this machine that is not its loopback's, until the
// test ends or stop is called.
func serves(t *testing.T, handler http.Handler) (host string, stop func()) {
	t.Helper()
	route, err := net.Dial("udp4", "192.0.2.1:9") // nothing is sent
	if err != nil {
		t.Skip("this machine has no address but its loopback's:", err)
	}
	address := route.LocalAddr().(*net.UDPAddr).IP.String()
	route.Close()
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp4", address+":0"); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), server.Close
}

// loads puts an archive into a store.
func loads(t *testing.T, store *oci.Store, archive string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := store.Load(t.Context(), file, ""); err != nil {
		t.Fatal(err)
	}
}

// A pod's image is pulled from its registry with the pod's secret, and what is done
// shows as events.
func TestPulledImage(t *testing.T) {
	t.Parallel()
	far, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	loads(t, far, boxArchive(t, "far.example/ada/box:v1"))
	handler := registry.Handler(far.Host("far.example"))
	host, _ := serves(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "ada" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			registry.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "who are you?")
			return
		}
		handler.ServeHTTP(w, r)
	}))

	w := newWeir(t)
	write(t, filepath.Join(w.dir, "weir.yaml"), "registries:\n  plain: ["+host+"]\n")
	w.starts(t)
	s := w.story(t)
	image := host + "/ada/box:v1"
	manifest := strings.Replace(podWith("it", "imagePullSecrets: [{name: far}]"), "python:3.11", image, 1)
	s.apply(manifest)
	s.eventually(time.Minute, "it is explained that the registry wants a password", func() (bool, string) {
		a := s.ask(t, "", "explain", "pod/it", "-n", s.namespace)
		return a.code == 2 && strings.Contains(a.out, "imagePullSecrets"), a.out + a.err
	})
	s.kubectl("create", "secret", "docker-registry", "far", "--docker-server="+host, "--docker-username=ada", "--docker-password=secret")
	s.eventually(2*time.Minute, "it greets", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "logs", "it", "-n", s.namespace)
		return a.out == "hello from /work\nnew\ntheirs\n", a.out + a.err
	})
	events := s.kubectl("get", "events", "-o", "custom-columns=:.message")
	for _, want := range []string{"pulling 3 parts", "unpacking layer 1 of 2"} {
		if !strings.Contains(events, want) {
			t.Errorf("no event says %q:\n%s", want, events)
		}
	}
}

// imagePullPolicy decides whether a pod's image is asked for again: Always has what
// the registry has now and fails without it, the others take what is there.
func TestImagePullPolicy(t *testing.T) {
	t.Parallel()
	far, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	loads(t, far, boxArchive(t, "far.example/ada/box:v1"))
	var asked atomic.Int64
	handler := registry.Handler(far.Host("far.example"))
	host, stop := serves(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handler.ServeHTTP(w, r)
	}))
	w := newWeir(t)
	write(t, filepath.Join(w.dir, "weir.yaml"), "registries:\n  plain: ["+host+"]\n")
	w.starts(t)
	s := w.story(t)
	create := func(name, policy string) {
		t.Helper()
		s.apply(strings.Replace(pod(name, "imagePullPolicy: "+policy), "python:3.11", host+"/ada/box:v1", 1))
	}
	waits := func(name string, reasons ...string) {
		t.Helper()
		s.eventually(2*time.Minute, name+" has no image", func() (bool, string) {
			out := s.kubectl("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
			return slices.Contains(reasons, out), out
		})
	}
	imageOf := func(name string) string {
		t.Helper()
		s.runs(name)
		return s.kubectl("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].imageID}")
	}

	create("never-before", "Never")
	waits("never-before", "ErrImageNeverPull")
	if n := asked.Load(); n != 0 {
		t.Errorf("for Never the registry was asked %d times", n)
	}
	create("first", "IfNotPresent")
	first := imageOf("first")
	pulled := asked.Load()
	create("second", "IfNotPresent")
	create("never", "Never")
	for _, name := range []string{"second", "never"} {
		if image := imageOf(name); image != first {
			t.Errorf("%s runs %s, want %s", name, image, first)
		}
	}
	if n := asked.Load(); n != pulled {
		t.Errorf("for what is there the registry was asked %d times", n-pulled)
	}

	loads(t, far, boxArchiveWith(t, "far.example/ada/box:v1", "GREETING=good day"))
	create("third", "Always")
	if image := imageOf("third"); image == first {
		t.Errorf("Always runs the image that was there, %s", image)
	}
	stop()
	create("last", "Always")
	waits("last", "ErrImagePull", "ImagePullBackOff")
	create("present", "IfNotPresent")
	imageOf("present")
}

// When the disk is fuller than weir.yaml allows, the kubelet of a whole weir removes what
// can be had again and what no container is made of. It looks every five minutes.
func TestImagesAreCollected(t *testing.T) {
	if os.Getenv("WEIR_E2E_FULL") == "" {
		t.Skip("it waits for the kubelet for five minutes: make e2e-full runs it")
	}
	t.Parallel()
	far, err := oci.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.Handler(far.Host("far.example")))
	defer server.Close()
	w := newWeir(t)
	write(t, filepath.Join(w.dir, "weir.yaml"), "images: {gcHighThresholdPercent: 2, gcLowThresholdPercent: 1}\n")
	idle, used := strings.TrimPrefix(server.URL, "http://")+"/ada/idle:v1", strings.TrimPrefix(server.URL, "http://")+"/ada/used:v1"
	for name, image := range map[string]string{"idle": idle, "used": used} {
		loads(t, far, boxArchiveWith(t, "far.example/ada/"+name+":v1", "GREETING="+name))
		w.must(t, "image", "pull", image)
	}
	w.must(t, "image", "load", boxArchive(t, "ada/loaded:v1"))
	w.starts(t)
	s := w.story(t)
	s.apply(strings.Replace(pod("it", "imagePullPolicy: Never"), "python:3.11", used, 1))
	s.runs("it")
	s.eventually(7*time.Minute, "the image that nobody uses is gone", func() (bool, string) {
		list := w.must(t, "image", "list")
		return !strings.Contains(list, idle), list
	})
	list := w.must(t, "image", "list")
	for _, name := range []string{used, "ada/loaded:v1"} {
		if !strings.Contains(list, name) {
			t.Errorf("%s is gone too:\n%s", name, list)
		}
	}
	if out := s.exec("it", "echo still there"); out != "still there\n" {
		t.Errorf("the pod says %q", out)
	}
}
