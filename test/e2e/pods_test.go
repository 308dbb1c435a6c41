package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// A plain Job runs to its end, and says what it found.
func TestJob(t *testing.T) {
	s := begin(t)
	s.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: python:3.11
        command: [python, -c, "import os; print('part', os.environ['JOB_COMPLETION_INDEX'])"]
`)
	s.kubectl("wait", "--for=condition=Complete", "job/sum", "--timeout=2m")
	out := s.must("logs", "job/sum")
	for i := range 3 {
		if want := fmt.Sprintf("part %d\n", i); !strings.Contains(out, want) {
			t.Errorf("weir logs job/sum: %q is not in it:\n%s", want, out)
		}
	}
}

// web is a Deployment of two web servers, each of which serves its name, behind
// a Service.
const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: python:3.11
        command: [sh, -c, "mkdir /tmp/site; hostname > /tmp/site/name; exec python -m http.server 8080 --directory /tmp/site"]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /name, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
`

// A pod reaches a Deployment's pods, all of them, by the Service's name and by
// its address; a pod that goes is replaced and missed by nobody.
func TestDeploymentBehindAService(t *testing.T) {
	s := begin(t)
	s.apply(web + "---\n" + pod("client", `command: [sleep, "1000"]`))
	s.kubectl("rollout", "status", "deployment/web", "--timeout=2m")
	s.runs("client")

	address := s.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	for _, name := range []string{"web", "web." + s.namespace, "web." + s.namespace + ".svc.cluster.local", address} {
		s.asksAll("http://"+name+"/name", "app=web")
	}

	gone := s.pods("app=web")[0].Name
	s.kubectl("delete", "pod", gone, "--wait=false")
	s.eventually(time.Minute, "the pod is replaced", func() (bool, string) {
		ready := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}")
		pods := s.pods("app=web")
		for _, p := range pods {
			if p.Name == gone {
				return false, phases(pods)
			}
		}
		return ready == "2", ready + " of 2 are ready"
	})
	s.asksAll("http://web/name", "app=web")
}

// asksAll asks a URL from the pod client, over and over, until every pod of the
// selector has answered.
func (s *story) asksAll(url, selector string) {
	s.Helper()
	want := map[string]bool{}
	for _, p := range s.pods(selector) {
		want[p.Name] = true
	}
	got := map[string]bool{}
	s.eventually(time.Minute, fmt.Sprintf("all of %v answer at %s", want, url), func() (bool, string) {
		a := s.ask(s.T, "", "kubectl", "-n", s.namespace, "exec", "client", "--", "python", "-c", fmt.Sprintf(`
import urllib.request
for _ in range(10): print(urllib.request.urlopen(%q, timeout=5).read().decode().strip())
`, url))
		for _, name := range strings.Fields(a.out) {
			got[name] = true
		}
		for name := range want {
			if !got[name] {
				return false, fmt.Sprintf("answered: %v; %s", got, a.err)
			}
		}
		return true, ""
	})
}

// A NodePort is reached on the node's own address, from a pod.
func TestNodePort(t *testing.T) {
	s := begin(t)
	s.apply(strings.Replace(web, "  selector: {app: web}\n  ports:", "  type: NodePort\n  selector: {app: web}\n  ports:", 1) +
		"---\n" + pod("client", `command: [sleep, "1000"]`))
	s.kubectl("rollout", "status", "deployment/web", "--timeout=2m")
	node := s.runs("client").Status.HostIP
	port := s.kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}")
	s.asksAll("http://"+node+":"+port+"/name", "app=web")
}

// What is said to a program in a pod, and how it ends, comes through.
func TestExec(t *testing.T) {
	s := begin(t)
	s.apply(pod("it", `command: [sleep, "1000"]`))
	s.runs("it")

	cases := map[string]struct {
		why   string
		stdin string
		flags []string
		argv  []string
		want  answer
	}{
		"Output":   {why: "What it prints is printed.", argv: []string{"echo", "hello"}, want: answer{out: "hello\n"}},
		"Errors":   {why: "Errors are kept apart.", argv: []string{"sh", "-c", "echo out; echo err >&2"}, want: answer{out: "out\n", err: "err\n"}},
		"ExitCode": {why: "kubectl ends as the program does.", argv: []string{"sh", "-c", "exit 7"}, want: answer{err: "command terminated with exit code 7\n", code: 7}},
		"Stdin":    {why: "It reads what we say, to the end.", stdin: strings.Repeat("a line\n", 10000), flags: []string{"-i"}, argv: []string{"wc", "-l"}, want: answer{out: "10000\n"}},
		"Hostname": {why: "It runs in the pod.", argv: []string{"hostname"}, want: answer{out: "it\n"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"kubectl", "-n", s.namespace, "exec"}, append(tc.flags, "it", "--")...)
			got := s.ask(t, tc.stdin, append(args, tc.argv...)...)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("%s -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// Files and folders go into a pod and come out the same.
func TestCopy(t *testing.T) {
	s := begin(t)
	s.apply(pod("it", `command: [sleep, "1000"]`))
	s.runs("it")
	here := t.TempDir()
	want := strings.Repeat("weir\n", 100_000)
	write(t, filepath.Join(here, "in", "deep", "file"), want)

	s.kubectl("cp", filepath.Join(here, "in"), "it:/tmp/in")
	s.kubectl("exec", "it", "--", "mv", "/tmp/in", "/tmp/out")
	s.kubectl("cp", "it:/tmp/out", filepath.Join(here, "out"))
	got, err := os.ReadFile(filepath.Join(here, "out", "deep", "file"))
	if err != nil || string(got) != want {
		t.Errorf("%d bytes came back (%v), want %d", len(got), err, len(want))
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A port of a pod is reached from this machine while kubectl forwards it.
func TestPortForward(t *testing.T) {
	s := begin(t)
	s.apply(web)
	s.kubectl("rollout", "status", "deployment/web", "--timeout=2m")

	for _, to := range []string{"pod/" + s.pods("app=web")[0].Name, "service/web"} {
		t.Run(strings.Split(to, "/")[0], func(t *testing.T) {
			port := map[bool]string{true: "8080", false: "80"}[strings.HasPrefix(to, "pod/")]
			address := s.forwards(t, s.namespace, to, port)
			// More than one, and at the same time.
			answers := make(chan string, 5)
			for range cap(answers) {
				go func() { answers <- get("http://" + address + "/name") }()
			}
			for range cap(answers) {
				if got := <-answers; !strings.HasPrefix(got, "web-") {
					t.Errorf("through %s: %q, want the name of a pod", address, got)
				}
			}
		})
	}
}

// forwards leads to a port of a pod or a Service while the test runs, by kubectl
// port-forward, and returns from where.
func (w *weir) forwards(t *testing.T, namespace, to, port string) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	forward := w.command(ctx, "kubectl", "-n", namespace, "port-forward", to, ":"+port)
	out, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = forward.Wait() })
	buffer := make([]byte, 200)
	n, err := out.Read(buffer)
	m := regexp.MustCompile(`Forwarding from (127.0.0.1:\d+)`).FindSubmatch(buffer[:n])
	if m == nil {
		t.Fatalf("kubectl port-forward: %v: %s", err, buffer[:n])
	}
	return string(m[1])
}

// get asks a URL; what went wrong is the answer when something did.
func get(url string) string { return getWith(url, "") }

// getWith asks with a token, if it has one.
func getWith(url, token string) string { return getBy(http.DefaultTransport, url, token) }

// getBy asks by a way of one's own.
func getBy(way http.RoundTripper, url, token string) string {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: way, Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}

// Logs are followed while they are written, and read from where one wants.
func TestKubectlLogs(t *testing.T) {
	s := begin(t)
	s.apply(pod("it", `command: [sh, -c, "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done"]`))
	s.eventually(time.Minute, "it has begun", func() (bool, string) {
		p, _ := s.pod("it")
		return p.Status.Phase != corev1.PodPending, said(p)
	})
	want := "line 1\nline 2\nline 3\nline 4\nline 5\n"
	if got := s.kubectl("logs", "-f", "it"); got != want {
		t.Errorf("followed: %q, want %q", got, want)
	}
	s.ends("it", corev1.PodSucceeded)
	if got, want := s.kubectl("logs", "--tail=2", "it"), "line 4\nline 5\n"; got != want {
		t.Errorf("--tail=2: %q, want %q", got, want)
	}
}

// A pod that is deleted is asked to end, and given the time that it wants.
func TestGrace(t *testing.T) {
	s := begin(t)
	s.apply(strings.Replace(pod("it", `command: [python, -c, "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), print('saved', flush=True), sys.exit())); print('works', flush=True); time.sleep(1000)"]`),
		"terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 30", 1))
	s.eventually(time.Minute, "it works", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "-n", s.namespace, "logs", "it")
		return a.out == "works\n", a.out + a.err
	})
	began := time.Now()
	s.kubectl("delete", "pod", "it")
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("it took %s, though the pod ends by itself", took)
	}
	if out := s.must("logs", "pod/it"); out != "works\nsaved\n" {
		t.Errorf("weir logs: %q", out)
	}
}

// An autoscaler sees how busy pods are, and starts more.
func TestTopAndAutoscaler(t *testing.T) {
	s := begin(t)
	if a := s.ask(t, "", "kubectl", "get", "--raw", "/apis/metrics.k8s.io/v1beta1"); a.code != 0 {
		t.Fatalf("metrics.k8s.io is not served: %s", a.err)
	}
	s.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  replicas: 1
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: python:3.11
        command: [sh, -c, "while true; do :; done"]
        resources: {requests: {cpu: 20m}, limits: {cpu: 100m}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: busy}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: busy}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
`)
	s.eventually(2*time.Minute, "kubectl top shows the pod at work", func() (bool, string) {
		a := s.ask(t, "", "kubectl", "-n", s.namespace, "top", "pod", "--no-headers")
		return regexp.MustCompile(`busy-\S+\s+[1-9]\d*m\s+\d+Mi`).MatchString(a.out), a.out + a.err
	})
	if got := s.kubectl("top", "node", "--no-headers"); !regexp.MustCompile(`^weir\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%`).MatchString(got) {
		t.Errorf("kubectl top node: %q", got)
	}
	s.eventually(2*time.Minute, "the autoscaler starts another", func() (bool, string) {
		got := s.kubectl("get", "deployment", "busy", "-o", "jsonpath={.spec.replicas}")
		return got == "2", s.ask(t, "", "kubectl", "-n", s.namespace, "describe", "hpa", "busy").out
	})
}

// pod is a pod of one container, which lines say more of.
func pod(name string, container ...string) string {
	return podWith(name, "restartPolicy: Never", container...)
}

func podWith(name, spec string, container ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  terminationGracePeriodSeconds: 0\n  %s\n  containers:\n  - name: main\n    image: python:3.11\n    %s\n",
		name, strings.ReplaceAll(spec, "\n", "\n  "), strings.ReplaceAll(strings.Join(container, "\n"), "\n", "\n    "))
}
