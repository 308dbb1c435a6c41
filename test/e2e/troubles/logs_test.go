package troubles_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A job is followed to its end: every line of every replica, once, and each
// replica's in its order. When the job has been deleted its logs are still there.
func TestLogsOfAJob(t *testing.T) {
	t.Parallel()
	const lines = 200
	newNamespace(t, "logs")
	print := fmt.Sprintf(`command: [sh, -c, "for i in $(seq %d); do echo line $i; [ $((i %% 50)) -ne 0 ] || sleep 0.3; done"]`, lines)
	// Without the policy the first worker's end is the job's, and the others are stopped.
	kubectl(t, tfjob("successPolicy: AllWorkers", worker(3, print)), "apply", "-n", "logs", "-f", "-")

	followed := call(t, "", "logs", "tfjob/it", "-n", "logs", "-f")
	if followed.Code != 0 {
		t.Fatalf("weir logs -f: exit code %d: %s", followed.Code, followed.Err)
	}
	var want []string
	for i := range lines {
		want = append(want, fmt.Sprintf("line %d", i+1))
	}
	check := func(how, out string) {
		t.Helper()
		got := map[string][]string{}
		for line := range strings.Lines(out) {
			name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
			name = strings.TrimSpace(name)
			got[name] = append(got[name], text)
		}
		for _, replica := range []string{"worker-0", "worker-1", "worker-2"} {
			if diff := cmp.Diff(want, got[replica]); diff != "" {
				t.Errorf("%s, %s: -want, +got:\n%s", how, replica, diff)
			}
		}
	}
	check("followed", followed.Out)
	check("finished", call(t, "", "logs", "tfjob/it", "-n", "logs").Out)

	kubectl(t, "", "delete", "tfjob", "it", "-n", "logs")
	poll(t, "the pods are gone", func() (bool, string) {
		out := kubectl(t, "", "get", "pods", "-n", "logs", "-o", "name")
		return out == "", out
	})
	check("deleted", call(t, "", "logs", "tfjob/it", "-n", "logs").Out)
	if got, want := call(t, "", "logs", "tfjob/it", "-n", "logs", "--replica", "worker-1").Out, strings.Join(want, "\n")+"\n"; got != want {
		t.Errorf("one replica: %q, want %q", got, want)
	}
}

// A container that is started again has a log for each time.
func TestLogsOfEachStart(t *testing.T) {
	t.Parallel()
	newNamespace(t, "starts")
	kubectl(t, podWith("restartPolicy: OnFailure\n  volumes: [{name: v, emptyDir: {}}]",
		"volumeMounts: [{name: v, mountPath: /v}]\n    command: [sh, -c, \"if [ -e /v/seen ]; then echo second; sleep 1000; fi; touch /v/seen; echo first; exit 1\"]"),
		"apply", "-n", "starts", "-f", "-")
	poll(t, "the second start prints", func() (bool, string) {
		a := call(t, "", "logs", "pod/it", "-n", "starts")
		return a.Out == "second\n", a.Out + a.Err
	})
	if got, want := call(t, "", "logs", "pod/it", "-n", "starts", "--previous").Out, "first\n"; got != want {
		t.Errorf("--previous: %q, want %q", got, want)
	}
}

// Where nothing has been printed the reason is said instead.
func TestLogsOfWhatCannotStart(t *testing.T) {
	t.Parallel()
	newNamespace(t, "silent")
	kubectl(t, pod(`envFrom: [{configMapRef: {name: settings}}]`), "apply", "-n", "silent", "-f", "-")
	poll(t, "the reason is said", func() (bool, string) {
		a := call(t, "", "logs", "pod/it", "-n", "silent")
		return a.Code == 1 && strings.Contains(a.Err, `pod/it has printed nothing yet. Pod it needs ConfigMap "settings", which does not exist.`), a.Err
	})
}
