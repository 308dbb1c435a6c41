package e2e_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// work is a job of a chief that does what its line of shell says, and of a
// worker that would work on for ever.
func work(name, policy, chief string) string {
	return `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: ` + name + `}
spec:
  runPolicy: {` + policy + `}
  tfReplicaSpecs:
    Chief:
      template:
        spec:
          terminationGracePeriodSeconds: 0
          containers: [{name: tensorflow, image: "python:3.11", command: [sh, -c, "` + chief + `"]}]
    Worker:
      replicas: 1
      template:
        spec:
          terminationGracePeriodSeconds: 0
          containers: [{name: tensorflow, image: "python:3.11", command: [sleep, "1000"]}]
`
}

// When a job is done its pods stay or go as its policy says.
func TestCleanPodPolicy(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		why  string
		left string
	}{
		"None":    {"Everything stays, to be looked at.", "it-chief-0=Succeeded it-worker-0=Running"},
		"Running": {"What would run for ever goes.", "it-chief-0=Succeeded"},
		"All":     {"Everything goes; the logs are kept.", ""},
	}
	for policy, tc := range cases {
		t.Run(policy, func(t *testing.T) {
			s := begin(t)
			s.apply(work("it", "cleanPodPolicy: "+policy, "echo done"))
			s.becomes("it", "Succeeded", 2*time.Minute)
			s.eventually(time.Minute, "as for its pods: "+tc.why, func() (bool, string) {
				seen := phases(s.pods(""))
				return seen == tc.left, seen
			})
			if out := s.must("logs", "tfjob/it", "--replica", "chief-0"); out != "done\n" {
				t.Errorf("weir logs: %q", out)
			}
		})
	}
}

// A job may say how long it is kept when it is done.
func TestTimeToLive(t *testing.T) {
	s := begin(t)
	s.apply(work("it", "ttlSecondsAfterFinished: 3", "echo done"))
	s.eventually(2*time.Minute, "the job is gone, and its pods with it", func() (bool, string) {
		seen := phases(s.pods(""))
		return s.job("it") == nil && seen == "", seen
	})
	// It was done for no longer than a busy machine may look away.
	if out := s.kubectl("get", "events", "-o", "custom-columns=:.reason"); !strings.Contains(out, "TFJobSucceeded\n") {
		t.Errorf("it went, and was not done:\n%s", out)
	}
	if out := s.must("logs", "tfjob/it", "--replica", "chief-0"); out != "done\n" {
		t.Errorf("weir logs of a job that is gone: %q", out)
	}
}

// A job that takes too long has failed, and works no longer.
func TestActiveDeadline(t *testing.T) {
	s := begin(t)
	s.apply(work("it", "activeDeadlineSeconds: 4, cleanPodPolicy: Running", "sleep 1000"))
	message := s.becomes("it", "Failed", 2*time.Minute)
	if !strings.Contains(message, "active longer than specified deadline") {
		t.Errorf("it failed: %s", message)
	}
	s.eventually(time.Minute, "its pods are gone", func() (bool, string) {
		seen := phases(s.pods(""))
		return seen == "", seen
	})
	if a := s.ask(t, "", "explain", "tfjob/it", "-n", s.namespace); a.code != 2 || !strings.Contains(a.out, "deadline") {
		t.Errorf("weir explain: exit code %d: %s%s", a.code, a.out, a.err)
	}
}

// Replicas that crash over and over end their job when it has had enough.
func TestBackoffLimit(t *testing.T) {
	s := begin(t)
	s.apply(strings.Replace(work("it", "backoffLimit: 2", "sleep 1; exit 1"), "    Chief:\n", "    Chief:\n      restartPolicy: OnFailure\n", 1))
	message := s.becomes("it", "Failed", 3*time.Minute)
	if !strings.Contains(message, "reached the specified backoff limit") {
		t.Errorf("it failed: %s", message)
	}
}

// A job that is suspended has no pods, and has them again when it goes on.
func TestSuspend(t *testing.T) {
	s := begin(t)
	s.apply(work("it", "suspend: false", "sleep 1000"))
	s.becomes("it", "Running", 2*time.Minute)
	first, _ := s.pod("it-chief-0")

	s.suspend("true")
	s.becomes("it", "Suspended", time.Minute)
	s.eventually(time.Minute, "it has no pods", func() (bool, string) {
		seen := phases(s.pods(""))
		return seen == "", seen
	})

	s.suspend("false")
	s.becomes("it", "Running", 2*time.Minute)
	s.eventually(time.Minute, "it has pods again, and new ones", func() (bool, string) {
		p, ok := s.pod("it-chief-0")
		if !ok {
			return false, "no pod it-chief-0"
		}
		return p.UID != first.UID && p.Status.Phase == corev1.PodRunning, said(p)
	})
	if _, is := condition(s.job("it"), "Suspended"); is {
		t.Error("it is still called suspended")
	}
}

func (s *story) suspend(is string) {
	s.Helper()
	s.kubectl("patch", "tfjob", "it", "--type=merge", "-p", `{"spec":{"runPolicy":{"suspend":`+is+`}}}`)
}

// A job that makes no sense is refused when it is created, with what is wrong.
func TestJobThatMakesNoSense(t *testing.T) {
	s := begin(t)
	cases := map[string]struct{ why, manifest, says string }{
		"NoContainer": {
			"Nothing else would tell which container trains.",
			strings.ReplaceAll(work("it", "", "true"), "name: tensorflow", "name: main"), "tensorflow",
		},
		"TwoLeaders": {
			"One leads.",
			strings.Replace(work("it", "", "true"), "    Worker:", "    Master:", 1), "Chief or Master",
		},
		"BadName": {
			"Its pods could not be reached by names.",
			work("1it", "", "true"), "1it",
		},
		"NoReplicas": {
			"There would be nothing to do.",
			"{apiVersion: kubeflow.org/v1, kind: TFJob, metadata: {name: it}, spec: {}}", "tfReplicaSpecs",
		},
		"BadPolicy": {
			"A slip would pass for none.",
			work("it", "cleanPodPolicy: Sometimes", "true"), "Sometimes",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := s.ask(t, tc.manifest, "kubectl", "apply", "-n", s.namespace, "-f", "-")
			if a.code == 0 || !strings.Contains(a.err, tc.says) {
				t.Errorf("it is not refused for %q, but: exit code %d: %s%s. %s", tc.says, a.code, a.out, a.err, tc.why)
			}
		})
	}
}
