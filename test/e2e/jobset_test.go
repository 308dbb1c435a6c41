package e2e_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A JobSet as people write it: a server and clients that find it by its name,
// and wait until it is there.
func TestJobSet(t *testing.T) {
	t.Parallel()
	s := shared.story(t)
	s.apply(`
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: chat}
spec:
  successPolicy: {operator: All, targetReplicatedJobs: [client]}
  replicatedJobs:
  - name: server
    template:
      spec:
        template:
          spec:
            containers:
            - name: main
              image: python:3.11
              command: [python, -m, http.server, "8000"]
              readinessProbe: {tcpSocket: {port: 8000}, periodSeconds: 1}
  - name: client
    dependsOn: [{name: server, status: Ready}]
    template:
      spec:
        parallelism: 2
        completions: 2
        template:
          spec:
            containers:
            - name: main
              image: python:3.11
              command: [python, -c]
              args: ["import urllib.request; print(urllib.request.urlopen('http://chat-server-0-0.chat:8000').status)"]
`)
	s.kubectl("wait", "-n", s.namespace, "--for=condition=Completed", "--timeout=2m", "jobset/chat")
	clients := s.pods("jobset.sigs.k8s.io/replicatedjob-name=client")
	if len(clients) != 2 {
		t.Errorf("clients: %s", phases(clients))
	}
	for _, p := range clients {
		if out := s.kubectl("logs", "-n", s.namespace, p.Name); !strings.Contains(out, "200") {
			t.Errorf("%s did not reach the server: %s", p.Name, out)
		}
	}
	if got := s.kubectl("get", "-n", s.namespace, "jobset/chat", "-o", "jsonpath={.spec.network.enableDNSHostnames} {.spec.startupPolicy.startupPolicyOrder}"); got != "true AnyOrder" {
		t.Errorf("defaults: %q", got)
	}
	s.eventually(time.Minute, "the server is taken away", func() (bool, string) {
		left := s.pods("jobset.sigs.k8s.io/replicatedjob-name=server")
		for _, p := range left {
			if p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning {
				return false, phases(left)
			}
		}
		return true, ""
	})
}
