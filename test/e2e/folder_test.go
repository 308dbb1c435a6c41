package e2e_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// One weir runs on a folder. The second is told which process the first is.
func TestStartedTwice(t *testing.T) {
	t.Parallel()
	pid := strconv.Itoa(shared.is(t).PID)
	for name, args := range map[string][]string{"Detached": {"up", "--detach"}, "Foreground": {"up"}} {
		t.Run(name, func(t *testing.T) {
			a := shared.ask(t, "", args...)
			if a.code == 0 || !strings.Contains(a.err, "runs in "+shared.dir+" already, as process "+pid) || !strings.Contains(a.err, "weir down") {
				t.Errorf("exit code %d: %s%s", a.code, a.out, a.err)
			}
		})
	}
}

// Where others have the usual ports it takes the next free ones, and says which.
// It may run without some of its parts.
func TestPortsTaken(t *testing.T) {
	t.Parallel()
	stays := shared.is(t)
	for _, port := range []string{"6443", "9000"} {
		eventually(t, 2*time.Minute, "port "+port+" is taken by who keeps it", func() (bool, string) {
			if strings.HasSuffix(stays.Kubernetes.URL, ":"+port) || strings.HasSuffix(stays.S3.URL, ":"+port) {
				return true, ""
			}
			l, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				return false, err.Error() // The weir of another test has it, and may give it back.
			}
			t.Cleanup(func() { l.Close() })
			return true, ""
		})
	}
	w := newWeir(t)
	said := w.must(t, "up", "--detach", "--without", "controllers", "--without", "node")
	at := w.is(t)
	for _, want := range []string{at.Kubernetes.URL, at.S3.URL, "port 6443 is taken", "port 9000 is taken"} {
		if !strings.Contains(said, want) {
			t.Errorf("weir up does not say %s:\n%s", want, said)
		}
	}
	for url, usual := range map[string]string{at.Kubernetes.URL: ":6443", at.S3.URL: ":9000"} {
		if url == "" || strings.HasSuffix(url, usual) {
			t.Errorf("it listens at %q, though %s is taken", url, usual)
		}
	}
	status := w.must(t, "status")
	for _, want := range []string{at.Kubernetes.URL, at.S3.URL, strconv.Itoa(at.PID)} {
		if !strings.Contains(status, want) {
			t.Errorf("weir status does not say %s:\n%s", want, status)
		}
	}

	t.Run("Without", func(t *testing.T) {
		if got := w.kubectl(t, "get", "nodes", "-o", "name"); got != "" {
			t.Errorf("without a node there is %s", got)
		}
		if a := w.ask(t, "", "kubectl", "get", "tfjobs"); a.code == 0 || !strings.Contains(a.err, "the server doesn't have a resource type") {
			t.Errorf("without controllers, kubectl get tfjobs says %s%s", a.out, a.err)
		}
		if a := w.ask(t, "", "up", "--without", "everything"); a.code == 0 || !strings.Contains(a.err, "there is no such part; there are controllers, node, s3") {
			t.Errorf("weir up --without everything: %s%s", a.out, a.err)
		}
	})
}

// Nobody else reaches a weir unless it was told to listen to them. Then they
// need its certificate authority and its keys, for S3 too.
func TestOpenToTheNetwork(t *testing.T) {
	t.Parallel()
	address := ownAddress(t)
	if c, err := net.DialTimeout("tcp", net.JoinHostPort(address, portOf(t, shared.is(t).Kubernetes.URL)), 5*time.Second); err == nil {
		c.Close()
		t.Errorf("at %s a weir listens that was not told to", address)
	}
	w := newWeir(t)
	if a := w.ask(t, "", "up", "--listen", "0.0.0.0", "--without", "controllers,node"); a.code == 0 || !strings.Contains(a.err, "weir user password owner") {
		t.Errorf("a weir in which nobody has a password opens to others: %s%s", a.out, a.err)
	}
	w.starts(t, "--without", "controllers,node")
	if a := w.ask(t, "correct horse battery\n", "user", "password", "owner"); a.code != 0 {
		t.Fatalf("weir user password: %s", a.err)
	}
	w.stops(t)
	w.starts(t, "--listen", "0.0.0.0", "--without", "controllers,node")
	at := w.is(t)

	kubernetes := "https://" + net.JoinHostPort(address, portOf(t, at.Kubernetes.URL))
	if out := w.kubectl(t, "--server", kubernetes, "get", "namespaces", "-o", "name"); !strings.Contains(out, "namespace/default") {
		t.Errorf("kubectl --server %s get namespaces: %s", kubernetes, out)
	}
	if got := get(kubernetes + "/api"); !strings.Contains(got, "certificate") {
		t.Errorf("who does not know its certificate authority is told %q", got)
	}
	trusting := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // what an intruder would do
	response, err := trusting.Get(kubernetes + "/api/v1/secrets")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden && response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger who asks for secrets gets %s", response.Status)
	}

	front := net.JoinHostPort(address, portOf(t, at.Front.URL))
	said, err := trusting.Post("https://"+front+"/session", "application/json", strings.NewReader(`{"name":"owner","password":"correct horse battery"}`))
	if err != nil {
		t.Fatal(err)
	}
	said.Body.Close()
	if c := said.Cookies(); said.StatusCode != http.StatusCreated || len(c) != 1 || !c[0].Secure {
		t.Errorf("sign-in by a password gets %s and cookies %v, want one for TLS alone", said.Status, c)
	}
	plain, err := http.Post("http://"+front+"/session", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	plain.Body.Close()
	if plain.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a password without TLS is answered %s", plain.Status)
	}

	storage := net.JoinHostPort(address, portOf(t, at.S3.URL))
	if got := get("http://" + storage); strings.Contains(got, "<Error>") {
		t.Errorf("S3 answers without TLS: %q", got)
	}
	files := w.bucket(t, "over-tls")
	files.put("key", "hello")
	if got := files.get("key"); got != "hello" {
		t.Errorf("S3 over TLS: %q", got)
	}
}

// ownAddress is an address that others know this machine by.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but its loopback's")
	return ""
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// Each part of a weir says how it is, and one that is down says so in a sentence.
func TestHowPartsAre(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t)
	front := w.is(t).Front
	parts := func() map[string]string {
		var a struct {
			Parts []struct {
				Name, Message string
				Healthy       bool
			}
		}
		said := getWith(front.URL+"/weir/machine", front.Token)
		if err := json.Unmarshal([]byte(said), &a); err != nil {
			t.Fatalf("/weir/machine: %v: %s", err, said)
		}
		all := map[string]string{}
		for _, p := range a.Parts {
			if all[p.Name] = p.Message; p.Healthy != (p.Message == "") {
				t.Errorf("%s is healthy: %t, and says %q", p.Name, p.Healthy, p.Message)
			}
		}
		return all
	}
	want := map[string]string{}
	for _, name := range []string{
		"API server", "etcd", "controller manager", "scheduler", "kubelet", "node weir", "metrics", "DNS", "services", "way out of the machine",
		"S3", "controllers of jobs", "registry", "environments", "volumes",
	} {
		want[name] = ""
	}
	eventually(t, 2*time.Minute, "all parts are well", func() (bool, string) {
		d := cmp.Diff(want, parts())
		return d == "", d
	})

	replace := func(folder string) func() {
		return func() {
			at := filepath.Join(w.dir, folder)
			if err := errors.Join(os.RemoveAll(at), os.WriteFile(at, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for part, c := range map[string]struct {
		breaks func()
		want   string
	}{
		"metrics":      {func() { w.kubectl(t, "delete", "apiservice", "v1beta1.metrics.k8s.io") }, "It does not answer: "},
		"node weir":    {func() { w.kubectl(t, "cordon", "weir") }, "It takes no pods until somebody says: weir kubectl uncordon weir."},
		"registry":     {replace("images"), "Nothing can be kept in its folder " + filepath.Join(w.dir, "images") + ": "},
		"environments": {replace("environments"), "Nothing can be kept in its folder "},
		"volumes":      {replace("volumes"), "Nothing can be kept in its folder "},
		"S3":           {replace("s3"), ""},
	} {
		c.breaks()
		eventually(t, 2*time.Minute, part+" says why it is down", func() (bool, string) {
			said := parts()[part]
			return strings.HasPrefix(said, c.want) && strings.HasSuffix(said, "."), said
		})
	}
}

// The platform's controllers run beside any API server that a kubeconfig names.
func TestControllersBesideACluster(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t, "--without", "controllers,s3")
	c := w.controllers(t, "--report-host", ownAddress(t), "--report-bind-address", ":0")
	t.Cleanup(func() {
		if err := c.stop(t); err != nil {
			t.Errorf("weir controllers ended: %v", err)
		}
	})
	s := w.story(t)
	s.knowsJobs()
	if late, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", c.Process.Pid)); err == nil && string(late) != "5000000\n" {
		t.Errorf("its timers may be late by %s ns: it is woken more often than it needs", late)
	}
	s.apply(work("it", "", "echo done"))
	s.becomes("it", "Succeeded", 2*time.Minute)
	s.apply(helloJob)
	s.trained("hello", 2*time.Minute)
	s.reported("hello")
	s.apply(`{apiVersion: kubeflow.org/v2beta1, kind: MPIJob, metadata: {name: pi}, spec: {mpiReplicaSpecs: {Launcher: {template: {spec: {containers: [{name: mpi, image: "python:3.11"}]}}}}}}`)
	s.eventually(time.Minute, "an MPIJob is run as the version that it was written as, though nobody converts", func() (bool, string) {
		there := s.kubectl("get", "jobs.batch", "-o", "name")
		return strings.Contains(there, "job.batch/pi-launcher\n"), there
	})
}

// Of two copies of the controllers one works, and the other takes its place.
func TestOneOfTwoControllersWorks(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t, "--without", "controllers,s3")
	s := w.story(t)
	first := w.controllers(t, "--leader-elect")
	s.knowsJobs()
	s.apply(work("one", "", "echo done"))
	s.becomes("one", "Succeeded", 2*time.Minute)
	holder := func() string {
		return s.kubectl("get", "lease", "-n", "kube-system", "weir-controllers", "-o", "jsonpath={.spec.holderIdentity}")
	}
	led := holder()

	second := w.controllers(t, "--leader-elect")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.ended
	s.apply(work("two", "", "echo done"))
	s.becomes("two", "Succeeded", 2*time.Minute)
	if now := holder(); now == led || now == "" {
		t.Errorf("the lease was %q's, and after that one was killed it is %q's", led, now)
	}

	// One that is asked to end leaves its place at once; one that loses it ends.
	if err := second.stop(t); err != nil {
		t.Errorf("weir controllers ended: %v", err)
	}
	if now := holder(); now != "" {
		t.Errorf("after all have ended the lease is %q's", now)
	}
	third := w.controllers(t, "--leader-elect")
	s.eventually(time.Minute, "the third leads", func() (bool, string) { return holder() != "", "" })
	s.kubectl("patch", "lease", "-n", "kube-system", "weir-controllers", "--type", "merge", "-p", `{"spec": {"holderIdentity": "another", "leaseDurationSeconds": 3600}}`)
	select {
	case err := <-third.ended:
		if err == nil {
			t.Error("controllers that no longer lead end as if all were well")
		}
	case <-time.After(2 * time.Minute):
		t.Error("controllers that no longer lead go on")
		_ = third.Process.Kill()
	}
}

// knowsJobs waits until the kinds of jobs are installed.
func (s *story) knowsJobs() {
	s.Helper()
	s.eventually(2*time.Minute, "the kinds are installed", func() (bool, string) {
		a := s.ask(s.T, "", "kubectl", "get", "tfjobs")
		return a.code == 0, a.err
	})
}

// A controllersProcess is weir controllers beside a weir.
type controllersProcess struct {
	*exec.Cmd
	ended chan error
}

// controllers starts weir controllers beside a weir. What it says is shown if
// the test fails.
func (w *weir) controllers(t *testing.T, flags ...string) *controllersProcess {
	t.Helper()
	args := append([]string{"controllers", "--kubeconfig", filepath.Join(w.dir, "kubeconfig"), "--metrics-bind-address", "0"}, flags...)
	c := &controllersProcess{w.command(context.Background(), args...), make(chan error, 1)}
	log, err := os.CreateTemp(t.TempDir(), "controllers")
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("weir controllers said:\n%s", said)
		}
	})
	return c
}

// stop is Ctrl-C; it returns how they ended.
func (c *controllersProcess) stop(t *testing.T) error {
	_ = c.Process.Signal(os.Interrupt)
	select {
	case err := <-c.ended:
		return err
	case <-time.After(20 * time.Second):
		t.Error("weir controllers does not end on Ctrl-C")
		return c.Process.Kill()
	}
}

// Prometheus reads the controllers' metrics with a token that the cluster gives.
func TestMetrics(t *testing.T) {
	s := begin(t)
	s.kubectl("create", "serviceaccount", "prometheus")
	s.kubectl("create", "clusterrolebinding", s.namespace, "--clusterrole", "system:monitoring", "--serviceaccount", s.namespace+":prometheus")
	t.Cleanup(func() { s.kubectl("delete", "clusterrolebinding", s.namespace) })
	token := strings.TrimSpace(s.kubectl("create", "token", "prometheus"))
	s.apply(work("it", "", "echo done"))
	s.becomes("it", "Succeeded", 2*time.Minute)

	s.eventually(2*time.Minute, "the job is counted", func() (bool, string) {
		said := getWith(s.is(t).Metrics.URL, token)
		return strings.Contains(said, fmt.Sprintf(`training_operator_jobs_successful_total{framework="tensorflow",job_namespace=%q} 1`, s.namespace)), said
	})
	if said := get(s.is(t).Metrics.URL); !strings.Contains(said, "kubectl create token") {
		t.Errorf("without a token it says %q, want how to get one", said)
	}
	if out := s.weir.must(t, "status"); !strings.Contains(out, s.is(t).Metrics.URL) {
		t.Errorf("weir status does not say where metrics are:\n%s", out)
	}
}

// weir env tells a shell all it needs: kubectl, boto3 and what asks the front door
// work on this machine.
func TestEnvironmentOfAShell(t *testing.T) {
	s := begin(t)
	python := "python3"
	if exec.Command(python, "-c", "import boto3").Run() != nil {
		// The environment that stands for TensorFlow's image has it.
		s.apply(strings.Replace(pod("build", `command: [python, -c, "import boto3"]`), "python:3.11", "tensorflow/tensorflow:2.21.0", 1))
		s.ends("build", corev1.PodSucceeded)
		built, _ := filepath.Glob(filepath.Join(s.dir, "environments", "*", "files", "bin", "python"))
		for _, p := range built {
			if exec.Command(p, "-c", "import boto3").Run() == nil {
				python = p
			}
		}
	}
	script := fmt.Sprintf(`
eval "$(%s env --dir %s)"
%[1]s kubectl get nodes -o name
%[3]s - <<'END'
import boto3
s3 = boto3.resource("s3")
s3.create_bucket(Bucket="from-the-shell").put_object(Key="key", Body=b"hello")
print(s3.Object("from-the-shell", "key").get()["Body"].read().decode())
END
curl -s -H "Authorization: Bearer $WEIR_TOKEN" "$WEIR_URL/session" | grep -o '"user":"[a-z]*"'
`, s.binary, s.dir, python)
	c := exec.Command("sh", "-euc", script)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := c.CombinedOutput()
	if err != nil || string(out) != "node/weir\nhello\n\"user\":\"owner\"\n" {
		t.Errorf("%v: %s", err, out)
	}
	if printed := s.weir.must(t, "env"); !strings.Contains(printed, "export KUBECONFIG='"+s.dir+"/kubeconfig'\n") {
		t.Errorf("weir env: %s", printed)
	}
}

// What an image means is said on the command line while weir runs. A folder of
// programs will do.
func TestEnvironmentThatIsAFolder(t *testing.T) {
	s := begin(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "greet"), "#!/bin/sh\necho hello from $0\n")
	if err := os.Chmod(filepath.Join(folder, "greet"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.mapTo(t, "registry.local/tools:*", "--folder", folder)
	if out := s.weir.must(t, "environment", "list"); !strings.Contains(out, folder) {
		t.Errorf("weir environment list does not name %s:\n%s", folder, out)
	}
	s.apply(strings.Replace(pod("it", "command: [greet]"), "python:3.11", "registry.local/tools:2", 1))
	if out := s.ends("it", corev1.PodSucceeded); !strings.HasPrefix(out, "hello from ") {
		t.Errorf("the pod said %q", out)
	}
}

// An environment that cannot be built is explained: which package, and what the
// index said of it. When it has been put right, the pod that waits runs.
func TestEnvironmentThatCannotBeBuilt(t *testing.T) {
	s := begin(t)
	const missing = "weir-has-no-such-package"
	s.mapTo(t, "registry.local/broken:*", "--package", missing)
	s.apply(strings.Replace(pod("it", "command: [python, --version]"), "python:3.11", "registry.local/broken:1", 1))
	s.eventually(3*time.Minute, "it is explained", func() (bool, string) {
		a := s.ask(t, "", "explain", "pod/it", "-n", s.namespace)
		return a.code == 2 && strings.Contains(a.out, missing) && strings.Contains(a.out, "registry.local/broken"), a.out + a.err
	})
	s.eventually(time.Minute, "an event says so too", func() (bool, string) {
		events := s.kubectl("get", "events", "--field-selector", "type=Warning", "-o", "custom-columns=:.source.component,:.message")
		return strings.Contains(events, "weir-explain") && strings.Contains(events, missing), events
	})

	s.mapTo(t, "registry.local/broken:*", "--python", trainersPython(t))
	if out := s.ends("it", corev1.PodSucceeded); !strings.HasPrefix(out, "Python 3") {
		t.Errorf("the pod said %q", out)
	}
}

// An image that stands for nothing is explained, with the way to map it.
func TestImageThatNobodyKnows(t *testing.T) {
	s := begin(t)
	s.apply(strings.Replace(pod("it", "command: [python]"), "python:3.11", "registry.local/nobody/knows:1", 1))
	s.eventually(time.Minute, "it is explained", func() (bool, string) {
		a := s.ask(t, "", "explain", "pod/it", "-n", s.namespace)
		return a.code == 2 && strings.Contains(a.out, `"registry.local/nobody/knows:1"`) && strings.Contains(a.out, "weir environment add"), a.out + a.err
	})
	s.eventually(time.Minute, "an event says so too", func() (bool, string) {
		events := s.kubectl("get", "events", "--field-selector", "type=Warning", "-o", "custom-columns=:.source.component,:.message")
		return strings.Contains(events, "weir-explain") && strings.Contains(events, "registry.local/nobody/knows:1"), events
	})
}

// Logs of another cluster are read through its API server, as is why something
// of it does not move.
func TestAnotherCluster(t *testing.T) {
	s := begin(t)
	elsewhere := &weir{binary: s.binary, dir: t.TempDir()}
	ask := func(args ...string) answer {
		return elsewhere.ask(t, "", append(args, "-n", s.namespace, "--kubeconfig", filepath.Join(s.dir, "kubeconfig"))...)
	}
	s.apply(work("it", "cleanPodPolicy: None", "echo first; echo second") + "---\n" +
		pod("follow", `command: [sh, -c, "for i in 1 2 3; do echo line $i; sleep 0.5; done"]`) + "---\n" +
		pod("fails", `command: [sh, -c, "echo why; exit 3"]`))
	s.eventually(2*time.Minute, "it is followed from its first line to its last", func() (bool, string) {
		a := ask("logs", "-f", "pod/follow")
		return a.out == "line 1\nline 2\nline 3\n", a.out + a.err
	})
	s.becomes("it", "Succeeded", 2*time.Minute)
	if a := ask("logs", "tfjob/it", "--replica", "chief-0"); a.out != "first\nsecond\n" {
		t.Errorf("what the chief printed: %q, %s", a.out, a.err)
	}
	s.ends("fails", corev1.PodFailed)
	if a := ask("explain", "pod/fails"); a.code != 2 || !strings.Contains(a.out, "why") {
		t.Errorf("explained with code %d: %s%s", a.code, a.out, a.err)
	}
	if a := ask("logs", "pod/nobody"); a.code == 0 || !strings.Contains(a.err, "there is no pod/nobody in namespace "+s.namespace) {
		t.Errorf("logs of nobody: %s%s", a.out, a.err)
	}
}

// Logs of a pod stay when it has ended, and when it is gone.
func TestLogsStay(t *testing.T) {
	s := begin(t)
	s.apply(pod("it", `command: [sh, -c, "echo out; echo err >&2"]`))
	s.ends("it", corev1.PodSucceeded)
	sorted := func(out string) string {
		if out == "err\nout\n" { // two streams, written at the same time
			return "out\nerr\n"
		}
		return out
	}
	if out := s.must("logs", "pod/it"); sorted(out) != "out\nerr\n" {
		t.Errorf("weir logs: %q", out)
	}
	s.kubectl("delete", "pod", "it")
	if out := s.must("logs", "pod/it"); sorted(out) != "out\nerr\n" {
		t.Errorf("weir logs of a pod that is gone: %q", out)
	}
	if a := s.ask(t, "", "logs", "pod/nobody", "-n", s.namespace); a.code == 0 || a.err == "" {
		t.Errorf("weir logs of a pod that never was: exit code %d: %s", a.code, a.err)
	}
}
