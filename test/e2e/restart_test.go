package e2e_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// What was there when weir stopped is there when it starts again: objects, what
// lies on volumes and in buckets, and logs. Pods run again as they say they
// want to: those of a Deployment do, those that have ended stay ended.
func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t)
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
		pod("never", `command: [sleep, "1000"]`) + "---\n" + work("done", "cleanPodPolicy: Running", "echo once") + "---\n" +
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
	s.becomes("done", "Succeeded", 2*time.Minute)
	chief, _ := s.pod("done-chief-0")
	files := w.bucket(t, "kept")
	files.put("object", "in S3")
	ports := w.is(t)

	w.stops(t)
	if out := w.must(t, "logs", "pod/once", "-n", s.namespace); out != "only once\n" {
		t.Errorf("weir logs of a weir that is stopped: %q", out)
	}
	w.starts(t)

	now := w.is(t)
	for before, now := range map[string]string{ports.Kubernetes.URL: now.Kubernetes.URL, ports.S3.URL: now.S3.URL} {
		// Another story's weir may have come in between.
		if _, taken := net.Dial("tcp", "127.0.0.1:"+portOf(t, before)); now != before && taken != nil {
			t.Errorf("it listens at %s, and did at %s: what was set up by hand reaches it no longer", now, before)
		}
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
	if p, ok := s.pod("done-chief-0"); !ok || p.UID != chief.UID || p.Status.Phase != corev1.PodSucceeded {
		t.Errorf("a TFJob that was done has other pods: %s", phases(s.pods("training.kubeflow.org/job-name=done")))
	}
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

// The program is killed while it is written to, three times. What it had said
// yes to is there.
func TestKilledWhileItIsWrittenTo(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t, "--without", "controllers,node")
	w.bucket(t, "kept")
	var kept []string
	for round := range 3 {
		acknowledged := make(chan string, 1000)
		var writers sync.WaitGroup
		for writer := range 4 {
			prefix := fmt.Sprintf("kept-%d-%d-", round, writer)
			writers.Go(func() { w.writes(t, prefix, acknowledged) })
		}
		for range 40 {
			kept = append(kept, <-acknowledged)
		}
		w.isKilled(t)
		writers.Wait()
		close(acknowledged)
		for name := range acknowledged {
			kept = append(kept, name)
		}

		w.starts(t, "--without", "controllers,node")
		files := w.bucketThere(t, "kept")
		there := strings.Fields(w.kubectl(t, "get", "configmaps", "-o", "name"))
		for _, name := range kept {
			if !slices.Contains(there, "configmap/"+name) {
				t.Errorf("ConfigMap %s was acknowledged, and is gone", name)
			}
			if got := files.get(name); got != name {
				t.Errorf("object %s was acknowledged, and is %q", name, got)
			}
		}
	}
}

// What looks at objects on their way in is there as soon as the API server is,
// also where the last run was killed: a create waits for it, and does not fail.
func TestAdmissionIsThereAtOnce(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	w.starts(t)
	s := w.story(t)
	for round, end := range []func(){func() { w.isKilled(t) }, func() { w.stops(t) }} {
		end()
		started := make(chan error, 1)
		go func() { started <- w.up() }()
		var core kubernetes.Interface
		s.eventually(2*time.Minute, "the API server answers", func() (bool, string) {
			core = w.core(t) // which may be at another port than before
			_, err := core.CoreV1().Namespaces().Get(t.Context(), s.namespace, metav1.GetOptions{})
			return err == nil, fmt.Sprint(err)
		})
		p, err := core.CoreV1().Pods(s.namespace).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("it-%d", round), Labels: map[string]string{"weir-ml.github.io/s3": "true"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "python:3.11", Command: []string{"true"}}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Errorf("round %d: %v", round, err)
		} else if len(p.Spec.Containers[0].EnvFrom) == 0 {
			t.Errorf("round %d: the pod has no keys to S3", round)
		}
		if err := <-started; err != nil {
			t.Fatal(err)
		}
	}
}

// writes writes ConfigMaps and objects, and says which were acknowledged, until
// there is nobody to write to.
func (w *weir) writes(t *testing.T, prefix string, acknowledged chan<- string) {
	core, files := w.core(t), w.bucketThere(t, "kept")
	for i := range cap(acknowledged) / 4 {
		name := prefix + strconv.Itoa(i)
		c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := core.CoreV1().ConfigMaps("default").Create(context.Background(), c, metav1.CreateOptions{}); err != nil {
			return
		}
		if err := files.write(name, name); err != nil {
			return
		}
		acknowledged <- name
	}
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
