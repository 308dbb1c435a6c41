package job

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
)

func TestRule(t *testing.T) {
	master, workers := Rule{Kind: "J", Decides: "Master"}, Rule{Kind: "J", Decides: "Worker", Equal: true}
	strict, anyOf := master, workers
	strict.Strict, anyOf.Any = true, true
	const (
		never, onFailure, exitCode = training.RestartNever, training.RestartOnFailure, training.RestartExitCode
		running, done, lost        = corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed
	)
	cases := map[string]struct {
		why    string
		rule   Rule
		policy training.RestartPolicy
		pods   map[string]corev1.PodPhase
		want   Verdict
	}{
		"Nothing": {"Before anything runs there is nothing to say.", master, never, nil, Verdict{}},
		"MasterRuns": {"The job runs when its master does.", master, never, map[string]corev1.PodPhase{"master-0": running},
			Verdict{Condition: training.JobRunning, Message: "J mnist is running."}},
		"MasterWaits": {"Workers that wait for their master do not make a running job.", master, never, map[string]corev1.PodPhase{"worker-0": running}, Verdict{}},
		"MasterDone": {"When the master is done the job is, whatever became of the others.", master, never, map[string]corev1.PodPhase{"master-0": done, "worker-0": lost},
			Verdict{Condition: training.JobSucceeded, Message: "J mnist is successfully completed."}},
		"WorkersRun": {"Among equals, any that runs makes a running job.", workers, never, map[string]corev1.PodPhase{"worker-1": running},
			Verdict{Condition: training.JobRunning, Message: "J ada/mnist is running."}},
		"OneOfTwoDone": {"Among equals, all must be done.", workers, never, map[string]corev1.PodPhase{"worker-0": done, "worker-1": running},
			Verdict{Condition: training.JobRunning, Message: "J ada/mnist is running."}},
		"AllDone": {"And then the job is.", workers, never, map[string]corev1.PodPhase{"worker-0": done, "worker-1": done},
			Verdict{Condition: training.JobSucceeded, Message: "J ada/mnist successfully completed."}},
		"AnyDone": {"Where members come and go, one that is done speaks for all.", anyOf, never, map[string]corev1.PodPhase{"worker-0": done, "worker-1": running},
			Verdict{Condition: training.JobSucceeded, Message: "J ada/mnist successfully completed."}},
		"Lost": {"A replica that nobody restarts fails the job.", master, never, map[string]corev1.PodPhase{"master-0": running, "worker-0": lost},
			Verdict{Condition: training.JobFailed, Message: "J mnist is failed because 1 Worker replica(s) failed."}},
		"Replaced": {"One that is replaced does not, but is spoken of.", master, onFailure, map[string]corev1.PodPhase{"master-0": running, "worker-0": lost},
			Verdict{Condition: training.JobRunning, Message: "J mnist is running.", Restarts: []string{"J mnist is restarting because 1 Worker replica(s) failed."}}},
		"StrictLost": {"Where a replica cannot be done without, it does.", strict, onFailure, map[string]corev1.PodPhase{"master-0": running, "worker-0": lost, "worker-1": lost},
			Verdict{Condition: training.JobFailed, Message: "J mnist is failed because 2 Worker replica(s) failed."}},
		"StrictExitCode": {"Unless its exit code asks for another try.", strict, exitCode, map[string]corev1.PodPhase{"master-0": running, "worker-0": lost},
			Verdict{Condition: training.JobRunning, Message: "J mnist is running.", Restarts: []string{"J mnist is restarting because 1 Worker replica(s) failed."}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			j := &training.TFJob{Spec: training.TFJobSpec{TFReplicaSpecs: map[training.ReplicaType]*training.ReplicaSpec{
				"Master": {Replicas: new(int32(1)), RestartPolicy: tc.policy}, "Worker": {Replicas: new(int32(2)), RestartPolicy: tc.policy},
			}}}
			j.Namespace, j.Name = "ada", "mnist"
			var pods []*corev1.Pod
			for replica, phase := range tc.pods {
				p := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
				p.Name = "mnist-" + replica
				pods = append(pods, p)
			}
			if diff := cmp.Diff(tc.want, tc.rule.Judge(j, See(j, "main", pods))); diff != "" {
				t.Errorf("%s\nJudge(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// An exit code that forbids another try is no affair of the rule's: whoever
// reports it says so once.
func TestRuleLeavesExitCodesAlone(t *testing.T) {
	j := &training.TFJob{Spec: training.TFJobSpec{TFReplicaSpecs: map[training.ReplicaType]*training.ReplicaSpec{
		"Worker": {Replicas: new(int32(1)), RestartPolicy: training.RestartExitCode},
	}}}
	j.Name = "mnist"
	p := &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "main", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}},
	}}}}
	p.Name = "mnist-worker-0"
	seen := See(j, "main", []*corev1.Pod{p})
	if v := (Rule{Kind: "J", Decides: "Worker", Strict: true}).Judge(j, seen); v.Condition != "" {
		t.Errorf("it says %s: %s", v.Condition, v.Message)
	}
	if c := seen.Count("Worker"); c.Failed != 1 || c.Refused != 1 {
		t.Errorf("%d failed, %d refused, want one that is both", c.Failed, c.Refused)
	}
}
