package packaging

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/kit/s3"
	"github.com/weir-ml/weir/platform/admission"
)

// Each framework has its kind, with replicas that its rules allow.
func TestManifest(t *testing.T) {
	cases := map[string]struct {
		run      Run
		kind     string
		replicas map[string]int32
		err      string
	}{
		"Plain":             {run: Run{}, kind: "Job"},
		"TensorFlow":        {run: Run{Framework: TensorFlow, Workers: 3, ParameterServers: 2}, kind: "TFJob", replicas: map[string]int32{"Worker": 3, "PS": 2}},
		"PyTorch":           {run: Run{Framework: PyTorch, Workers: 3}, kind: "PyTorchJob", replicas: map[string]int32{"Master": 1, "Worker": 2}},
		"PyTorchAlone":      {run: Run{Framework: PyTorch}, kind: "PyTorchJob", replicas: map[string]int32{"Master": 1}},
		"XGBoost":           {run: Run{Framework: XGBoost, Workers: 2}, kind: "XGBoostJob", replicas: map[string]int32{"Master": 1, "Worker": 1}},
		"JAX":               {run: Run{Framework: JAX, Workers: 2}, kind: "JAXJob", replicas: map[string]int32{"Worker": 2}},
		"Paddle":            {run: Run{Framework: Paddle, Workers: 2}, kind: "PaddleJob", replicas: map[string]int32{"Worker": 2}},
		"MPI":               {run: Run{Framework: MPI, Workers: 3}, kind: "MPIJob", replicas: map[string]int32{"Launcher": 1, "Worker": 2}},
		"Unknown":           {run: Run{Framework: "caffe"}, err: `framework "caffe": there is jax, mpi, paddle, pytorch, tensorflow, xgboost`},
		"ServersForPyTorch": {run: Run{Framework: PyTorch, ParameterServers: 1}, err: "only TensorFlow's jobs have any"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.run.Name, c.run.Namespace, c.run.Code, c.run.Command, c.run.Image = "train-x", "ada", "s3://weir-code/ab.tar", []string{"python", "train.py"}, "python:3"
			o, err := c.run.Manifest()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o.GetKind() != c.kind || o.GetName() != "train-x" || o.GetNamespace() != "ada" {
				t.Errorf("it is %s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
			}
			if c.replicas == nil {
				return
			}
			job := jobOf(t, o)
			got := map[string]int32{}
			for kind, r := range job.Replicas() {
				got[string(kind)] = *r.Replicas
			}
			if diff := cmp.Diff(c.replicas, got); diff != "" {
				t.Errorf("replicas (-want +got):\n%s", diff)
			}
			job.Default()
			if problems := job.Validate(); len(problems) > 0 {
				t.Errorf("it would be refused: %v", problems)
			}
		})
	}
}

func jobOf(t *testing.T, o *unstructured.Unstructured) training.Job {
	t.Helper()
	job := map[string]training.Job{
		"TFJob": &training.TFJob{}, "PyTorchJob": &training.PyTorchJob{}, "XGBoostJob": &training.XGBoostJob{}, "JAXJob": &training.JAXJob{}, "PaddleJob": &training.PaddleJob{}, "MPIJob": &training.MPIJob{},
	}[o.GetKind()]
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, job); err != nil {
		t.Fatal(err)
	}
	return job
}

// All that can be asked for is in the manifest, and nothing that says nothing.
func TestManifestInFull(t *testing.T) {
	run := Run{
		Name: "train-x", Namespace: "ada", Code: "s3://weir-code/ab.tar", Command: []string{"python", "train.py", "--epochs", "5"}, Image: "python:3.12",
		Packages: []string{"numpy<2", "pandas"}, Variables: []corev1.EnvVar{{Name: "A", Value: "b"}},
		Resources: corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("1Gi"), "nvidia.com/gpu": resource.MustParse("1")},
		Data:      []Data{{From: "s3://digits/train", To: "/data"}}, Output: "/out", Timeout: 90 * time.Second, Retries: 2,
	}
	o, err := run.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), strings.ReplaceAll(string(text), "- |\n"+indented(bootstrap), "- BOOTSTRAP\n")); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

// indented is a text as it stands in the manifest.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(strings.Repeat(" ", 10))
		}
		b.WriteString(line)
	}
	return b.String()
}

// A pod is a bootstrap on a machine: with a real store, and the Python that is
// here, a folder goes there, is run, and what it leaves comes back.
func TestBootstrap(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no Python")
	}
	store, access := serve(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "train.py"), `
import os, sys
print(sys.argv[1:], open("/".join(["da ta", "ünï.txt"])).read(), open(os.environ["DATA"] + "/deep/a.csv").read())
os.makedirs("out/sub", exist_ok=True)
open("out/sub/mödel.bin", "w").write("weights")
print("to the errors", file=sys.stderr)
sys.exit(7)
`)
	write(t, filepath.Join(dir, "da ta/ünï.txt"), "höre")
	url := put(t, store, dir, true)
	if again := put(t, store, dir, false); again != url {
		t.Errorf("the same folder is %s, and before %s", again, url)
	}
	for _, bucket := range []string{"digits", OutputBucket} {
		if err := store.MakeBucket(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"train/deep/a.csv", "training/b.csv"} {
		if _, err := store.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("digits"), Key: &key, Body: strings.NewReader(key)}); err != nil {
			t.Fatal(err)
		}
	}
	pod := func(variables ...string) (string, string, int) {
		t.Helper()
		c := exec.Command(python, "-c", bootstrap, "python3", "train.py", "a b")
		c.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+access.Endpoint, "AWS_ACCESS_KEY_ID="+access.AccessKey, "AWS_SECRET_ACCESS_KEY="+access.SecretKey, "AWS_REGION="+access.Region,
			"WEIR_FOLDER="+t.TempDir(), "WEIR_CODE="+url)
		c.Env = append(c.Env, variables...)
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		_ = c.Run() // How it ends is in its exit code.
		return out.String(), errs.String(), c.ProcessState.ExitCode()
	}

	data := t.TempDir()
	out, errs, code := pod("DATA="+data, `WEIR_DATA=[{"from": "s3://digits/train", "to": "`+data+`"}]`, "WEIR_OUTPUT=out", "WEIR_OUTPUT_TO=s3://weir-outputs/ada/train-x")
	if want := "['a b'] höre train/deep/a.csv\n"; out != want || code != 7 {
		t.Errorf("it printed %q and ended with %d; want %q and 7\n%s", out, code, want, errs)
	}
	if !strings.Contains(errs, "to the errors") || !strings.Contains(errs, "weir: put 1 file into s3://weir-outputs/ada/train-x") {
		t.Errorf("errors:\n%s", errs)
	}
	if _, err := os.Stat(filepath.Join(data, "b.csv")); err == nil {
		t.Error("what lies beside the data was brought as well")
	}
	parts, err := store.Outputs(t.Context(), "ada", "train-x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Part{{"sub/mödel.bin", 7}}, parts); diff != "" {
		t.Fatalf("outputs (-want +got):\n%s", diff)
	}
	back := t.TempDir()
	if err := store.Fetch(t.Context(), "ada", "train-x", parts, back); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(back, "sub/mödel.bin")); err != nil || string(text) != "weights" {
		t.Errorf("it came back as %q, %v", text, err)
	}

	for name, c := range map[string]struct{ variable, says string }{
		"BadKeys": {"AWS_SECRET_ACCESS_KEY=wrong", "403"},
		"NoCode":  {"WEIR_CODE=s3://weir-code/" + strings.Repeat("0", 64) + ".tar", "404"},
		"NoData":  {`WEIR_DATA=[{"from": "s3://digits/nothing/", "to": "` + t.TempDir() + `"}]`, "there is nothing in s3://digits/nothing/"},
	} {
		if _, errs, code := pod(c.variable); code != 125 || !strings.Contains(errs, c.says) {
			t.Errorf("%s: code %d, %s; want 125 and %q", name, code, errs, c.says)
		}
	}
}

// A large file is an object of its own, which a change beside it does not carry
// again, and comes back as it was.
func TestLargeFiles(t *testing.T) {
	store, access := serve(t)
	dir := t.TempDir()
	large := bytes.Repeat([]byte("large"), largeFile/4)
	write(t, filepath.Join(dir, "da ta/large ü.bin"), string(large))
	chmod(t, filepath.Join(dir, "da ta/large ü.bin"), 0o755)
	write(t, filepath.Join(dir, "train.py"), "import os; s = os.stat('da ta/large ü.bin'); print(s.st_size, oct(s.st_mode), os.listdir('.'))")
	send := func() (string, int64) {
		t.Helper()
		b := packed(t, dir)
		sent, err := store.Put(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return b.URL(), sent
	}
	_, first := send()
	if first < int64(len(large)) {
		t.Errorf("%d bytes were sent of %d", first, len(large))
	}
	write(t, filepath.Join(dir, "more.py"), "")
	url, second := send()
	if second == 0 || second > 1<<20 {
		t.Errorf("a small change sends %d bytes", second)
	}
	c := exec.Command("python3", "-c", bootstrap, "python3", "train.py")
	c.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+access.Endpoint, "AWS_ACCESS_KEY_ID="+access.AccessKey, "AWS_SECRET_ACCESS_KEY="+access.SecretKey, "AWS_REGION="+access.Region,
		"WEIR_FOLDER="+t.TempDir(), "WEIR_CODE="+url)
	out, err := c.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "5242880 0o100755 ") || strings.Contains(string(out), ".weir") {
		t.Errorf("%v: %s", err, out)
	}
}

// Code that is not what its name says is not run.
func TestBootstrapOfDamagedCode(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no Python")
	}
	store, access := serve(t)
	if err := store.MakeBucket(t.Context(), CodeBucket); err != nil {
		t.Fatal(err)
	}
	key := strings.Repeat("a", 64) + ".tar"
	if _, err := store.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(CodeBucket), Key: &key, Body: strings.NewReader("not that")}); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(python, "-c", strings.Replace(bootstrap, "range(5)", "range(4, 5)", 1), "true")
	c.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+access.Endpoint, "AWS_ACCESS_KEY_ID="+access.AccessKey, "AWS_SECRET_ACCESS_KEY="+access.SecretKey, "AWS_REGION="+access.Region,
		"WEIR_FOLDER="+t.TempDir(), "WEIR_CODE=s3://weir-code/"+key)
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "is damaged") {
		t.Errorf("%v: %s", err, out)
	}
}

// serve serves an empty store.
func serve(t *testing.T) (*Store, Access) {
	t.Helper()
	return serveIn(t, t.TempDir())
}

func serveIn(t *testing.T, dir string) (*Store, Access) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	access := Access{Endpoint: "http://" + l.Addr().String(), Region: "us-east-1", AccessKey: "weir", SecretKey: "secret-of-the-tests"}
	ctx, stop := context.WithCancel(context.Background())
	server, err := s3.Start(ctx, s3.Config{Dir: dir, Listeners: []net.Listener{l}, AccessKey: access.AccessKey, SecretKey: access.SecretKey, Region: access.Region})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); <-server.Done() })
	store, err := Open(access)
	if err != nil {
		t.Fatal(err)
	}
	return store, access
}

// put carries a folder to the store, which has it already or not.
func put(t *testing.T, store *Store, dir string, want bool) string {
	t.Helper()
	b := packed(t, dir)
	sent, err := store.Put(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if (sent > 0) != want {
		t.Errorf("sent %d bytes, want some: %t", sent, want)
	}
	return b.URL()
}

// The client for Python fills in manifests that are made here. After a change of
// these they are written anew with: WEIR_WRITE_TEMPLATES=1 go test ./platform/packaging -run Templates
func TestTemplatesOfThePythonClient(t *testing.T) {
	templates := map[string]any{}
	for _, f := range append(Frameworks(), "") {
		o, err := Run{
			Name: "NAME", Namespace: "NAMESPACE", Code: "CODE", Image: "IMAGE", Command: []string{"COMMAND"}, Packages: []string{"PACKAGES"},
			Framework: f, Workers: 3, Output: "OUTPUT",
		}.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		pods := []any{o.Object["spec"]}
		for _, field := range o.Object["spec"].(map[string]any) {
			if types, ok := field.(map[string]any); ok && types["template"] == nil && types["Worker"] != nil {
				pods = slices.Collect(maps.Values(types))
			}
		}
		for _, p := range pods {
			template := p.(map[string]any)["template"].(map[string]any)
			unstructured.RemoveNestedField(template, "metadata", "annotations")
			unstructured.RemoveNestedField(template, "metadata", "labels", admission.Packages)
			c := template["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
			c["command"].([]any)[2] = "BOOTSTRAP"
			c["env"] = append(c["env"].([]any), map[string]any{"name": "WEIR_DATA", "value": "DATA"})
		}
		templates[string(f)] = o.Object
	}
	want, err := json.MarshalIndent(map[string]any{"bootstrap": bootstrap, "manifests": templates}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	file := filepath.Join("..", "..", "python", "weir", "src", "weir", "templates.json")
	if os.Getenv("WEIR_WRITE_TEMPLATES") != "" {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what manifests are now: write it anew with: WEIR_WRITE_TEMPLATES=1 go test ./platform/packaging -run Templates", file)
	}
}
