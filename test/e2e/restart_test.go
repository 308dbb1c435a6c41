package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What was there when weir stopped is there when it starts again: objects, what
// lies on volumes and in buckets, and logs. Pods run again as they say they
// want to: those of a Deployment do, those that have ended stay ended.
func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.up(t)
	s := w.story(t)
	write := `command: [sh, -c, "echo kept > /v/file; echo written; sleep 1000"]`
	s.apply(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {rate: "0.1"}
---
` + web + "---\n" +
		podWith("writer", "restartPolicy: OnFailure\nvolumes: [{name: v, persistentVolumeClaim: {claimName: data}}]", `volumeMounts: [{name: v, mountPath: /v}]`, write) + "---\n" +
		pod("once", `command: [echo, only once]`) + "---\n" +
		pod("never", `command: [sleep, "1000"]`) + "---\n" +
		podWith("always", "restartPolicy: Always", `command: [sleep, "1000"]`))
	s.kubectl("rollout", "status", "deployment/web", "--timeout=2m")
	s.runs("writer")
	s.runs("never")
	s.runs("always")
	s.ends("once", corev1.PodSucceeded)
	s.eventually(time.Minute, "the writer has written", func() (bool, string) {
		out := s.kubectl("logs", "writer")
		return out == "written\n", out
	})
	files := w.bucket(t, "kept")
	files.put("object", "in S3")
	ports := w.state(t)

	w.down(t)
	if out := w.must(t, "logs", "pod/once", "-n", s.namespace); out != "only once\n" {
		t.Errorf("weir logs of a weir that is stopped: %q", out)
	}
	w.up(t)

	if now := w.state(t); now.Kubernetes.URL != ports.Kubernetes.URL || now.S3.URL != ports.S3.URL {
		t.Errorf("it listens at %s and %s, and did at %s and %s: what was configured by hand reaches it no longer", now.Kubernetes.URL, now.S3.URL, ports.Kubernetes.URL, ports.S3.URL)
	}
	if got := s.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.rate}"); got != "0.1" {
		t.Errorf("ConfigMap settings says %q", got)
	}
	if got := files.get("object"); got != "in S3" {
		t.Errorf("the object in S3 is %q", got)
	}
	s.restarted("writer")
	s.restarted("always")
	if got := s.exec("writer", "cat /v/file"); got != "kept\n" {
		t.Errorf("the file on the volume is %q", got)
	}
	s.eventually(time.Minute, "the Deployment's pods run again", func() (bool, string) {
		return s.kubectl("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}") == "2", phases(s.pods("app=web"))
	})
	s.eventually(time.Minute, "a pod that is never to run twice has failed", func() (bool, string) {
		p, _ := s.pod("never")
		return p.Status.Phase == corev1.PodFailed, said(p)
	})
	if p, _ := s.pod("once"); p.Status.Phase != corev1.PodSucceeded || p.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("pod once: %s, after %d restarts", said(p), p.Status.ContainerStatuses[0].RestartCount)
	}
	if out := s.kubectl("logs", "once"); out != "only once\n" {
		t.Errorf("kubectl logs of a pod that had ended before: %q", out)
	}
}

// restarted waits until a pod's container runs for another time.
func (s *story) restarted(name string) {
	s.Helper()
	s.eventually(2*time.Minute, "pod "+name+" runs again", func() (bool, string) {
		p, ok := s.pod(name)
		if !ok {
			return false, "no such pod"
		}
		c := p.Status.ContainerStatuses[0]
		return c.RestartCount > 0 && c.State.Running != nil && c.Ready, said(p)
	})
}

// The program is killed while it trains. Nothing of it stays behind, and when it
// is started again all objects are there and the training goes on from its last
// checkpoint to its end.
func TestKilledWhileItTrains(t *testing.T) {
	t.Parallel()
	alone(t)
	w := newWeir(t)
	w.up(t)
	s := w.story(t)
	manifest := strings.Replace(w.kubectl(t, "kustomize", example(t, "digits")),
		"- /code/train.py\n", "- /code/train.py\n            - --epochs=15\n", -1)
	if !strings.Contains(manifest, "--epochs=15") {
		t.Fatalf("the example's command is another:\n%s", manifest)
	}
	s.apply(manifest)
	s.eventually(tensorflowFor, "there are checkpoints", func() (bool, string) {
		for end := range map[string]bool{"Succeeded": true, "Failed": true} {
			if m, ended := condition(s.tfjob("digits"), end); ended {
				t.Fatalf("it has %s too early: %s", end, m)
			}
		}
		a := s.ask(t, "", "logs", "tfjob/digits", "--replica", "chief-0", "-n", s.namespace)
		return strings.Contains(a.out, "Epoch 4/"), a.out + phases(s.pods(""))
	})
	before := w.names(t)
	family := processes(t, w.state(t).PID)
	if len(family) < 6 {
		t.Fatalf("weir and four replicas are only %d processes: %v", len(family), family)
	}

	if err := syscall.Kill(w.state(t).PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	eventually(t, 20*time.Second, "nothing of it is alive", func() (bool, string) {
		var alive []string
		for _, p := range family {
			if p.alive() {
				alive = append(alive, p.command)
			}
		}
		return len(alive) == 0, strings.Join(alive, "\n")
	})
	if a := w.ask(t, "", "status"); a.code == 0 || !strings.Contains(a.err, "no weir runs in "+w.dir) {
		t.Errorf("weir status: exit code %d: %s%s", a.code, a.out, a.err)
	}

	w.up(t)
	after := w.names(t)
	for _, name := range before {
		if !slices.Contains(after, name) {
			t.Errorf("%s is gone", name)
		}
	}
	s.becomes("digits", "Succeeded", tensorflowFor)
	if out := s.must("logs", "tfjob/digits", "--replica", "chief-0"); !strings.Contains(out, "goes on after epoch") || !strings.Contains(out, "Epoch 15/15") {
		t.Errorf("the chief has not gone on where it was:\n%s", out)
	}
}

// names are the names of the objects that people make and that do not end.
func (w *weir) names(t *testing.T) []string {
	t.Helper()
	return strings.Fields(w.kubectl(t, "get", "--all-namespaces", "-o", "name",
		"namespaces,configmaps,secrets,serviceaccounts,services,pods,jobs,tfjobs,customresourcedefinitions,clusterroles"))
}

// A process is known by its number and by when it began.
type process struct {
	pid     int
	began   string
	command string
}

// processes returns a process and all that it has started, and they.
func processes(t *testing.T, root int) []process {
	t.Helper()
	children := map[int][]int{}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if fields := statOf(pid); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var family []process
	for next := []int{root}; len(next) > 0; next = next[1:] {
		if fields := statOf(next[0]); len(fields) > 19 {
			command, _ := os.ReadFile("/proc/" + strconv.Itoa(next[0]) + "/cmdline")
			family = append(family, process{next[0], fields[19], strings.ReplaceAll(string(command), "\x00", " ")})
		}
		next = append(next, children[next[0]]...)
	}
	return family
}

// statOf is what the kernel says of a process, from its state on; nothing if
// there is none.
func statOf(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	// The name before may have spaces.
	return strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
}

// alive is whether a process is still there, and not only its number.
func (p process) alive() bool {
	fields := statOf(p.pid)
	return len(fields) > 19 && fields[19] == p.began && fields[0] != "Z"
}

// A replica that is killed is run again or ends its job, as its policy says. It
// is so on real processes too.
func TestReplicaThatIsKilled(t *testing.T) {
	s := begin(t)
	// Shell of process 1 in its pod: it ends by a signal only if it says so itself.
	s.apply(`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: again}
spec:
  tfReplicaSpecs:
    Worker:
      replicas: 1
      restartPolicy: ExitCode
      template:
        spec:
          terminationGracePeriodSeconds: 0
          volumes: [{name: v, persistentVolumeClaim: {claimName: memory}}]
          containers:
          - name: tensorflow
            image: python:3.11
            command: [sh, -c, "echo start >> /v/starts; if [ $(wc -l < /v/starts) = 1 ]; then exit 137; fi; exit 0"]
            volumeMounts: [{name: v, mountPath: /v}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: memory}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`)
	s.becomes("again", "Succeeded", 2*time.Minute)
	s.eventually(time.Minute, "it was said that the replica is run again", func() (bool, string) {
		events, err := s.core(t).CoreV1().Events(s.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		var all []string
		for _, e := range events.Items {
			all = append(all, e.Reason+": "+e.Message)
		}
		seen := strings.Join(all, "\n")
		return strings.Contains(seen, "TFJobRestarting: ") && strings.Contains(seen, "exited with code 137"), seen
	})
}
