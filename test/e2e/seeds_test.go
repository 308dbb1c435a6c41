package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// trainer stands for a training program: it finds out who it is and where the
// others are, and ends when it has talked to all of them.
const trainer = `
import json, os, socket, sys, threading, time

config = json.loads(os.environ["TF_CONFIG"])
cluster, task = config["cluster"], config["task"]
me = f'{task["type"]} {task["index"]}'
everybody = {f"{kind} {i}" for kind, addresses in cluster.items() for i in range(len(addresses))}
heard = set()

def serve():
    server = socket.create_server(("", int(cluster[task["type"]][task["index"]].rsplit(":", 1)[1])))
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as lines:
            who = lines.readline().strip()
            print(me, file=lines, flush=True)
            heard.add(who)

threading.Thread(target=serve, daemon=True).start()
print(me, "was called with", *sys.argv[1:], flush=True)
deadline = time.time() + 180
for kind, addresses in sorted(cluster.items()):
    for i, address in enumerate(addresses):
        name, port = address.rsplit(":", 1)
        while True:
            try:
                with socket.create_connection((name, int(port)), timeout=5) as connection, connection.makefile("rw") as lines:
                    print(me, file=lines, flush=True)
                    other = lines.readline().strip()
                if other:
                    break
            except OSError as problem:
                if time.time() > deadline:
                    sys.exit(f"{me} cannot reach {address}: {problem}")
            time.sleep(0.2)
        if other != f"{kind} {i}":
            sys.exit(f"{address} is {other}, not {kind} {i}")
        print(me, "reached", other, flush=True)
while heard != everybody:
    if time.time() > deadline:
        sys.exit(f"{me} has not heard of {everybody - heard}")
    time.sleep(0.1)
if task["type"] == "ps":
    time.sleep(3600)
`

// Jobs as books printed them, of images that nobody has: once these are mapped
// to an environment of the reader's they run to their end.
func TestJobsOfBooks(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		why       string
		manifest  func(t *testing.T) string
		namespace string
		replicas  []string
		called    string
	}{
		"Mnist": {
			why: "The image's own program runs. As printed its reference is malformed, which weir explains; here it is put right.",
			manifest: func(t *testing.T) string {
				return strings.ReplaceAll(seed(t, "tfjob-mnist.yaml"), "docker.io//", "docker.io/")
			},
			namespace: "book",
			replicas:  []string{"ps-0", "ps-1", "worker-0", "worker-1"},
		},
		"PSWorkers": {
			why:       "A module of the image is run, by a job whose name the server makes.",
			manifest:  func(t *testing.T) string { return seed(t, "tfjob-ps-workers.yaml") },
			namespace: "your-user-namespace",
			replicas:  []string{"ps-0", "worker-0", "worker-1", "worker-2"},
			called:    " --batch_size=32 --training_steps=1000",
		},
		"OwnProgram": {
			why: "The first, in our own words.",
			manifest: func(*testing.T) string {
				return `{apiVersion: kubeflow.org/v1, kind: TFJob, metadata: {name: words}, spec: {tfReplicaSpecs: {
					PS: {replicas: 2, restartPolicy: Never, template: {spec: {containers: [{name: tensorflow, image: "tf-dist-mnist-test:1.0"}]}}},
					Worker: {replicas: 2, restartPolicy: Never, template: {spec: {containers: [{name: tensorflow, image: "tf-dist-mnist-test:1.0"}]}}}}}}`
			},
			namespace: "own-program",
			replicas:  []string{"ps-0", "ps-1", "worker-0", "worker-1"},
		},
		"OwnModule": {
			why: "The second, in our own words.",
			manifest: func(*testing.T) string {
				return `{apiVersion: kubeflow.org/v1, kind: TFJob, metadata: {generateName: words-}, spec: {tfReplicaSpecs: {
					PS: {replicas: 1, restartPolicy: OnFailure, template: {spec: {containers: [{name: tensorflow, image: gcr.io/your-project/your-image, command: [python, -m, trainer.task, --training_steps=10]}]}}},
					Worker: {replicas: 3, restartPolicy: OnFailure, template: {spec: {containers: [{name: tensorflow, image: gcr.io/your-project/your-image, command: [python, -m, trainer.task, --training_steps=10]}]}}}}}}`
			},
			namespace: "own-module",
			replicas:  []string{"ps-0", "worker-0", "worker-1", "worker-2"},
			called:    " --training_steps=10",
		},
	}
	python := trainersPython(t)
	shared.writeMapping(t, "tf-dist-mnist-test:1.0", map[string]any{"python": python, "entrypoint": []string{"python", "-m", "trainer.task"}})
	shared.mapTo(t, "gcr.io/your-project/your-image", "--python", python)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest := tc.manifest(t)
			s := shared.storyIn(t, tc.namespace)
			a := s.ask(t, manifest, "kubectl", "create", "-n", tc.namespace, "-f", "-", "-o", "name")
			if a.code != 0 {
				t.Fatalf("kubectl create: %s", a.err)
			}
			job := strings.TrimPrefix(strings.TrimSpace(a.out), "tfjob.kubeflow.org/")
			s.becomes(job, "Succeeded", 4*time.Minute)
			for _, me := range tc.replicas {
				// A job is done when its first worker is; others may have a line to say.
				s.eventually(time.Minute, me+" has reached all others", func() (bool, string) {
					out := s.ask(t, "", "logs", "tfjob/"+job, "--replica", me, "-n", tc.namespace).out
					for _, other := range tc.replicas {
						if !strings.Contains(out, spaced(me)+" reached "+spaced(other)+"\n") {
							return false, out
						}
					}
					return strings.Contains(out, "was called with"+tc.called+"\n"), out
				})
			}
		})
	}
}

// spaced is a replica's name as the trainer says it.
func spaced(replica string) string { return strings.Replace(replica, "-", " ", 1) }

// trainersPython is a virtual environment in which the trainer is installed.
func trainersPython(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "venv")
	if out, err := exec.Command("python3", "-m", "venv", "--without-pip", dir).CombinedOutput(); err != nil {
		t.Fatalf("make a virtual environment: %v: %s", err, out)
	}
	site, err := filepath.Glob(filepath.Join(dir, "lib", "python3*", "site-packages"))
	if err != nil || len(site) != 1 {
		t.Fatalf("the virtual environment has site-packages %v (%v)", site, err)
	}
	write(t, filepath.Join(site[0], "trainer", "__init__.py"), "")
	write(t, filepath.Join(site[0], "trainer", "task.py"), trainer)
	return dir
}

// settings are written by one person at a time.
var settings sync.Mutex

// mapTo says what an image means, on the command line.
func (w *weir) mapTo(t *testing.T, image string, means ...string) {
	t.Helper()
	settings.Lock()
	defer settings.Unlock()
	w.must(t, append([]string{"environment", "add", image}, means...)...)
}

// writeMapping does so in weir.yaml, as a person would with an editor: whoever
// reads meanwhile reads the file of before.
func (w *weir) writeMapping(t *testing.T, image string, means map[string]any) {
	t.Helper()
	settings.Lock()
	defer settings.Unlock()
	file := filepath.Join(w.dir, "weir.yaml")
	all := map[string]any{}
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	means["image"] = image
	environments, _ := all["environments"].([]any)
	all["environments"] = append([]any{means}, environments...)
	if data, err = yaml.Marshal(all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// seed is a manifest as it was printed in a book. They are not part of the
// sources.
func seed(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		t.Skip("WEIR_SHARED is not set: the manifest is not here")
	}
	data, err := os.ReadFile(filepath.Join(dir, "seeds", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
