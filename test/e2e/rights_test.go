package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A user without any rights has all of it: pods with addresses and names, jobs
// of several replicas, volumes with a token, logs, exec.
func TestWithoutRights(t *testing.T) {
	t.Parallel()
	w := withoutRights(t)
	w.starts(t)
	if kind := w.is(t).Namespaces; kind != "user" {
		t.Skipf("this machine gives users no namespaces of their own, but %q: %s", kind, strings.Join(w.is(t).Missing, "; "))
	}
	s := w.story(t)

	t.Run("Pod", func(t *testing.T) {
		s.apply(pod("token", `command: [sh, -c, "test -s /var/run/secrets/kubernetes.io/serviceaccount/token && id -u && echo done"]`))
		if out := s.ends("token", corev1.PodSucceeded); out != "0\ndone\n" {
			t.Errorf("the pod said %q", out)
		}
	})
	t.Run("Exec", func(t *testing.T) {
		s.apply(podWith("it", "restartPolicy: Never\nvolumes: [{name: v, emptyDir: {}}]", `command: [sh, -c, "echo begun; sleep 1000"]`, `volumeMounts: [{name: v, mountPath: /v}]`))
		s.runs("it")
		if out := s.exec("it", "echo mine > /v/file; cat /v/file; ls "+w.dir+" 2>&1 | tail -1"); !strings.HasPrefix(out, "mine\nls: ") {
			t.Errorf("exec printed %q", out)
		}
		if out := s.kubectl("logs", "it"); out != "begun\n" {
			t.Errorf("kubectl logs: %q", out)
		}
	})
	t.Run("Pip", func(t *testing.T) {
		s.apply(pod("pip", `command: [sh, -c, "python -m pip install --quiet six && python -c 'import six; print(six.__name__)'"]`))
		if out := s.ends("pip", corev1.PodSucceeded); out != "six\n" {
			t.Errorf("the pod said %q", out)
		}
	})
	t.Run("Copy", func(t *testing.T) {
		file := filepath.Join(w.dir, "letter")
		write(t, file, "to whom it concerns")
		if w.user != nil { // a file of the user's own, whom the pod does not know
			if err := os.Chown(file, int(w.user.Credential.Uid), int(w.user.Credential.Gid)); err != nil {
				t.Fatal(err)
			}
		}
		s.kubectl("cp", file, "it:/tmp/letter")
		if out := s.exec("it", "cat /tmp/letter"); out != "to whom it concerns" {
			t.Errorf("the pod reads %q", out)
		}
	})
	t.Run("Run", func(t *testing.T) {
		p := (&story{t, w, s.namespace}).projectIn(filepath.Join(w.dir, "project"), map[string]string{
			"train.py": "import os, pwd\nprint(os.listdir('.'))\nos.makedirs('out')\nopen('out/model', 'w').write('weights')\n",
		})
		if a := p.ran("--name", "mine", "--output", "out", "train.py"); a.out != "['train.py']\n" || !strings.Contains(a.err, "1 file, 7 B, in s3://weir-outputs/") {
			t.Errorf("it printed %q\n%s", a.out, a.err)
		}
	})
	t.Run("Training", func(t *testing.T) {
		write(t, filepath.Join(w.dir, "code", "task.py"), trainer)
		s.kubectl("create", "configmap", "code", "--from-file", filepath.Join(w.dir, "code", "task.py"))
		s.apply(`
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: it}
spec:
  tfReplicaSpecs:
    Worker:
      replicas: 2
      template:
        spec:
          volumes: [{name: code, configMap: {name: code}}]
          containers:
          - name: tensorflow
            image: python:3.11
            command: [python, /code/task.py]
            volumeMounts: [{name: code, mountPath: /code}]
`)
		s.becomes("it", "Succeeded", 3*time.Minute)
		if out := s.must("logs", "tfjob/it", "--replica", "worker-0"); !strings.Contains(out, "worker 0 reached worker 1") {
			t.Errorf("worker 0 has not reached worker 1:\n%s", out)
		}
	})
	t.Run("Service", func(t *testing.T) {
		s.apply(web + "---\n" + pod("client", `command: [sleep, "1000"]`))
		s.kubectl("rollout", "status", "deployment/web", "--timeout=2m")
		s.runs("client")
		s.asksAll("http://web/name", "app=web")
	})

	t.Run("DoesNotSee", s.doesNotSee)
	t.Run("Stranger", func(t *testing.T) {
		if !strings.Contains(strings.Join(w.is(t).Missing, "\n"), "Pods have one user") {
			t.Skip("this user has subordinate ids")
		}
		s.apply(asUsers + "---\n" + strings.NewReplacer("name: users", "name: always", "Never", "Always").Replace(asUsers))
		s.eventually(2*time.Minute, "the pod has failed, and says whom there is not", func() (bool, string) {
			p, ok := s.pod("users")
			return ok && p.Status.Phase == corev1.PodFailed && strings.Contains(p.Status.Message, "runAsUser 1000 does not exist"), p.Status.String()
		})
		s.eventually(2*time.Minute, "weir explain says whom there is not", func() (bool, string) {
			out := s.ask(t, "", "explain", "pod/always", "-n", s.namespace).out
			return strings.Contains(out, "runs as a user who does not exist on its node"), out
		})
	})

	w.isKilled(t)
	w.starts(t)
	t.Run("GoesOn", func(t *testing.T) {
		p, _ := s.pod("token")
		if p.Status.Phase != corev1.PodSucceeded {
			t.Errorf("pod token: %s", said(p))
		}
		s.kubectl("rollout", "status", "deployment/web", "--timeout=2m")
	})
	w.stops(t)
}

// asUsers is a pod that is not root's, and says whose its files are.
const asUsers = `
apiVersion: v1
kind: Pod
metadata: {name: users}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000}
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: main
    image: python:3.11
    command: [sh, -c, "id -u; id -g; id -G; test -s /var/run/secrets/kubernetes.io/serviceaccount/token; touch /v/file && stat -c '%u %g' /v /v/file; touch /usr/file 2> /dev/null || echo refused"]
    volumeMounts: [{name: v, mountPath: /v}]
`

// runsAsUsers is about pods of other users than root.
func (s *story) runsAsUsers(t *testing.T) {
	s.apply(asUsers)
	if got, want := s.ends("users", corev1.PodSucceeded), "1000\n2000\n2000 3000\n0 3000\n1000 3000\nrefused\n"; got != want {
		t.Errorf("the pod said %q, want %q", got, want)
	}
}

// Root's pods may be anybody.
func TestUsersOfPods(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has all users")
	}
	begin(t).runsAsUsers(t)
}

// A user without rights to whom the machine gives subordinate ids has pods of
// other users too.
func TestSubordinateIDs(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give ids")
	}
	for _, tool := range []string{"newuidmap", "newgidmap", "unshare", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this machine has no %s", tool)
		}
	}
	w := withoutRights(t)
	// In a mount namespace, so that the machine's own list stays as it is.
	list, script := filepath.Join(w.dir, "ids"), filepath.Join(w.dir, "with-ids")
	write(t, list, "nobody:100000:65536\n")
	write(t, script, fmt.Sprintf(`#!/bin/sh
exec unshare -m sh -c 'mount --bind %s /etc/subuid && mount --bind %[1]s /etc/subgid && exec setpriv --reuid=nobody --regid=nogroup --clear-groups %s "$@"' sh "$@"
`, list, w.binary))
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	w.binary, w.user = script, nil
	w.environ = append(w.environ, "PATH="+os.Getenv("PATH"))
	w.starts(t)
	if kind := w.is(t).Namespaces; kind != "user" {
		t.Skipf("this machine gives users no namespaces of their own, but %q", kind)
	}
	s := w.story(t)
	s.runsAsUsers(t)
	w.isKilled(t)
}

// withoutRights is a weir of a user without any rights, who has nothing but a
// folder. Whoever runs the tests is that user, unless it is root.
func withoutRights(t *testing.T) *weir {
	t.Helper()
	w := newWeir(t)
	if os.Getuid() != 0 {
		return w
	}
	const nobody = 65534
	w.user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	w.environ = []string{"HOME=" + w.dir, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}
	if err := exec.Command("cp", w.binary, filepath.Join(w.dir, "weir")).Run(); err != nil {
		t.Fatal(err)
	}
	w.binary = filepath.Join(w.dir, "weir")

	// Environments that root has built are not theirs to use.
	if err := os.Remove(filepath.Join(w.dir, "environments")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{w.dir, w.binary} {
		if err := os.Chown(file, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	probe := exec.Command("python3", "-c", "import venv")
	probe.Env, probe.SysProcAttr, probe.Dir = w.environ, w.user, w.dir
	probe.Path, _ = lookPath(w.environ, "python3")
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("a user without rights has no Python on this machine (%v: %s)", err, out)
	}
	return w
}

// lookPath finds a program on the PATH of an environment.
func lookPath(environ []string, name string) (string, bool) {
	for _, v := range environ {
		path, is := strings.CutPrefix(v, "PATH=")
		if !is {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if file := filepath.Join(dir, name); exec.Command(file, "--version").Run() == nil {
				return file, true
			}
		}
	}
	return "", false
}

// Where the machine refuses namespaces, as most containers do, weir starts all
// the same. Pods share the machine's network and files, and it says so.
func TestWithoutNamespaces(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	forbidden := filepath.Join(w.dir, "without-namespaces")
	script := "#!/bin/sh\nset -e\nfor kind in pid user mnt net; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done\nexec " + w.binary + ` "$@"` + "\n"
	if err := os.WriteFile(forbidden, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	inside := *w
	inside.binary = forbidden
	inside.user = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if out, err := inside.command(context.Background(), "--version").CombinedOutput(); err != nil {
		t.Skipf("this machine does not even allow the namespace in which to forbid others (%v: %s)", err, out)
	}
	inside.starts(t)
	w.ended = inside.ended
	s := w.story(t)

	status := w.must(t, "status")
	if !strings.Contains(status, "Pods are not kept apart and share this machine's network, since it allows no namespaces") {
		t.Errorf("weir status does not say what is missing:\n%s", status)
	}
	s.apply(pod("once", `command: [sh, -c, "echo here; exit 3"]`) + "---\n" + pod("it", `command: [sleep, "1000"]`))
	if out := s.ends("once", corev1.PodFailed); out != "here\n" {
		t.Errorf("the pod said %q", out)
	}
	s.runs("it")
	if out := s.exec("it", "echo within"); out != "within\n" {
		t.Errorf("exec printed %q", out)
	}
	w.stops(t)
}
