package tensorflow

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

func TestConnect(t *testing.T) {
	cases := map[string]struct {
		why       string
		framework Framework
		job       *training.TFJob
		replica   job.Replica
		want      string
	}{
		"Alone": {
			why:     "A program that is alone needs no TF_CONFIG, and some take one for a sign that they are not.",
			job:     jobOf(replicas("Worker", 1)),
			replica: job.Replica{Type: "Worker"},
		},
		"Full": {
			why:     "All replicas, the evaluator too, by type in lower case and in the order of the alphabet.",
			job:     jobOf(replicas("Chief", 1), replicas("Worker", 2), replicas("PS", 1), replicas("Evaluator", 1)),
			replica: job.Replica{Type: "Worker", Index: 1},
			want: `{"cluster":{"chief":["mnist-chief-0.ada.svc:2222"],"evaluator":["mnist-evaluator-0.ada.svc:2222"],` +
				`"ps":["mnist-ps-0.ada.svc:2222"],"worker":["mnist-worker-0.ada.svc:2222","mnist-worker-1.ada.svc:2222"]},` +
				`"task":{"type":"worker","index":1},"environment":"cloud"}`,
		},
		"OwnPort": {
			why:     "A replica's own port is the one its peers call.",
			job:     jobOf(replicas("Worker", 2), replicas("PS", 1), onPort("PS", 3333)),
			replica: job.Replica{Type: "PS"},
			want:    `{"cluster":{"ps":["mnist-ps-0.ada.svc:3333"],"worker":["mnist-worker-0.ada.svc:2222","mnist-worker-1.ada.svc:2222"]},"task":{"type":"ps","index":0},"environment":"cloud"}`,
		},
		"ClusterDomain": {
			why:       "Where pods do not search the cluster's domain, names are whole.",
			framework: Framework{ClusterDomain: "cluster.local"},
			job:       jobOf(replicas("Worker", 2)),
			replica:   job.Replica{Type: "Worker"},
			want:      `{"cluster":{"worker":["mnist-worker-0.ada.svc.cluster.local:2222","mnist-worker-1.ada.svc.cluster.local:2222"]},"task":{"type":"worker","index":0},"environment":"cloud"}`,
		},
		"DynamicWorker": {
			why:     "A worker that may come and go knows itself and all parameter servers.",
			job:     jobOf(replicas("Worker", 2), replicas("PS", 2), dynamic),
			replica: job.Replica{Type: "Worker", Index: 1},
			want:    `{"cluster":{"worker":{"1":"mnist-worker-1.ada.svc:2222"},"ps":["mnist-ps-0.ada.svc:2222","mnist-ps-1.ada.svc:2222"]},"task":{"type":"worker","index":1}}`,
		},
		"DynamicPS": {
			why:     "A parameter server beside such workers knows only itself.",
			job:     jobOf(replicas("Worker", 2), replicas("PS", 2), dynamic),
			replica: job.Replica{Type: "PS", Index: 1},
			want:    `{"cluster":{"worker":{},"ps":["mnist-ps-1.ada.svc:2222"]},"task":{"type":"ps","index":1}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			template := tc.job.Spec.TFReplicaSpecs[tc.replica.Type].Template.DeepCopy()
			tc.framework.Connect(tc.job, tc.replica, template)

			var got string
			for _, e := range template.Spec.Containers[0].Env {
				got += e.Value
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nTF_CONFIG: -want, +got:\n%s", tc.why, diff)
			}
			if extra := template.Spec.Containers[1].Env; len(extra) > 0 {
				t.Errorf("the sidecar is told %v, and has nothing to do with it", extra)
			}
		})
	}
}

func TestMaster(t *testing.T) {
	cases := map[string]struct {
		job     *training.TFJob
		replica job.Replica
		want    bool
	}{
		"Chief":             {jobOf(replicas("Chief", 1), replicas("Worker", 1)), job.Replica{Type: "Chief"}, true},
		"Master":            {jobOf(replicas("Master", 1), replicas("Worker", 1)), job.Replica{Type: "Master"}, true},
		"WorkerUnderAChief": {jobOf(replicas("Chief", 1), replicas("Worker", 1)), job.Replica{Type: "Worker"}, false},
		"Worker0":           {jobOf(replicas("PS", 1), replicas("Worker", 2)), job.Replica{Type: "Worker"}, true},
		"Worker1":           {jobOf(replicas("PS", 1), replicas("Worker", 2)), job.Replica{Type: "Worker", Index: 1}, false},
		"PS":                {jobOf(replicas("PS", 1), replicas("Worker", 2)), job.Replica{Type: "PS"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (Framework{}).Master(tc.job, tc.replica); got != tc.want {
				t.Errorf("Master(%v) = %t, want %t", tc.replica, got, tc.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	const (
		isRunning = "Running: TFJob ada/mnist is running."
		isDone    = "Succeeded: TFJob ada/mnist successfully completed."
	)
	cases := map[string]struct {
		why  string
		job  *training.TFJob
		pods []*corev1.Pod
		want string
	}{
		"NothingYet": {
			why: "Before anything runs there is nothing to say.",
			job: jobOf(replicas("Worker", 2)), pods: []*corev1.Pod{pod("worker-0", corev1.PodPending)},
		},
		"ChiefRuns": {
			why: "The job runs when its chief does.",
			job: jobOf(replicas("Chief", 1), replicas("Worker", 1)), pods: []*corev1.Pod{pod("chief-0", corev1.PodRunning)}, want: isRunning,
		},
		"ChiefWaits": {
			why: "Workers that wait for their chief do not make a running job.",
			job: jobOf(replicas("Chief", 1), replicas("Worker", 1)), pods: []*corev1.Pod{pod("worker-0", corev1.PodRunning)},
		},
		"ChiefDone": {
			why: "When the chief is done the job is, though servers never end.",
			job: jobOf(replicas("Chief", 1), replicas("PS", 1)), pods: []*corev1.Pod{pod("chief-0", corev1.PodSucceeded), pod("ps-0", corev1.PodRunning)}, want: isDone,
		},
		"Worker0UnderAChief": {
			why: "Under a chief, worker 0 decides nothing.",
			job: jobOf(replicas("Chief", 1), replicas("Worker", 1)), pods: []*corev1.Pod{pod("chief-0", corev1.PodRunning), pod("worker-0", corev1.PodSucceeded)}, want: isRunning,
		},
		"Worker0Done": {
			why: "Without a chief, worker 0 is one.",
			job: jobOf(replicas("Worker", 2)), pods: []*corev1.Pod{pod("worker-0", corev1.PodSucceeded), pod("worker-1", corev1.PodRunning)}, want: isDone,
		},
		"Worker1Done": {
			why: "Another worker's end says nothing.",
			job: jobOf(replicas("Worker", 2)), pods: []*corev1.Pod{pod("worker-0", corev1.PodRunning), pod("worker-1", corev1.PodSucceeded)}, want: isRunning,
		},
		"AllWorkersWanted": {
			why: "AllWorkers waits for the last one.",
			job: jobOf(replicas("Worker", 2), allWorkers), pods: []*corev1.Pod{pod("worker-0", corev1.PodSucceeded), pod("worker-1", corev1.PodRunning)}, want: isRunning,
		},
		"AllWorkersDone": {
			why: "And then is done.",
			job: jobOf(replicas("Worker", 2), allWorkers), pods: []*corev1.Pod{pod("worker-0", corev1.PodSucceeded), pod("worker-1", corev1.PodSucceeded)}, want: isDone,
		},
		"WorkerFailed": {
			why: "Any replica that fails for good fails the job.",
			job: jobOf(replicas("Chief", 1), replicas("Worker", 2)), pods: []*corev1.Pod{pod("chief-0", corev1.PodRunning), pod("worker-1", corev1.PodFailed)},
			want: "Failed: TFJob ada/mnist has failed because 1 Worker replica(s) failed.",
		},
		"EvaluatorFailed": {
			why: "An evaluator too.",
			job: jobOf(replicas("Worker", 1), replicas("Evaluator", 1)), pods: []*corev1.Pod{pod("worker-0", corev1.PodRunning), pod("evaluator-0", corev1.PodFailed)},
			want: "Failed: TFJob ada/mnist has failed because 1 Evaluator replica(s) failed.",
		},
		"DynamicWorkerFailed": {
			why: "Workers that may come and go may fail.",
			job: jobOf(replicas("Worker", 2), replicas("PS", 1), dynamic), pods: []*corev1.Pod{pod("worker-0", corev1.PodRunning), pod("worker-1", corev1.PodFailed)}, want: isRunning,
		},
		"DynamicPSFailed": {
			why: "Their parameter servers may not.",
			job: jobOf(replicas("Worker", 2), replicas("PS", 1), dynamic), pods: []*corev1.Pod{pod("worker-0", corev1.PodRunning), pod("ps-0", corev1.PodFailed)},
			want: "Failed: TFJob ada/mnist has failed because 1 PS replica(s) failed.",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			v := Framework{}.Judge(tc.job, job.See(tc.job, training.TFJobContainer, tc.pods))
			got := ""
			if v.Condition != "" {
				got = string(v.Condition) + ": " + v.Message
			}
			if got != tc.want {
				t.Errorf("%s\nJudge() = %q, want %q", tc.why, got, tc.want)
			}
		})
	}
}

// The makers below say only what a case is about.

func jobOf(opts ...func(*training.TFJob)) *training.TFJob {
	j := &training.TFJob{Spec: training.TFJobSpec{TFReplicaSpecs: map[training.ReplicaType]*training.ReplicaSpec{}}}
	j.Namespace, j.Name = "ada", "mnist"
	for _, o := range opts {
		o(j)
	}
	return j
}

func replicas(t training.ReplicaType, n int32) func(*training.TFJob) {
	return func(j *training.TFJob) {
		s := &training.ReplicaSpec{Replicas: &n}
		s.Template.Spec.Containers = []corev1.Container{{Name: training.TFJobContainer, Image: "x"}, {Name: "side", Image: "x"}}
		j.Spec.TFReplicaSpecs[t] = s
	}
}

func onPort(t training.ReplicaType, port int32) func(*training.TFJob) {
	return func(j *training.TFJob) {
		j.Spec.TFReplicaSpecs[t].Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: training.TFJobPortName, ContainerPort: port}}
	}
}

func dynamic(j *training.TFJob) { j.Spec.EnableDynamicWorker = true }

func allWorkers(j *training.TFJob) { j.Spec.SuccessPolicy = new(training.SuccessAllWorkers) }

func pod(replica string, phase corev1.PodPhase) *corev1.Pod {
	p := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}}
	p.Name = "mnist-" + replica
	return p
}
