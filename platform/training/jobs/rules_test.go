package jobs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/stage"
)

// A kind is what the rules need to know of one kind of job.
type kind struct {
	name, field, container string
	// leader is the type that decides. With lone, it is the only type there is,
	// and all of it decide.
	leader training.ReplicaType
	lone   bool
	// restart is the restart policy of a pod whose job does not say.
	restart corev1.RestartPolicy
	// strict kinds fail when a pod fails in spite of OnFailure.
	strict bool
	// unserved kinds have no service for each pod.
	unserved bool
}

var kinds = []kind{
	{name: training.TFJobKind, field: "tfReplicaSpecs", container: training.TFJobContainer, leader: "Chief", restart: corev1.RestartPolicyNever},
	{name: training.PyTorchJobKind, field: "pytorchReplicaSpecs", container: training.PyTorchJobContainer, leader: "Master", restart: corev1.RestartPolicyOnFailure},
	{name: training.XGBoostJobKind, field: "xgbReplicaSpecs", container: training.XGBoostJobContainer, leader: "Master", restart: corev1.RestartPolicyNever, strict: true},
	{name: training.PaddleJobKind, field: "paddleReplicaSpecs", container: training.PaddleJobContainer, leader: "Master", restart: corev1.RestartPolicyOnFailure},
	{name: training.JAXJobKind, field: "jaxReplicaSpecs", container: training.JAXJobContainer, leader: "Worker", lone: true, restart: corev1.RestartPolicyNever},
	{name: training.MXJobKind, field: "mxReplicaSpecs", container: training.MXJobContainer, leader: "Scheduler", restart: corev1.RestartPolicyNever, strict: true},
	{name: training.MPIJobKind, field: "mpiReplicaSpecs", container: "mpi", leader: "Launcher", restart: corev1.RestartPolicyNever, unserved: true},
}

// job is a job of one leader and one worker, or of two workers. policy is the
// run policy, and restart the replicas' restart policy, both as in a manifest.
func (k kind) job(l *lab, name, policy, restart string) *unstructured.Unstructured {
	l.Helper()
	if restart != "" {
		restart = ", restartPolicy: " + restart
	}
	replica := func(t training.ReplicaType, n int) string {
		return fmt.Sprintf("%s: {replicas: %d%s, template: {spec: {containers: [{name: %s, image: x}]}}}", t, n, restart, k.container)
	}
	replicas := replica("Worker", 2)
	if !k.lone {
		replicas = replica(k.leader, 1) + ", " + replica("Worker", 1)
	}
	manifest := fmt.Sprintf("apiVersion: kubeflow.org/v1\nkind: %s\nmetadata: {name: %s}\nspec: {runPolicy: {%s}, %s: {%s}}", k.name, name, policy, k.field, replicas)
	return &unstructured.Unstructured{Object: parse(l.T, manifest)}
}

// invalid is a job that makes no sense, and what is said of it.
func (k kind) invalid(l *lab, name string) (bad *unstructured.Unstructured, want string) {
	if k.name == training.MPIJobKind { // Its containers may have any name, but it needs a launcher.
		k.lone = true
		return k.job(l, name, "", ""), "must be present: it runs mpirun, so give one"
	}
	want = "must have at least one container with name " + k.container + ": rename the one that does the training"
	k.container = "main"
	return k.job(l, name, "", ""), want
}

// parse reads YAML as the API's clients do, with whole numbers.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A trial is a job of one kind by which one rule is tried.
type trial struct {
	*lab
	// name is the job's; leader and worker are its pods'.
	name, leader, worker string
}

// begin makes the job and has its pods run.
func (t *trial) begin(policy, restart string) {
	t.Helper()
	t.beginWith(policy, restart, nil)
}

// beginWith does so with annotations on the job.
func (t *trial) beginWith(policy, restart string, annotations map[string]string) {
	t.Helper()
	j := t.kind.job(t.lab, t.name, policy, restart)
	j.SetAnnotations(annotations)
	t.Create(j)
	t.untilPods(t.name, 2)
	t.run(t.leader, t.worker)
	t.untilState(t.name, training.JobRunning, corev1.ConditionTrue)
}

// reason is a reason as the kind's conditions and events give it.
func (t *trial) reason(word string) string { return t.kind.name + word }

// rules hold for every kind of job.
var rules = map[string]struct {
	why string
	try func(*trial)
}{
	"Succeeds": {
		why: "When those who decide are done the job is; what still runs is taken away, what has ended stays.",
		try: func(t *trial) {
			t.begin("cleanPodPolicy: Running", "")
			if got := t.Pod(t.worker).Spec.RestartPolicy; got != t.kind.restart {
				t.Errorf("by default the pods have restart policy %s, want %s", got, t.kind.restart)
			}
			left := 1
			if t.kind.lone {
				t.end(t.worker, 0)
				left = 2
			}
			t.end(t.leader, 0)
			s := t.untilState(t.name, training.JobSucceeded, corev1.ConditionTrue).Report()
			if s.StartTime == nil || s.CompletionTime == nil {
				t.Errorf("it started at %v and ended at %v", s.StartTime, s.CompletionTime)
			}
			if n := s.ReplicaStatuses["Worker"].Succeeded; int(n) != left && n != 1 {
				t.Errorf("%d workers have succeeded", n)
			}
			t.untilPods(t.name, left)
			t.Pod(t.leader)
		},
	},
	"NeverFails": {
		why: "A replica that nobody restarts fails the job.",
		try: func(t *trial) {
			t.begin("", "Never")
			t.end(t.worker, 1)
			if s := t.untilState(t.name, training.JobFailed, corev1.ConditionTrue).Report(); s.CompletionTime == nil {
				t.Error("a failed job has no completion time, so its time to live would never be over")
			}
		},
	},
	"OnFailureReplaces": {
		why: "Containers are restarted by Kubernetes. A pod that fails in spite of that is replaced, or fails a job that cannot do with another.",
		try: func(t *trial) {
			t.begin("", "OnFailure")
			old := t.Pod(t.worker)
			t.end(t.worker, 1)
			if t.kind.strict {
				t.untilState(t.name, training.JobFailed, corev1.ConditionTrue)
				return
			}
			t.untilReplaced(old)
			if j := t.job(t.name); j.Report().Finished() {
				t.Errorf("it has ended: %s", said(j))
			}
		},
	},
	"ExitCodeAgain": {
		why: "A process that was killed is tried again, under the same name.",
		try: func(t *trial) {
			t.begin("", "ExitCode")
			old := t.Pod(t.worker)
			t.end(t.worker, 137)
			t.untilReplaced(old)
			t.untilEvent(t.name, stage.Warning(t.reason("Restarting"), fmt.Sprintf("job %s is restarting because Worker replica(s) failed.", t.name)))
			if t.kind.name != training.TFJobKind {
				t.untilEvent(t.name, stage.Warning(t.reason("Restarting"), fmt.Sprintf("%s %s is restarting because 1 Worker replica(s) failed.", t.kind.name, t.name)))
			}
			t.run(t.worker)
			t.untilState(t.name, training.JobRunning, corev1.ConditionTrue)
		},
	},
	"ExitCodeForGood": {
		why: "A process that says by its exit code that it is of no use fails the job, and its pods stay.",
		try: func(t *trial) {
			t.begin("", "ExitCode")
			t.end(t.worker, 2)
			j := t.untilState(t.name, training.JobFailed, corev1.ConditionTrue)
			all := j.Report().Conditions
			want := fmt.Sprintf("job %q is failing because %q replica(s) failed.", t.name, "Worker")
			if c := all[len(all)-1]; c.Message != want || c.Reason != t.reason("Failed") {
				t.Errorf("it says %s %q, want %q", c.Reason, c.Message, want)
			}
			if j.Report().CompletionTime == nil || len(t.pods(t.name)) != 2 {
				t.Errorf("completion time %v, %d pods, want 2", j.Report().CompletionTime, len(t.pods(t.name)))
			}
		},
	},
	"Timers": {
		why: "A deadline passes though nothing else happens, and a time to live after it.",
		try: func(t *trial) {
			t.Create(t.kind.job(t.lab, t.name, "activeDeadlineSeconds: 1, ttlSecondsAfterFinished: 1", ""))
			t.untilEvent(t.name, stage.Normal(t.reason("Failed"), fmt.Sprintf("Job %s has failed because it was active longer than specified deadline", t.name)))
			t.Until("the job to expire", func() bool {
				err := t.Client.Get(t.Context(), client.ObjectKey{Namespace: t.Namespace, Name: t.name}, t.kind.job(t.lab, t.name, "", ""))
				return apierrors.IsNotFound(err)
			})
		},
	},
	"AllStartAnew": {
		why: "Where a job asks for it, one replica that fails has all start anew, whatever its own policy; beyond the limit the job has failed.",
		try: func(t *trial) {
			t.beginWith("cleanPodPolicy: Running", "Never", map[string]string{training.AnnotationRestart: training.RestartJob, training.AnnotationRestartLimit: "1"})
			old := []*corev1.Pod{t.Pod(t.leader), t.Pod(t.worker)}
			t.end(t.worker, 137)
			message := t.worker + " failed with exit code 137: all replicas are started again in 10s (restart 1 of 1)."
			t.untilEvent(t.name, stage.Warning(t.reason("Restarting"), message))
			for _, p := range old {
				t.untilReplaced(p)
			}
			t.run(t.leader, t.worker)
			t.untilState(t.name, training.JobRunning, corev1.ConditionTrue)

			t.end(t.worker, 1)
			s := t.untilState(t.name, training.JobFailed, corev1.ConditionTrue).Report()
			want := fmt.Sprintf("%s %s has failed: %s failed with exit code 1, after 1 restart of all replicas.", t.kind.name, t.name, t.worker)
			if c := s.Conditions[len(s.Conditions)-1]; c.Message != want || s.Rounds.Restarts != 1 {
				t.Errorf("after %d restarts it says %q, want %q", s.Rounds.Restarts, c.Message, want)
			}
			t.untilPods(t.name, 1) // What has ended stays, what runs goes.
		},
	},
	"BackoffLimit": {
		why: "Containers that are restarted too often fail the job, and the clean-up policy is kept to.",
		try: func(t *trial) {
			t.begin("backoffLimit: 2, cleanPodPolicy: All", "OnFailure")
			t.SetPod(t.worker, func(s *corev1.PodStatus) {
				s.ContainerStatuses = []corev1.ContainerStatus{{Name: t.kind.container, RestartCount: 2}}
			})
			t.untilState(t.name, training.JobFailed, corev1.ConditionTrue)
			t.untilPods(t.name, 0)
			t.untilEvent(t.name, stage.Normal(t.reason("Failed"), fmt.Sprintf("Job %s has failed because it has reached the specified backoff limit", t.name)))
		},
	},
	"Suspend": {
		why: "A job that is suspended has no pods, and is resumed with a clock of its own.",
		try: func(t *trial) {
			t.begin("", "")
			t.patch(t.name, `{"spec": {"runPolicy": {"suspend": true}}}`)
			t.untilPods(t.name, 0)
			j := t.untilState(t.name, training.JobSuspended, corev1.ConditionTrue)
			if diff := cmp.Diff("Created True, Running False "+t.reason("Suspended")+", Suspended True", said(j)); diff != "" {
				t.Errorf("conditions: -want, +got:\n%s", diff)
			}
			if n := j.Report().ReplicaStatuses["Worker"].Active; n != 0 {
				t.Errorf("a suspended job has %d active workers", n)
			}
			t.patch(t.name, `{"spec": {"runPolicy": {"suspend": false}}}`)
			t.untilPods(t.name, 2)
			t.untilState(t.name, training.JobSuspended, corev1.ConditionFalse)
			t.untilEvent(t.name, stage.Normal(t.reason("Suspended"), fmt.Sprintf("%s %s is suspended.", t.kind.name, t.name)))
			t.untilEvent(t.name, stage.Normal(t.reason("Resumed"), fmt.Sprintf("%s %s is resumed.", t.kind.name, t.name)))
		},
	},
	"DeletedPodComesBack": {
		why: "A pod that somebody deletes is made again, and fails nothing.",
		try: func(t *trial) {
			t.begin("", "")
			old := t.Pod(t.worker)
			if err := t.Client.Delete(t.Context(), old, client.GracePeriodSeconds(0)); err != nil {
				t.Fatal(err)
			}
			t.untilReplaced(old)
			if j := t.job(t.name); j.Report().Finished() {
				t.Errorf("it has ended: %s", said(j))
			}
		},
	},
	"ManagedByAnother": {
		why: "A job of another controller's is left alone.",
		try: func(t *trial) {
			t.Create(t.kind.job(t.lab, t.name+"-theirs", "managedBy: "+training.ManagerMultiKueue, ""))
			t.Create(t.kind.job(t.lab, t.name, "managedBy: "+training.ManagerTrainingOperator, ""))
			t.untilPods(t.name, 2)
			if j := t.job(t.name + "-theirs"); len(t.pods(j.GetName())) > 0 || len(j.Report().Conditions) > 0 {
				t.Errorf("another's job has %d pods, conditions %s", len(t.pods(j.GetName())), said(j))
			}
		},
	},
	"InvalidSaysSo": {
		why: "A job that no webhook stopped says what is wrong with it, once.",
		try: func(t *trial) {
			bad, want := t.kind.invalid(t.lab, t.name)
			t.Create(bad)
			j := t.untilState(t.name, training.JobFailed, corev1.ConditionTrue)
			c := j.Report().Conditions[1]
			if c.Reason != t.reason("FailedValidation") || !strings.Contains(c.Message, want) {
				t.Errorf("it says %s %q, want %q in it", c.Reason, c.Message, want)
			}
			t.untilEvent(t.name, stage.Warning(t.reason("FailedValidation"), c.Message))
		},
	},
	"TroubleIsForwarded": {
		why: "What keeps a pod from running is said on the job.",
		try: func(t *trial) {
			t.Create(t.kind.job(t.lab, t.name, "", ""))
			t.untilPods(t.name, 2)
			t.SetPod(t.worker, func(s *corev1.PodStatus) {
				s.ContainerStatuses = []corev1.ContainerStatus{{
					Name: t.kind.container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}},
				}}
			})
			t.untilEvent(t.name, stage.Warning("ErrImagePull", fmt.Sprintf("Error pod %s container %s waiting message: no such image", t.worker, t.kind.container)))
		},
	},
}

// Every rule is tried with every kind.
func TestRules(t *testing.T) { tryRules(t, newLab(t, "rules"), kinds...) }

func tryRules(t *testing.T, l *lab, kinds ...kind) {
	t.Helper()
	t.Run("kinds", func(t *testing.T) { // waits for what is parallel in it
		for _, k := range kinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for name, rule := range rules {
					t.Run(name, func(t *testing.T) {
						try := &trial{lab: l.of(t, k), name: strings.ToLower(k.name + "-" + name)}
						try.leader = training.ReplicaName(try.name, k.leader, 0)
						try.worker = training.ReplicaName(try.name, "Worker", 0)
						if k.lone {
							try.worker = training.ReplicaName(try.name, "Worker", 1)
						}
						rule.try(try)
						if t.Failed() {
							t.Log(rule.why)
						}
					})
				}
			})
		}
	})
}
