package gateway

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// A Snippet is what one pastes to have a program come in by a token. Each works as
// it is, where the program is installed.
type Snippet struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// snippets are for whoever has just made a token of some scopes, and may do
// something in a namespace.
func (g *Gateway) snippets(r *http.Request, user, token string, scopes []string, namespace string) []Snippet {
	all := []Snippet{{"shell", "Shell", fmt.Sprintf("export WEIR_URL=%s://%s\nexport WEIR_TOKEN=%s\n", schemeOf(r), r.Host, token)}}
	if inScope(scopes, "kubernetes") {
		all = append(all, g.kubernetesSnippets(r, user, token, namespace)...)
	}
	if len(scopes) == 0 && g.store != nil && g.store.config.Dial != nil { // It asks for keys of S3.
		all = append(all, g.runSnippet(r, token, namespace))
	}
	if inScope(scopes, "images") {
		all = append(all, Snippet{"docker", "docker", fmt.Sprintf("echo %s | docker login --username any --password-stdin %s\n", token, r.Host)})
	}
	return all
}

func (g *Gateway) kubernetesSnippets(r *http.Request, user, token, namespace string) []Snippet {
	file := "(umask 077; cat > weir.kubeconfig) <<'END'\n" + g.kubeconfig(r, user, token) + "END\n"
	python := g.python(r, token)
	named := strconv.Quote(namespace)
	return []Snippet{
		{"kubectl", "kubectl", file + fmt.Sprintf("kubectl --kubeconfig weir.kubeconfig get pods -n %s\n", namespace)},
		{"weir", "weir", file + fmt.Sprintf("# weir run, weir watch, weir logs and weir explain take --kubeconfig, too.\nweir kubectl --kubeconfig weir.kubeconfig get pods -n %s\n", namespace)},
		{"kubernetes", "Python, with kubernetes", python + fmt.Sprintf(`api = client.CoreV1Api(client.ApiClient(configuration))
print([pod.metadata.name for pod in api.list_namespaced_pod(%s).items])
`, named)},
		{"kubeflow-training", "Python, with kubeflow-training", "from kubeflow.training import TrainingClient\n" + python + fmt.Sprintf(`jobs = TrainingClient(client_configuration=configuration, namespace=%s)
print([job.metadata.name for job in jobs.list_jobs(job_kind="TFJob")])
`, named)},
		{"kubeflow", "Python, with kubeflow", "from kubeflow.common.types import KubernetesBackendConfig\nfrom kubeflow.trainer import TrainerClient\n" + python + fmt.Sprintf(`trainer = TrainerClient(KubernetesBackendConfig(namespace=%s, client_configuration=configuration))
print([job.name for job in trainer.list_jobs()])
`, named)},
	}
}

// runSnippet runs a function by weir's own client.
func (g *Gateway) runSnippet(r *http.Request, token, namespace string) Snippet {
	authority := ""
	if pem := g.authority(r); pem != nil && r.TLS != nil {
		authority = fmt.Sprintf(`, authority="""%s"""`, pem)
	}
	return Snippet{"weir-python", "Python, with weir", fmt.Sprintf(`# In a file, or a cell of a notebook.
import weir

weir.connect("%s://%s", "%s"%s)


def hello():
    print("hello from a pod")


weir.run(hello, namespace=%q)
`, schemeOf(r), r.Host, token, authority, namespace)}
}

// python has a client of Kubernetes for Python know the door and the token.
func (g *Gateway) python(r *http.Request, token string) string {
	var b strings.Builder
	authority := g.authority(r)
	if r.TLS == nil {
		authority = nil
	}
	if authority != nil {
		b.WriteString("import tempfile\n")
	}
	fmt.Fprintf(&b, `from kubernetes import client

configuration = client.Configuration(host="%s://%s", api_key={"authorization": "Bearer %s"})
`, schemeOf(r), r.Host, token)
	if authority != nil {
		fmt.Fprintf(&b, `with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
    file.write("""%s""")
configuration.ssl_ca_cert = file.name
`, authority)
	}
	return b.String()
}

// authority is the certificate by which a client knows the door at the host that it
// asked for; nil if it does by itself.
func (g *Gateway) authority(r *http.Request) []byte {
	if g.config.Authority == nil {
		return nil
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return g.config.Authority(host)
}
