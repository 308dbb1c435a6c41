package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"

	"github.com/weir-ml/weir/kit/environment"
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

	t.Run("LogsOfWhatIsGone", func(t *testing.T) {
		s.apply(pod("gone", "command: [echo, said before]") + `---
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 2
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "python:3.11", command: [echo, part of a sum]}]
`)
		s.ends("gone", corev1.PodSucceeded)
		s.kubectl("wait", "--for=condition=Complete", "job/sum", "--timeout=2m")
		s.kubectl("delete", "pod/gone", "job/sum", "--cascade=foreground")
		stranger := "stranger-" + s.namespace
		s.weir.must(t, "user", "add", stranger, "--no-password")
		elsewhere := &weir{binary: s.binary, dir: t.TempDir()} // where no weir runs
		for _, c := range []struct {
			who, of, want string
			code          int
		}{
			{user, "pod/gone", "said before\n", 0},
			{user, "job/sum", "part of a sum\n", 0},
			{user, "pod/never", "no logs of it are kept", 1},
			{stranger, "pod/gone", "cannot get", 1},
			{stranger, "job/sum", "cannot get", 1},
		} {
			token := strings.TrimSpace(s.weir.must(t, "token", "create", "test", "--user", c.who))
			a := elsewhere.ask(t, "", "logs", c.of, "-n", s.namespace, "--kubeconfig", kubeconfigOf(t, secure, front.CAFile, token))
			if a.code != c.code || !strings.Contains(a.out+a.err, c.want) {
				t.Errorf("weir logs %s of %s: exit code %d: %s%s, want %q", c.of, c.who, a.code, a.out, a.err, c.want)
			}
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

	t.Run("Account", func(t *testing.T) {
		s.kubectl("create", "rolebinding", "viewer", "--clusterrole", "view", "--serviceaccount", s.namespace+":default")
		account := strings.TrimSpace(s.kubectl("create", "token", "default"))
		s.eventually(time.Minute, "an account is told about a pod as it may read of it", func() (bool, string) {
			said := getWith(front.URL+"/weir/explain?apiVersion=v1&kind=Pod&name=it&namespace="+s.namespace, account)
			return strings.Contains(said, `"sentence"`), said
		})
	})

	t.Run("SDKs", func(t *testing.T) {
		inner := *s
		inner.T = t
		keys := s.is(t).S3
		inner.python(doorClients, "sdk/front_door.py", s.namespace, front.URL, token, keys.AccessKey, keys.SecretKey)
	})

	t.Run("Pasted", func(t *testing.T) {
		inner := *s
		inner.T = t
		for _, url := range []string{front.URL, secure} {
			inner.pasted(url, token)
		}
	})

	t.Run("WhoDidWhat", func(t *testing.T) {
		hidden := []string{"correct horse battery", "content-of-a-secret", token, front.Token, strings.TrimSpace(s.weir.must(t, "token", "create", "test", "--user", user))}
		for _, args := range [][]string{{"create", "secret", "generic", "kept", "--from-literal=a=content-of-a-secret"}, {"get", "secret", "kept"}, {"delete", "secret", "kept"}} {
			if a := through(args...); a.Code != 0 {
				t.Fatalf("kubectl %s: %s", args[0], a.Err)
			}
		}
		for _, c := range []struct{ file, by, did string }{
			{"audit.log", `"impersonatedUser":{"username":"` + user + `"`, `"verb":"create"`},
			{"audit.log", `"impersonatedUser":{"username":"` + user + `"`, `"verb":"get"`},
			{"audit.log", `"impersonatedUser":{"username":"` + user + `"`, `"verb":"delete"`},
			{"front-door.log", `"user":"` + user + `"`, `"token made"`},
			{"front-door.log", `"user":"` + user + `"`, `"keys of S3 shown"`},
			{"front-door.log", `"user":"` + user + `"`, `"storage"`},
		} {
			s.eventually(time.Minute, c.file+" says that "+user+" did "+c.did, func() (bool, string) {
				data, err := os.ReadFile(filepath.Join(s.dir, "logs", c.file))
				for line := range strings.Lines(string(data)) {
					if strings.Contains(line, c.by) && strings.Contains(line, c.did) {
						return true, ""
					}
				}
				return false, fmt.Sprint(err)
			})
		}
		logs, err := filepath.Glob(filepath.Join(s.dir, "logs", "*.log"))
		if err != nil || len(logs) < 3 {
			t.Fatalf("logs: %v, %v", logs, err)
		}
		for _, file := range logs {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range hidden {
				if strings.Contains(string(data), secret) {
					t.Errorf("%s has %q in it", file, secret)
				}
			}
		}
	})
}

// kubeconfigOf is a file by which somebody who has a token reaches a server.
func kubeconfigOf(t *testing.T, server, authority, token string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["it"] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: authority, InsecureSkipTLSVerify: authority == ""}
	config.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "me"}
	config.CurrentContext = "it"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// pasted makes a token at the front door, and does with each snippet what one does
// with it.
func (s *story) pasted(url, token string) {
	s.Helper()
	pool, err := cert.NewPool(s.is(s.T).Front.CAFile)
	if err != nil {
		s.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url+"/weir/tokens", strings.NewReader(`{"name": "pasted", "lasts": "1h"}`))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer a.Body.Close()
	var made struct{ Snippets []struct{ ID, Text string } }
	if err := json.NewDecoder(a.Body).Decode(&made); err != nil {
		s.Fatal(err)
	}
	pythons := map[string]environment.Recipe{"kubernetes": doorClients, "kubeflow-training": trainingClient, "kubeflow": trainerClient, "weir-python": weirClient}
	sources, err := filepath.Abs("../../python/weir/src/weir")
	if err != nil {
		s.Fatal(err)
	}
	folder := s.TempDir()
	if err := os.Symlink(sources, filepath.Join(folder, "weir")); err != nil {
		s.Fatal(err)
	}
	for _, snippet := range made.Snippets {
		if recipe, ok := pythons[snippet.ID]; ok {
			file := filepath.Join(folder, "pasted-"+snippet.ID+".py")
			write(s.T, file, snippet.Text)
			s.python(recipe, file)
			continue
		}
		if snippet.ID == "docker" {
			continue // TestClientsOfTheRegistry signs in by docker, where there is one.
		}
		text := snippet.Text
		if snippet.ID == "shell" {
			text += `curl --fail --silent --show-error --cacert "$CA" -H "Authorization: Bearer $WEIR_TOKEN" "$WEIR_URL/session"`
		}
		shell := exec.CommandContext(s.Context(), "sh", "-ec", text)
		shell.Dir = s.TempDir()
		shell.Env = append(os.Environ(), "KUBECONFIG=", "CA="+s.is(s.T).Front.CAFile, "PATH="+filepath.Dir(s.binary)+":"+os.Getenv("PATH"))
		if out, err := shell.CombinedOutput(); err != nil {
			s.Errorf("%s: %v\n%s\n%s", snippet.ID, err, out, text)
		}
	}
	if len(made.Snippets) < 8 {
		s.Errorf("snippets: %v", made.Snippets)
	}
}

var doorClients = environment.Recipe{Image: "weir.local/front-door-clients", Requirements: []string{"kubernetes==35.0.0", "boto3==1.44.8"}}

// All that the program itself leads to, whoever added it, is closed to those who
// are nobody, and what needs a right to those who have none, or have it elsewhere.
func TestRoutesOfTheProgram(t *testing.T) {
	s := begin(t)
	front := s.is(t).Front
	tokens := map[string]string{}
	for who, role := range map[string][]string{"stranger": nil, "editor": {"--role", "edit:" + s.namespace}, "admin": {"--role", "admin:" + s.namespace}} {
		name := who + "-" + s.namespace
		s.weir.must(t, append([]string{"user", "add", name, "--no-password"}, role...)...)
		tokens[who] = strings.TrimSpace(s.weir.must(t, "token", "create", "test", "--user", name))
	}
	ask := func(method, path, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, front.URL+path, strings.NewReader("no JSON"))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return a.StatusCode
	}
	var all struct {
		Items []struct {
			Owner, Pattern, Rule string
			Tree                 bool
		}
	}
	if said := getWith(front.URL+"/weir/routes", front.Token); json.Unmarshal([]byte(said), &all) != nil || len(all.Items) < 20 {
		t.Fatalf("routes: %s", said)
	}
	wildcard := regexp.MustCompile(`\{[^}]*\}`)
	seen := map[string]bool{}
	for _, r := range all.Items {
		seen[r.Owner] = true
		method, path, ok := strings.Cut(r.Pattern, " ")
		if !ok {
			method, path = http.MethodGet, r.Pattern
		}
		path = wildcard.ReplaceAllString(strings.ReplaceAll(path, "{$}", ""), "none")
		if r.Tree {
			path += "/none/manifests/none" // which is an image, and an object in a bucket
		}
		if got := ask(method, path, ""); r.Rule != "anyone" && got != http.StatusUnauthorized {
			t.Errorf("%s (%s): no one is answered %d, want 401", r.Pattern, r.Rule, got)
		}
		for who, token := range tokens {
			if r.Rule != "may" {
				continue
			}
			if got := ask(method, path, token); got != http.StatusForbidden {
				t.Errorf("%s: %s, who has no right there, is answered %d, want 403", r.Pattern, who, got)
			}
		}
	}
	for _, owner := range []string{"weir", "kubernetes", "s3", "images", "pages"} {
		if !seen[owner] {
			t.Errorf("no route is of %s: the test has not seen all", owner)
		}
	}
}

// weir.yaml is heard while weir runs, and no request that is under way is dropped.
func TestDoorSettingsThatChange(t *testing.T) {
	t.Parallel()
	w := newWeir(t)
	settings := filepath.Join(w.dir, "weir.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(settings+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(settings+".new", settings); err != nil {
			t.Fatal(err)
		}
	}
	write("signIn:\n  sesion: 1h\n")
	if a := w.ask(t, "", "up", "--without", "controllers,node,s3"); a.code == 0 || !strings.Contains(a.err, "weir.yaml:2: signIn.sesion: there is no such field; there are ") {
		t.Errorf("with settings that are wrong: %s%s", a.out, a.err)
	}
	write("frontDoor:\n  listen: 127.0.0.1\n")
	w.starts(t, "--without", "controllers,node,s3")
	front := w.is(t).Front
	secure := strings.Replace(front.URL, "http://", "https://", 1)

	var all sync.WaitGroup
	var asked atomic.Int64
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop); all.Wait() })
	defer end()
	for _, url := range []string{front.URL, secure} {
		// Each request has a connection of its own, which needs a certificate.
		client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		for _, path := range []string{"/session", "/api/v1/namespaces"} {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					r, err := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
					if err != nil {
						t.Error(err)
						return
					}
					r.Header.Set("Authorization", "Bearer "+front.Token)
					a, err := client.Do(r)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != http.StatusOK {
						t.Errorf("%s%s: %s, %v", url, path, a.Status, err)
					}
					a.Body.Close()
					asked.Add(1)
				}
			})
		}
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("weir.example.com", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	given := filepath.Join(w.dir, "given")
	for file, data := range map[string][]byte{given + ".pem": certificate, given + ".key": key} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		hours := i + 1
		write(fmt.Sprintf("signIn: {session: %dh}\nfrontDoor:\n  certificate: {file: %[2]s.pem, key: %[2]s.key}\n", hours, given))
		if got := w.signsInFor(t); got < time.Duration(hours)*time.Hour-time.Minute || got > time.Duration(hours)*time.Hour {
			t.Errorf("a session lasts %s, want %d h", got, hours)
		}
		write("signIn: {session: half\n") // which changes nothing
	}
	if got := w.signsInFor(t); got < 19*time.Hour {
		t.Errorf("with settings that cannot be read a session lasts %s", got)
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(secure, "https://"), &tls.Config{ServerName: "weir.example.com", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ConnectionState().PeerCertificates[0].VerifyHostname("weir.example.com"); err != nil {
		t.Error(err)
	}
	end()
	if asked.Load() < 100 {
		t.Errorf("only %d requests were made meanwhile", asked.Load())
	}
}

// signsInFor is for how long a link signs somebody in, the owner without flags.
func (w *weir) signsInFor(t *testing.T, flags ...string) time.Duration {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", strings.TrimSpace(w.must(t, append([]string{"link"}, flags...)...)), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if len(a.Cookies()) != 1 {
		t.Fatalf("the link is answered %s", a.Status)
	}
	return time.Until(a.Cookies()[0].Expires)
}

// The front door stands before any cluster, as the Deployment that its manifests
// make of it, with the rights that they give it and no others.
func TestFrontDoorOfACluster(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(shared.binary)
	if err != nil {
		t.Fatal(err)
	}
	const image = "weir.local/front-door:v1"
	archive := archiveOf(t, image, ocispec.ImageConfig{Entrypoint: []string{"/weir"}}, imageLayer(imageFile{name: "weir", content: string(program)}))
	w := newWeir(t)
	w.starts(t, "--without", "controllers,s3,gateway")
	if strings.Contains(strings.Join(w.is(t).Missing, "\n"), "Pods have one user") {
		t.Skip("this user has no subordinate ids, and the Deployment is nobody's")
	}
	w.must(t, "image", "load", archive)
	for _, folder := range []string{"crds", "rbac", "front-door", "runtimes"} {
		w.kubectl(t, "apply", "--server-side", "-f", filepath.Join("..", "..", "install", folder))
	}
	w.kubectl(t, "set", "image", "-n", "weir-system", "deployment/weir", "weir="+image)
	w.kubectl(t, "rollout", "status", "-n", "weir-system", "deployment/weir", "--timeout=3m")
	door := w.forwards(t, "weir-system", "service/weir", "443")
	s := w.story(t)

	kubeconfig := filepath.Join(w.dir, "kubeconfig")
	w.must(t, "user", "add", "ada", "--no-password", "--role", "edit:"+s.namespace, "--kubeconfig", kubeconfig)
	w.must(t, "user", "add", "root", "--no-password", "--group", "weir:owners", "--kubeconfig", kubeconfig)
	of := func(user string) string {
		return strings.TrimSpace(w.must(t, "token", "create", "test", "--user", user, "--kubeconfig", kubeconfig))
	}
	ada, root := of("ada"), of("root")
	if got := w.signsInFor(t, "--user", "ada", "--kubeconfig", kubeconfig, "--at", "http://"+door); got <= 0 {
		t.Errorf("the link signs ada in for %s", got)
	}

	// Ada works through it, and the controllers that it has work for her.
	through := kubeconfigOf(t, "https://"+door, "", ada)
	if a := w.ask(t, work("it", "", "echo done"), "kubectl", "--kubeconfig", through, "apply", "-n", s.namespace, "-f", "-"); a.code != 0 {
		t.Fatalf("kubectl apply: %s", a.err)
	}
	s.becomes("it", "Succeeded", 3*time.Minute)

	own := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // Its authority is in the pod.
	token := strings.TrimSpace(w.kubectl(t, "create", "token", "weir", "-n", "weir-system"))
	page := getBy(own, "https://"+door+"/", "")
	script := regexp.MustCompile(`src="(/[^"]+\.js)"`).FindStringSubmatch(page)
	if script == nil {
		t.Fatalf("the page has no script:\n%s", page)
	}
	for _, c := range []struct{ path, token, want string }{
		{"/jobs", "", "<!doctype html>"},
		{script[1], "", "import("},
		{"/session", ada, `"namespaces":["` + s.namespace + `"]`},
		{"/session", token, `"user":"system:serviceaccount:weir-system:weir"`},
		{"/session", "", "nobody is signed in"},
		{"/api/v1/namespaces/" + s.namespace + "/configmaps", ada, `"ConfigMapList"`},
		{"/api/v1/namespaces/kube-system/configmaps", ada, `User \"ada\" cannot list`},
		{"/api/v1/nodes", root, `"NodeList"`},
		{"/weir/users", ada, "ada may not list"},
		{"/weir/users", root, `"name":"ada"`},
		{"/weir/explain?apiVersion=kubeflow.org/v1&kind=TFJob&namespace=" + s.namespace + "&name=it", ada, `"state":"Done"`},
		{"/weir/explain?apiVersion=v1&kind=Pod&namespace=" + s.namespace + "&name=none", ada, "not found"},
		{"/weir/s3", ada, "leads nowhere"},
		{"/weir/files/default/it/main?path=/", root, `"reason":"NoRoute"`}, // by which pages know that it is nowhere here
	} {
		if got := getBy(own, "https://"+door+c.path, c.token); !strings.Contains(strings.ToLower(got), strings.ToLower(c.want)) {
			t.Errorf("%s: %.300s, want %s", c.path, got, c.want)
		}
	}

	// A pod finds it by its Service, where it speaks TLS alone.
	s.apply(pod("within", `command:
- python3
- -c
- |
  import ssl, urllib.error, urllib.request
  token = open('/var/run/secrets/kubernetes.io/serviceaccount/token').read()
  def ask(url):
      asked = urllib.request.Request(url, data=b'{}', headers={'Authorization': 'Bearer ' + token})
      try:
          return urllib.request.urlopen(asked, timeout=60, context=ssl._create_unverified_context()).read().decode()
      except urllib.error.HTTPError as e:
          return e.read().decode()
  print(ask('http://weir.weir-system.svc:443/session'), ask('https://weir.weir-system.svc/weir/tokens'))`))
	if out := s.ends("within", corev1.PodSucceeded); !strings.Contains(out, "this door speaks TLS") || !strings.Contains(out, "is a service account's") {
		t.Errorf("the pod is answered %q", out)
	}

	s.kubectl("create", "serviceaccount", "prometheus")
	w.kubectl(t, "create", "clusterrolebinding", "prometheus", "--clusterrole", "system:monitoring", "--serviceaccount", s.namespace+":prometheus")
	prometheus := strings.TrimSpace(s.kubectl("create", "token", "prometheus"))
	metrics := "https://" + w.forwards(t, "weir-system", "service/weir", "8080") + "/metrics"
	eventually(t, 2*time.Minute, "Prometheus finds the door's metrics", func() (bool, string) {
		said := getBy(own, metrics, prometheus)
		return strings.Contains(said, `weir_front_door_requests_total{code="200",owner="kubernetes"}`), said
	})
	if said := getBy(own, metrics, token); strings.Contains(said, "weir_front_door") {
		t.Errorf("who may not get /metrics is told %.300s", said)
	}
}
