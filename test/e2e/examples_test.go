package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-ml/weir/kit/environment"
)

// needsFull is said by stories that need PyTorch or what is built on it, which is
// gigabytes.
func needsFull(t *testing.T) {
	t.Helper()
	if os.Getenv("WEIR_E2E_FULL") == "" {
		t.Skip("it needs PyTorch: make e2e-full runs it")
	}
}

// A trainingExample is a job of the examples that people are given. It trains over
// several replicas, says its loss, its accuracy and where its model is.
type trainingExample struct {
	folder, job string
	decides     string // the replica that says it
	heavy       bool   // needs PyTorch
}

var trainingExamples = map[string]trainingExample{
	"XGBoost":  {folder: "xgboost", job: "xgboostjob/xgboost-digits", decides: "master-0"},
	"LightGBM": {folder: "lightgbm", job: "xgboostjob/lightgbm-digits", decides: "master-0"},
	"JAX":      {folder: "jax", job: "jaxjob/jax-digits", decides: "worker-0"},
	"Paddle":   {folder: "paddle-collective", job: "paddlejob/paddle-digits", decides: "worker-0"},
	"PyTorch":  {folder: "pytorch-ddp", job: "pytorchjob/pytorch-digits", decides: "master-0", heavy: true},
}

// The example does what its README says: its loss falls, it guesses well, and
// its model is in S3.
func (e trainingExample) trains(t *testing.T) {
	if e.heavy {
		needsFull(t)
	}
	s := shared.byDefault(t)
	s.follow(e.folder)
	s.becomes(e.job, "Succeeded", time.Minute)
	s.hasLearnt(s.must("logs", e.job, "--replica", e.decides))
}

// hasLearnt looks at what a training has printed and left in S3.
func (s *story) hasLearnt(out string) {
	s.Helper()
	all := regexp.MustCompile(`loss:? ?(\d+\.\d+)`).FindAllStringSubmatch(out, -1)
	if len(all) < 2 {
		s.Fatalf("no losses:\n%s", out)
	}
	first, _ := strconv.ParseFloat(all[0][1], 64)
	if last, _ := strconv.ParseFloat(all[len(all)-1][1], 64); last > first/2 {
		s.Errorf("the loss does not fall:\n%s", out)
	}
	if accuracyIn(out) < 0.9 {
		s.Errorf("it has not learnt much:\n%s", out)
	}
	model := regexp.MustCompile(`model: s3://([^/\s]+)/(\S+)`).FindStringSubmatch(out)
	if model == nil {
		s.Fatalf("no word of a model:\n%s", out)
	}
	if len(s.bucketThere(s.T, model[1]).get(model[2])) < 1000 {
		s.Errorf("%s is no model", model[0])
	}
}

// Whoever adds an example adds it to the stories.
func TestEveryExampleIsFollowed(t *testing.T) {
	known := []string{"digits", "mpi-pi", "parameter-server", "pytorch-elastic", "trainjob"}
	for _, e := range trainingExamples {
		known = append(known, e.folder)
	}
	readmes, err := filepath.Glob("../../examples/training/*/README.md")
	if err != nil || len(readmes) == 0 {
		t.Fatalf("READMEs: %v, %v", readmes, err)
	}
	for _, readme := range readmes {
		if folder := filepath.Base(filepath.Dir(readme)); !slices.Contains(known, folder) {
			t.Errorf("no story follows %s", readme)
		}
	}
}

// byDefault begins a story where READMEs happen: in the default namespace.
func (w *weir) byDefault(t *testing.T) *story {
	t.Helper()
	s := &story{t, w, "default"}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.howThingsStand())
		}
	})
	return s
}

// follow types the commands of an example's README into a shell, whose Python
// has what the image named has, and returns what came back.
func (s *story) follow(folder string, image ...string) string {
	s.Helper()
	readme, err := os.ReadFile(filepath.Join(example(s.T, folder), "README.md"))
	if err != nil {
		s.Fatal(err)
	}
	script := "set -e\n"
	for _, command := range regexp.MustCompile(`(?m)^\$ .*$`).FindAllString(string(readme), -1) {
		script += strings.TrimPrefix(command, "$ ") + "\n"
	}
	path := filepath.Dir(s.binary)
	for _, name := range image {
		path = filepath.Join(s.environment(name).Folders[0].Source, "bin") + ":" + path
	}
	ctx, cancel := context.WithTimeout(s.Context(), tensorflowFor)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", script)
	bash.Dir = filepath.Join("..", "..")
	bash.Env = append(os.Environ(), "WEIR_DIR="+s.dir, "KUBECONFIG=", "PATH="+path+":"+os.Getenv("PATH"))
	bash.WaitDelay = time.Second
	out, err := bash.CombinedOutput()
	if err != nil {
		s.Fatalf("the README of %s: %v\n%s%s", folder, err, script, out)
	}
	return string(out)
}

// environment is the environment of an image that is known to weir, built if
// need be.
func (s *story) environment(image string) *environment.Environment {
	s.Helper()
	store := s.environments()
	recipe, ok := store.Find(image)
	if !ok {
		s.Fatalf("nothing stands for %s", image)
	}
	return s.build(store, recipe)
}

// environments are those that stay from one run of the tests to the next.
func (s *story) environments() *environment.Store {
	s.Helper()
	dir, err := environments()
	if err != nil {
		s.Fatal(err)
	}
	store, err := environment.Open(dir, environment.Options{})
	if err != nil {
		s.Fatal(err)
	}
	return store
}

func (s *story) build(store *environment.Store, recipe environment.Recipe) *environment.Environment {
	s.Helper()
	built, err := store.Build(s.Context(), recipe, func(said string) { s.Log(said) })
	if err != nil {
		s.Fatal(err)
	}
	return built
}
