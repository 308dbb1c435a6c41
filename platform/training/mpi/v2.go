package mpi

import (
	"fmt"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// Kinds of furniture that jobs of v2beta1 have besides.
var (
	batchJob = batchv1.SchemeGroupVersion.WithKind("Job")
	service  = corev1.SchemeGroupVersion.WithKind("Service")
	secret   = corev1.SchemeGroupVersion.WithKind("Secret")
)

const sshVolume = "ssh-auth"

// V2 runs MPIJobs of v2beta1. The zero value is good.
type V2 struct {
	// ClusterDomain is put after a service's name, as cluster.local, for
	// clusters whose pods do not search it.
	ClusterDomain string
}

var (
	_ job.Framework[*training.MPIJob] = V2{}
	_ job.Furnisher[*training.MPIJob] = V2{}
	_ job.Chooser[*training.MPIJob]   = V2{}
	_ job.Speaker[*training.MPIJob]   = V2{}
)

// Traits are the names that belong to MPIJobs of v2beta1.
func (V2) Traits() job.Traits {
	return job.Traits{Kind: training.MPIJobKind, Operator: "mpi-operator", Name: "mpi", Metrics: metricsPrefix, Unserved: true, Delegate: launcher}
}

// New is an empty MPIJob.
func (V2) New() *training.MPIJob { return &training.MPIJob{} }

// Takes leaves jobs of other versions to another.
func (V2) Takes(j *training.MPIJob) bool { return j.IsV2() }

// Master is nobody: pods have their role in another way.
func (V2) Master(*training.MPIJob, job.Replica) bool { return false }

// Speak has the words of Kubeflow's operator.
func (V2) Speak(j *training.MPIJob, of string) string {
	switch of {
	case "Created":
		return fmt.Sprintf("MPIJob %s/%s is created.", j.Namespace, j.Name)
	case "Suspended":
		return "MPIJob suspended"
	case "Resumed":
		return "MPIJob resumed"
	}
	return fmt.Sprintf("MPIJob %s/%s is finished but Running condition was never set.", j.Namespace, j.Name)
}

// Judge asks the launcher's Job, as long as no worker is evicted.
func (V2) Judge(j *training.MPIJob, seen job.Seen) job.Verdict {
	name := j.Namespace + "/" + j.Name
	w := seen.Count(worker)
	if runner, ok := launcherJob(j, seen); ok {
		for _, c := range runner.Status.Conditions {
			switch {
			case c.Status != corev1.ConditionTrue:
			case c.Type == batchv1.JobComplete:
				return job.Verdict{Condition: training.JobSucceeded, Message: fmt.Sprintf("MPIJob %s successfully completed.", name)}
			case c.Type == batchv1.JobFailed:
				return failure(c, name, seen.Delegated())
			}
		}
	}
	if w.Evicted > 0 {
		return job.Verdict{Condition: training.JobFailed, Reason: "MPIJobEvicted", Message: fmt.Sprintf("%d/%d workers are evicted", w.Evicted, w.Wanted)}
	}
	if seen.Count(launcher).Active > 0 && w.Active == w.Wanted {
		return job.Verdict{Condition: training.JobRunning, Message: fmt.Sprintf("MPIJob %s is running.", name)}
	}
	return job.Verdict{}
}

// failure says why the launcher's Job has failed. If that is because its pods
// did, too often, the last of them says more.
func failure(c batchv1.JobCondition, name string, pods []*corev1.Pod) job.Verdict {
	v := job.Verdict{Condition: training.JobFailed, Reason: c.Reason, Message: c.Message}
	if v.Message == "" {
		v.Message = fmt.Sprintf("MPIJob %s has failed", name)
	}
	if c.Reason != batchv1.JobReasonBackoffLimitExceeded {
		return v
	}
	var last *corev1.Pod
	for _, p := range pods {
		if p.Status.Phase == corev1.PodFailed && (last == nil || last.CreationTimestamp.Before(&p.CreationTimestamp)) {
			last = p
		}
	}
	if last != nil && last.Status.Reason != "" {
		v.Reason += "/" + last.Status.Reason
		v.Message += ": " + last.Status.Message
	}
	return v
}

func launcherJob(j *training.MPIJob, seen job.Seen) (*batchv1.Job, bool) {
	o, ok := seen.Furniture(batchJob, launcherName(j))
	if !ok {
		return nil, false
	}
	runner, ok := o.(*batchv1.Job)
	return runner, ok
}

// Connect has a worker found by its name under the job's service, and gives it
// the keys that let the launcher in.
func (V2) Connect(j *training.MPIJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	delete(pod.Labels, training.LabelReplicaType)
	pod.Labels[training.LabelJobRole] = "worker"
	if j.LauncherIsWorker() { // Who counts the pods wants each index once.
		pod.Labels[training.LabelReplicaIndex] = strconv.Itoa(r.Index + 1)
	}
	c := &pod.Spec.Containers[0]
	if len(c.Command) == 0 && len(c.Args) == 0 {
		c.Command = []string{"/usr/sbin/sshd", "-De"}
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: "K_MPI_JOB_ROLE", Value: "worker"})
	place(j, &pod.Spec, job.Host(j, r))
	dns := pod.Spec.DNSConfig
	if dns == nil {
		dns = &corev1.PodDNSConfig{}
		pod.Spec.DNSConfig = dns
	}
	dns.Searches = append(dns.Searches, fmt.Sprintf("%s.%s.svc.cluster.local", j.Name, j.Namespace)) // Intel's MPI and MPICH call the launcher by its short name.
	mountKeys(j, &pod.Spec)
}

// place gives a pod a name under the job's service.
func place(j *training.MPIJob, pod *corev1.PodSpec, host string) {
	pod.Hostname, pod.Subdomain = host, j.Name
	if pod.HostNetwork {
		pod.DNSPolicy = corev1.DNSClusterFirstWithHostNet
	}
}

// address is a pod's name for those outside of the job's namespace too.
func (f V2) address(j *training.MPIJob, host string) string {
	address := fmt.Sprintf("%s.%s.%s.svc", host, j.Name, j.Namespace)
	if f.ClusterDomain != "" {
		address += "." + f.ClusterDomain
	}
	return address
}

// Furniture are the kinds that jobs keep.
func (V2) Furniture() []job.Furniture {
	return []job.Furniture{
		{Kind: configMap, Label: labelApp}, {Kind: secret, Label: labelApp, NamesOnly: true},
		{Kind: service, Label: labelApp}, {Kind: batchJob, Label: labelApp},
	}
}

// Furnish gives the pods names, keys and the list of hosts, and runs the
// launcher.
func (f V2) Furnish(j *training.MPIJob, seen job.Seen) []client.Object {
	all := []client.Object{f.config(j, seen), newService(j), newSecret(j, seen)}
	if there, ok := launcherJob(j, seen); ok {
		return append(all, asSuspended(j, there))
	}
	if j.Spec.LauncherCreationPolicy == training.LauncherWaits && !allReady(j, seen) {
		return all
	}
	return append(all, newLauncher(j))
}

func (f V2) config(j *training.MPIJob, seen job.Seen) *corev1.ConfigMap {
	all, now := workersOf(j), running(j, seen)
	if j.LauncherIsWorker() {
		all, now = append([]string{launcherName(j)}, all...), append([]string{launcherName(j)}, now...)
	}
	for i, host := range all {
		all[i] = f.address(j, host)
	}
	discover := "#!/bin/sh\n"
	for _, host := range now {
		discover += "echo " + f.address(j, host) + "\n"
	}
	return &corev1.ConfigMap{TypeMeta: typeOf(configMap), ObjectMeta: named(j, configName(j)), Data: map[string]string{
		"hostfile": hostfile(j, all), "discover_hosts.sh": discover,
	}}
}

func newService(j *training.MPIJob) *corev1.Service {
	return &corev1.Service{TypeMeta: typeOf(service), ObjectMeta: named(j, j.Name), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone,
		Selector:  map[string]string{training.LabelOperatorName: V2{}.Traits().Operator, training.LabelJobName: j.Name},
		// A launcher that is a worker looks for itself before it is ready.
		PublishNotReadyAddresses: j.LauncherIsWorker(),
	}}
}

func newLauncher(j *training.MPIJob) *batchv1.Job {
	p := j.Spec.RunPolicy
	return &batchv1.Job{TypeMeta: typeOf(batchJob), ObjectMeta: named(j, launcherName(j)), Spec: batchv1.JobSpec{
		TTLSecondsAfterFinished: p.TTLSecondsAfterFinished, ActiveDeadlineSeconds: p.ActiveDeadlineSeconds, BackoffLimit: p.BackoffLimit,
		PodReplacementPolicy: new(batchv1.Failed), // One launcher at a time.
		Suspend:              p.Suspend,
		Template:             *launcherPod(j),
	}}
}

func launcherPod(j *training.MPIJob) *corev1.PodTemplateSpec {
	s := j.Spec.MPIReplicaSpecs[launcher]
	pod := s.Template.DeepCopy()
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[training.LabelOperatorName] = V2{}.Traits().Operator
	pod.Labels[training.LabelJobName] = j.Name
	pod.Labels[training.LabelJobRole] = "launcher"
	if j.LauncherIsWorker() {
		pod.Labels[training.LabelReplicaIndex] = "0"
	}
	pod.Spec.RestartPolicy = corev1.RestartPolicy(s.RestartPolicy)
	place(j, &pod.Spec, launcherName(j))
	c := &pod.Spec.Containers[0]
	c.Env = append(append(c.Env, corev1.EnvVar{Name: "K_MPI_JOB_ROLE", Value: "launcher"}), sshEnv(j)...)
	if !j.LauncherIsWorker() {
		c.Env = append(c.Env, noGPU...)
	}
	mountKeys(j, &pod.Spec)
	mountConfig(j, &pod.Spec, c, file("hostfile", 0o444), file("discover_hosts.sh", 0o555))
	return pod
}

// sshEnv tells an MPI which hosts there are, and to try for a while to reach
// them by SSH.
func sshEnv(j *training.MPIJob) []corev1.EnvVar {
	const hosts, patience = configFolder + "/hostfile", "-o ConnectionAttempts=10"
	slots := strconv.Itoa(int(j.Slots()))
	switch j.Implementation() {
	case training.MPIIntel:
		return []corev1.EnvVar{
			{Name: "I_MPI_HYDRA_HOST_FILE", Value: hosts}, {Name: "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS", Value: patience},
			{Name: "I_MPI_PERHOST", Value: slots},
		}
	case training.MPIMPICH:
		return []corev1.EnvVar{{Name: "HYDRA_HOST_FILE", Value: hosts}, {Name: "HYDRA_LAUNCH_EXTRA_ARGS", Value: patience}}
	}
	return []corev1.EnvVar{
		{Name: "OMPI_MCA_orte_keep_fqdn_hostnames", Value: "true"}, {Name: "OMPI_MCA_orte_default_hostfile", Value: hosts},
		{Name: "OMPI_MCA_plm_rsh_args", Value: patience}, {Name: "OMPI_MCA_orte_set_default_slots", Value: slots},
	}
}

// asSuspended is the launcher's Job as it is, suspended like the job. Where it
// has not started yet, it takes over what may have been said meanwhile of where
// its pods should run.
func asSuspended(j *training.MPIJob, there *batchv1.Job) *batchv1.Job {
	want := there.DeepCopy()
	suspend := j.Spec.RunPolicy.Suspend != nil && *j.Spec.RunPolicy.Suspend
	was := there.Spec.Suspend != nil && *there.Spec.Suspend
	if suspend == was {
		return want
	}
	want.Spec.Suspend = &suspend
	if !suspend && there.Status.StartTime == nil {
		pod := launcherPod(j)
		spec := &want.Spec.Template.Spec
		ours := slices.DeleteFunc(spec.SchedulingGates, func(g corev1.PodSchedulingGate) bool { return g.Name != training.GangGate })
		spec.NodeSelector, spec.Tolerations, spec.SchedulingGates = pod.Spec.NodeSelector, pod.Spec.Tolerations, append(pod.Spec.SchedulingGates, ours...)
	}
	return want
}

// allReady tells whether every worker is.
func allReady(j *training.MPIJob, seen job.Seen) bool {
	for i := range job.Wanted(j, worker) {
		p := seen.Pod(job.Replica{Type: worker, Index: i})
		if p == nil || !isReady(p) {
			return false
		}
	}
	return true
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
