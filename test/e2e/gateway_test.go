package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ml/weir/test/program"
)

// People and programs come in by the front door, each with their own rights:
// kubectl, the Kubernetes client for Python and boto3, by a token, and a pod by
// what it was born with.
func TestTheFrontDoor(t *testing.T) {
	s := begin(t)
	front := s.is(t).Front
	secure := strings.Replace(front.URL, "http://", "https://", 1)
	user := "ada-" + s.namespace
	add := s.weir.command(t.Context(), "user", "add", user, "--role", "edit:"+s.namespace)
	add.Stdin = strings.NewReader("correct horse battery\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("weir user add: %v: %s", err, out)
	}
	token := strings.TrimSpace(s.weir.must(t, "token", "create", "test", "--user", user))
	through := func(args ...string) program.Answer {
		c := exec.CommandContext(t.Context(), "kubectl", append([]string{"--kubeconfig", "/dev/null", "--server", secure, "--certificate-authority", front.CAFile, "--token", token, "-n", s.namespace}, args...)...)
		return program.Ask(t, c, "")
	}

	t.Run("Kubectl", func(t *testing.T) {
		s.apply(podWith("it", "restartPolicy: Never", `command: [sh, -c, "echo begun; sleep 1000"]`, ""))
		s.runs("it")
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"}, user},
			{[]string{"get", "pods", "-o", "name"}, "pod/it\n"},
			{[]string{"logs", "it"}, "begun\n"},
			{[]string{"exec", "it", "--", "echo", "said"}, "said\n"},
			{[]string{"create", "configmap", "made", "--from-literal=a=b"}, "configmap/made created\n"},
		} {
			if a := through(c.args...); a.Code != 0 || a.Out != c.want {
				t.Errorf("kubectl %s: %q, want %q; %s", strings.Join(c.args, " "), a.Out, c.want, a.Err)
			}
		}
		if a := through("get", "pods", "-n", "kube-system"); a.Code == 0 || !strings.Contains(a.Err, "forbidden") {
			t.Errorf("in another namespace: %q %s", a.Out, a.Err)
		}
	})

	t.Run("Pod", func(t *testing.T) {
		port := portOf(t, front.URL)
		s.apply(podWith("within", "restartPolicy: Never", fmt.Sprintf(`env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]
command:
- python3
- -c
- |
  import os, urllib.request
  token = open('/var/run/secrets/kubernetes.io/serviceaccount/token').read()
  asked = urllib.request.Request('http://%%s:%s/session' %% os.environ['NODE'], headers={'Authorization': 'Bearer ' + token})
  print(urllib.request.urlopen(asked, timeout=60).read().decode())`, port), ""))
		s.eventually(2*time.Minute, "the pod is known", func() (bool, string) {
			a := s.ask(t, "", "kubectl", "logs", "within", "-n", s.namespace)
			return strings.Contains(a.out, `"user":"system:serviceaccount:`+s.namespace+`:default"`), a.out + a.err
		})
	})

	t.Run("SDKs", func(t *testing.T) {
		python := filepath.Join(t.TempDir(), "venv")
		if out, err := exec.CommandContext(t.Context(), "python3", "-m", "venv", python).CombinedOutput(); err != nil {
			t.Fatalf("make an environment: %v: %s", err, out)
		}
		if out, err := exec.CommandContext(t.Context(), filepath.Join(python, "bin", "pip"), "install", "--quiet", "kubernetes", "boto3").CombinedOutput(); err != nil {
			t.Fatalf("install the clients: %v: %s", err, out)
		}
		c := exec.CommandContext(t.Context(), filepath.Join(python, "bin", "python"), "-c", doorClients, s.namespace)
		at := s.is(t)
		c.Env = append(os.Environ(), "WEIR_URL="+front.URL, "WEIR_TOKEN="+token, "AWS_ENDPOINT_URL="+front.URL,
			"AWS_ACCESS_KEY_ID="+at.S3.AccessKey, "AWS_SECRET_ACCESS_KEY="+at.S3.SecretKey, "AWS_DEFAULT_REGION=us-east-1")
		a := program.Ask(t, c, "")
		if a.Out != "made pods:it,within watched:made forbidden s3:hello\n" {
			t.Errorf("the clients said %q\n%s", a.Out, a.Err)
		}
	})
}

const doorClients = `
import os, sys
import boto3
from kubernetes import client, watch

namespace = sys.argv[1]
c = client.Configuration(host=os.environ["WEIR_URL"])
c.api_key = {"authorization": "Bearer " + os.environ["WEIR_TOKEN"]}
core = client.CoreV1Api(client.ApiClient(c))
core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="by-python")))
said = ["made", "pods:" + ",".join(sorted(p.metadata.name for p in core.list_namespaced_pod(namespace).items))]
for event in watch.Watch().stream(core.list_namespaced_config_map, namespace, field_selector="metadata.name=made", timeout_seconds=60):
    said.append("watched:" + event["object"].metadata.name)
    break
try:
    core.list_node()
except client.ApiException as e:
    said.append("forbidden" if e.status == 403 else str(e))
s3 = boto3.client("s3")
s3.create_bucket(Bucket=namespace)
s3.put_object(Bucket=namespace, Key="a b/+", Body=b"hello")
said.append("s3:" + s3.get_object(Bucket=namespace, Key="a b/+")["Body"].read().decode())
print(" ".join(said))
`
