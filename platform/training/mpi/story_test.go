package mpi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/admission"
	"github.com/weir-ml/weir/platform/training/jobs"
	"github.com/weir-ml/weir/platform/training/stage"
)

// pi is an MPIJob of a version with two workers, with lines of its spec besides.
func pi(version, name string, lines ...string) string {
	const pod = `{spec: {containers: [{name: mpi, image: x, command: [mpirun]}]}}`
	if version == "v1alpha1" {
		return fmt.Sprintf("{apiVersion: kubeflow.org/v1alpha1, kind: MPIJob, metadata: {name: %s}, spec: {%s replicas: 2, template: %s}}", name, strings.Join(lines, ""), pod)
	}
	return fmt.Sprintf(`{apiVersion: kubeflow.org/%s, kind: MPIJob, metadata: {name: %s}, spec: {%s
	  mpiReplicaSpecs: {Launcher: {template: %s}, Worker: {replicas: 2, template: {spec: {containers: [{name: mpi, image: x}]}}}}}}`,
		version, name, strings.Join(lines, ""), pod)
}

// A job of any version reads back as it was written, and as any other; the
// version decides how it is run. One that a version cannot say is refused.
func TestVersions(t *testing.T) {
	l := newLab(t, "versions")
	versions := []string{"v1alpha1", "v1alpha2", "v1", "v2beta1"}
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			l := l.in(t)
			written := l.write(pi(v, v, "slotsPerWorker: 2,"))
			got := l.read(v, v)
			if diff := cmp.Diff(asWritten(written.Object["spec"]), asWritten(got.Object["spec"])); diff != "" {
				t.Errorf("spec: -written, +read:\n%s", diff)
			}
			if len(got.GetAnnotations()) > 0 {
				t.Errorf("annotations that nobody wrote: %v", got.GetAnnotations())
			}
			for _, other := range versions {
				if o := l.read(other, v); o.GetAPIVersion() != "kubeflow.org/"+other || o.Object["spec"] == nil {
					t.Errorf("as %s it is %v", other, o.Object)
				}
			}

			l.Pod(v + "-worker-1")
			l.Until("a launcher", func() bool { return len(l.role(v, launcherRole(v))) == 1 })
			if j := l.job(v); j.Slots() != 2 || j.IsV2() != (v == "v2beta1") {
				t.Errorf("%d slots, is v2 %t", j.Slots(), j.IsV2())
			}
		})
	}

	bad := l.read("v1alpha1", "v1alpha1")
	bad.SetName("bad")
	bad.SetResourceVersion("")
	bad.Object["spec"].(map[string]any)["gpus"] = int64(3)
	err := l.Client.Create(t.Context(), bad)
	if err == nil || !strings.Contains(err.Error(), "spec.gpus is 3 and spec.replicas is 2: keep one of the two") {
		t.Errorf("gpus beside replicas: %v", err)
	}
}

func launcherRole(version string) string {
	if version == "v2beta1" {
		return "launcher"
	}
	return training.RoleMaster
}

// asWritten is a value as JSON has it.
func asWritten(v any) any {
	data, _ := json.Marshal(v)
	var out any
	_ = json.Unmarshal(data, &out)
	return out
}

// A job of v1 from its creation to its end: its furniture follows its workers,
// and who runs goes when it has ended.
func TestFirstWay(t *testing.T) {
	l := newLab(t, "first")
	l.write(pi("v1", "pi", "cleanPodPolicy: Running,", "mainContainer: mpi,"))
	l.is(corev1.PodRunning, "", "pi-worker-0")
	l.untilConfig("pi", "discover_hosts.sh", "#!/bin/sh\necho pi-worker-0:1")
	l.is(corev1.PodRunning, "", "pi-worker-1", "pi-launcher")
	if c := l.untilSaid("pi", "Running True MPIJobRunning"); c.Message != "MPIJob first/pi is running." {
		t.Errorf("message %q", c.Message)
	}
	l.change("pi", func(j *training.MPIJob) { *j.Spec.MPIReplicaSpecs["Worker"].Replicas = 1 })
	l.untilConfig("pi", "hostfile", "pi-worker-0 slots=1\n")
	l.Until("worker 1 to be on its way", func() bool {
		p := &corev1.Pod{}
		return l.Get("pi-worker-1", p) != nil || p.DeletionTimestamp != nil
	})
	l.is(corev1.PodSucceeded, "", "pi-launcher")
	if c := l.untilSaid("pi", "Succeeded True MPIJobSucceeded"); c.Message != "MPIJob first/pi successfully completed." {
		t.Errorf("message %q", c.Message)
	}
	l.Until("the worker to go", func() bool {
		p := &corev1.Pod{}
		return l.Get("pi-worker-0", p) != nil || p.DeletionTimestamp != nil
	})
	l.Pod("pi-launcher")
	var config corev1.ConfigMap
	if err := l.Get("pi-config", &config); err != nil {
		t.Errorf("the ConfigMap goes with the job, not before: %v", err)
	}
	if want := "/opt/kube/kubectl exec ${POD_NAME} --container mpi -- /bin/sh -c \"$*\""; !strings.HasSuffix(config.Data["kubexec.sh"], want) {
		t.Errorf("kubexec.sh is\n%s", config.Data["kubexec.sh"])
	}
}

func (l *lab) untilConfig(job, file, want string) {
	l.Helper()
	got := ""
	l.Until(file+" of "+job+" to be "+want, func() bool {
		var c corev1.ConfigMap
		got = ""
		if l.Get(job+"-config", &c) == nil {
			got = c.Data[file]
		}
		return got == want
	})
}

// What may become of a job of v1, by what becomes of its pods.
func TestFirstWayEnds(t *testing.T) {
	l := newLab(t, "ends")
	cases := map[string]struct {
		do      func(l *lab, job string)
		want    string
		message string
	}{
		"launcher-fails": {
			do:   func(l *lab, job string) { l.is(corev1.PodFailed, "", job+"-launcher") },
			want: "Failed True MPIJobFailed", message: "MPIJob ends/launcher-fails has failed",
		},
		"worker-evicted": {
			do:   func(l *lab, job string) { l.is(corev1.PodFailed, "Evicted", job+"-worker-1") },
			want: "Failed True MPIJobEvicted", message: "1/2 workers are evicted",
		},
		"worker-fails": {
			do:   func(l *lab, job string) { l.is(corev1.PodFailed, "", job+"-worker-1") },
			want: "Failed True MPIJobFailed", message: "MPIJob worker-fails is failed because 1 Worker replica(s) failed.",
		},
		"suspended": {
			do: func(l *lab, job string) {
				l.Pod(job + "-launcher")
				l.change(job, func(j *training.MPIJob) { j.Spec.RunPolicy.Suspend = new(true) })
			},
			want: "Suspended True MPIJobSuspended", message: "MPIJob suspended is suspended.",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.write(pi("v1", name))
			tc.do(l, name)
			if c := l.untilSaid(name, tc.want); c.Message != tc.message {
				t.Errorf("message %q, want %q", c.Message, tc.message)
			}
		})
	}
}

// What is in the way of a job's furniture is spoken of, and made room for.
func TestInTheWay(t *testing.T) {
	l := newLab(t, "way")
	l.write(`{apiVersion: v1, kind: ConfigMap, metadata: {name: pi-config}}`)
	l.write(pi("v1", "pi"))
	l.Until("the event", func() bool {
		return l.Events("MPIJob", "pi")[stage.Warning("ErrResourceExists",
			"ConfigMap pi-config: the name is taken by one that belongs to nobody: delete it, or give the job another name")]
	})
	if err := l.Client.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: "pi-config"}}); err != nil {
		t.Fatal(err)
	}
	l.Pod("pi-launcher")
}

// A job of v2beta1 from its creation to its end, suspended in between.
func TestSecondWay(t *testing.T) {
	l := newLab(t, "second")
	l.write(pi("v2beta1", "pi", "runPolicy: {cleanPodPolicy: All, backoffLimit: 3, activeDeadlineSeconds: 600}, launcherCreationPolicy: WaitForWorkersReady,"))
	l.is(corev1.PodRunning, "", "pi-worker-0")
	if c := l.untilSaid("pi", "Created True MPIJobCreated"); c.Message != "MPIJob second/pi is created." {
		t.Errorf("message %q", c.Message)
	}
	runner := &batchv1.Job{}
	if err := l.Get("pi-launcher", runner); err == nil {
		t.Error("the launcher is there before all workers are ready")
	}
	l.is(corev1.PodRunning, "", "pi-worker-1")
	l.untilConfig("pi", "hostfile", "pi-worker-0.pi.second.svc slots=1\npi-worker-1.pi.second.svc slots=1\n")
	l.untilConfig("pi", "discover_hosts.sh", "#!/bin/sh\necho pi-worker-0.pi.second.svc\necho pi-worker-1.pi.second.svc\n")
	l.Until("the launcher", func() bool { return l.Get("pi-launcher", runner) == nil })
	if *runner.Spec.BackoffLimit != 3 || *runner.Spec.ActiveDeadlineSeconds != 600 || *runner.Spec.PodReplacementPolicy != batchv1.Failed {
		t.Errorf("the launcher's Job is %+v", runner.Spec)
	}

	launcher := l.untilLauncher("pi")
	checkPods(l, l.Pod("pi-worker-1"), launcher)
	checkKeys(l)
	l.is(corev1.PodRunning, "", launcher.Name)
	l.untilSaid("pi", "Running True MPIJobRunning")

	l.change("pi", func(j *training.MPIJob) { j.Spec.RunPolicy.Suspend = new(true) })
	if c := l.untilSaid("pi", "Suspended True MPIJobSuspended"); c.Message != "MPIJob suspended" {
		t.Errorf("message %q", c.Message)
	}
	l.Until("the launcher to be suspended", func() bool { return l.Get("pi-launcher", runner) == nil && *runner.Spec.Suspend })
	for _, name := range []string{"pi-worker-0", "pi-worker-1", launcher.Name} {
		l.untilGone(name)
	}
	l.change("pi", func(j *training.MPIJob) { j.Spec.RunPolicy.Suspend = new(false) })
	l.untilSaid("pi", "Suspended False MPIJobResumed")
	l.is(corev1.PodRunning, "", "pi-worker-0", "pi-worker-1")
	l.is(corev1.PodSucceeded, "", l.untilLauncher("pi").Name)
	if c := l.untilSaid("pi", "Succeeded True MPIJobSucceeded"); c.Message != "MPIJob second/pi successfully completed." {
		t.Errorf("message %q", c.Message)
	}
	l.untilGone("pi-worker-0")
}

// untilLauncher waits for the launcher's pod.
func (l *lab) untilLauncher(job string) *corev1.Pod {
	l.Helper()
	var p *corev1.Pod
	l.Until("a launcher of "+job, func() bool {
		for _, found := range l.role(job, "launcher") {
			if found.DeletionTimestamp == nil && found.Status.Phase == corev1.PodPending {
				p = &found
			}
		}
		return p != nil
	})
	return p
}

// untilGone waits until a pod is deleted; there is no node to say that it ended.
func (l *lab) untilGone(name string) {
	l.Helper()
	p := &corev1.Pod{}
	l.Until(name+" to be deleted", func() bool { return l.Get(name, p) != nil || p.DeletionTimestamp != nil })
	if p.DeletionTimestamp != nil {
		if err := l.Client.Delete(l.Context(), p, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
			l.Fatal(err)
		}
	}
}

func checkPods(l *lab, worker, launcher *corev1.Pod) {
	l.Helper()
	labels := map[string]string{"training.kubeflow.org/operator-name": "mpi-operator", "training.kubeflow.org/job-name": "pi", "training.kubeflow.org/job-role": "worker", "training.kubeflow.org/replica-index": "1"}
	if diff := cmp.Diff(labels, worker.Labels); diff != "" {
		l.Errorf("labels of a worker: -want, +got:\n%s", diff)
	}
	if s := worker.Spec; s.Hostname != "pi-worker-1" || s.Subdomain != "pi" || !cmp.Equal(s.DNSConfig.Searches, []string{"pi.second.svc.cluster.local"}) {
		l.Errorf("a worker is %s of %s and searches %v", s.Hostname, s.Subdomain, s.DNSConfig)
	}
	if c := worker.Spec.Containers[0]; !cmp.Equal(c.Command, []string{"/usr/sbin/sshd", "-De"}) {
		l.Errorf("a worker runs %v", c.Command)
	}
	env := map[string]string{}
	for _, e := range launcher.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	want := map[string]string{
		"K_MPI_JOB_ROLE": "launcher", "OMPI_MCA_orte_keep_fqdn_hostnames": "true", "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile",
		"OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10", "OMPI_MCA_orte_set_default_slots": "1",
		"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": "",
	}
	if diff := cmp.Diff(want, env); diff != "" {
		l.Errorf("env of the launcher: -want, +got:\n%s", diff)
	}
	if launcher.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
		l.Errorf("the launcher's restart policy is %s", launcher.Spec.RestartPolicy)
	}
}

// The keys are a pair, and stay the same.
func checkKeys(l *lab) {
	l.Helper()
	s := &corev1.Secret{}
	if err := l.Get("pi-ssh", s); err != nil {
		l.Fatal(err)
	}
	private, err := ssh.ParsePrivateKey(s.Data["ssh-privatekey"])
	if err != nil {
		l.Fatal(err)
	}
	if string(ssh.MarshalAuthorizedKey(private.PublicKey())) != string(s.Data["ssh-publickey"]) {
		l.Error("the public key is another's")
	}
}

// A launcher of v2beta1 that fails too often fails the job, with the Job's word.
func TestSecondWayFails(t *testing.T) {
	l := newLab(t, "fails")
	l.write(pi("v2beta1", "pi", "runPolicy: {backoffLimit: 0},"))
	l.is(corev1.PodFailed, "", l.untilLauncher("pi").Name)
	if c := l.untilSaid("pi", "Failed True BackoffLimitExceeded"); c.Message != "Job has reached the specified backoff limit" {
		t.Errorf("message %q", c.Message)
	}
	if c := l.untilSaid("pi", "Running False MPIJobRunning"); c.Message != "MPIJob fails/pi is finished but Running condition was never set." {
		t.Errorf("message %q", c.Message)
	}

	l.write(pi("v2beta1", "e", "runPolicy: {cleanPodPolicy: Running},"))
	l.untilLauncher("e")
	l.is(corev1.PodFailed, "Evicted", "e-worker-0")
	if c := l.untilSaid("e", "Failed True MPIJobEvicted"); c.Message != "1/2 workers are evicted" {
		t.Errorf("message %q", c.Message)
	}
	l.Until("the launcher to be stopped", func() bool {
		runner := &batchv1.Job{}
		return l.Get("e-launcher", runner) == nil && runner.Spec.Suspend != nil && *runner.Spec.Suspend
	})
}

// Metrics say which launchers there are, as long as their jobs are.
func TestMetrics(t *testing.T) {
	l := newLab(t, "metrics")
	launchers := func() (found []string) {
		families, err := metrics.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				if labels := m.Label; f.GetName() == "mpi_operator_job_info" && labels[1].GetValue() == l.Namespace {
					found = append(found, labels[0].GetValue())
				}
			}
		}
		return found
	}
	l.write(pi("v1", "old"))
	l.write(pi("v2beta1", "new"))
	l.Until("both launchers", func() bool { return cmp.Equal(launchers(), []string{"new-launcher", "old-launcher"}) })
	if err := l.Client.Delete(t.Context(), l.job("old")); err != nil {
		t.Fatal(err)
	}
	l.Until("one to be gone", func() bool { return cmp.Equal(launchers(), []string{"new-launcher"}) })
}

// While nobody converts, the API server says so, and serves jobs as they are
// stored. Once it is told that nobody will, it serves them as any version.
func TestNobodyConverts(t *testing.T) {
	var l *lab
	t.Run("WhileSomebodyDoes", func(t *testing.T) {
		l = newLab(t, "nobody")
		l.write(pi("v2beta1", "pi"))
		l.read("v1alpha1", "pi")
	})
	l = l.in(t)
	as := func(version string) error {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: "kubeflow.org", Version: version, Kind: "MPIJob"})
		return l.Get("pi", o)
	}
	if err := as("v2beta1"); err == nil || !strings.Contains(err.Error(), "conversion webhook for kubeflow.org/v1, Kind=MPIJob failed") {
		t.Errorf("while nobody converts: %v", err)
	}
	if err := as("v1"); err != nil {
		t.Errorf("as it is stored: %v", err)
	}
	if err := admission.Withdraw(t.Context(), l.Client, jobs.Conversions()...); err != nil {
		t.Fatal(err)
	}
	l.Until("the job as v2beta1", func() bool { return as("v2beta1") == nil })
}

// Where nobody converts, the controller finds out which version a job was written
// as, and notes it; one of v1alpha1, whose form is another, it refuses.
func TestUnconverted(t *testing.T) {
	var kinds [][]byte
	for _, f := range install.Kinds() {
		kinds = append(kinds, f.Data)
	}
	l := newLabOf(t, "unconverted", kinds)
	l.Play(func(mgr ctrl.Manager) error { return jobs.Setup(t.Context(), mgr, jobs.Options{Unconverted: true}) })
	for _, version := range []string{"v1alpha2", "v1", "v2beta1"} {
		t.Run(version, func(t *testing.T) {
			l := l.in(t)
			l.write(pi(version, version))
			l.Until("a launcher", func() bool { return len(l.role(version, launcherRole(version))) == 1 })
			l.Pod(version + "-worker-1")
			if got := l.job(version).Annotations[training.AnnotationWrittenAs]; got != version {
				t.Errorf("it says that it was written as %q", got)
			}
			// Who changes it as another version does not change how it is run.
			l.change(version, func(j *training.MPIJob) { j.Labels = map[string]string{"changed": "yes"} })
			if got := l.job(version).IsV2(); got != (version == "v2beta1") {
				t.Errorf("after a change it is of v2beta1: %t", got)
			}
		})
	}
	l.write(pi("v1alpha1", "old"))
	if c := l.untilSaid("old", "Failed True MPIJobFailedValidation"); !strings.Contains(c.Message, "a job of v1alpha1 has another form than v1") {
		t.Errorf("message %q", c.Message)
	}
}
