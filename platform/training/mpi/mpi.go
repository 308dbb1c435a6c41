// Package mpi says what is particular to MPIJobs: mpirun runs in the launcher
// and starts processes in the workers. How it reaches them depends on the version
// that a job was written as.
//
//	v1alpha1, v1alpha2, v1   launcher pod ─ kubexec.sh ─▶ kubectl exec ─▶ worker pods
//	v2beta1                  launcher Job ─ ssh ─▶ Service ─▶ sshd in worker pods
package mpi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// +kubebuilder:rbac:groups=kubeflow.org,resources=mpijobs,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=kubeflow.org,resources=mpijobs/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=kubeflow.org,resources=mpijobs/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;secrets;services,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups="",resources=pods/exec,verbs=create

const (
	launcher = training.MPIReplicaLauncher
	worker   = training.MPIReplicaWorker

	// configFolder is where pods find the hostfile and the scripts.
	configFolder = "/etc/mpi"
	configVolume = "mpi-job-config"
	// kubectlFolder is where the launcher finds kubectl.
	kubectlFolder = "/opt/kube"
	kubectlVolume = "mpi-job-kubectl"
)

// Kinds of furniture. All carry the label app, and there may be many more of
// them in a cluster.
var (
	configMap      = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	serviceAccount = corev1.SchemeGroupVersion.WithKind("ServiceAccount")
	role           = rbacv1.SchemeGroupVersion.WithKind("Role")
	roleBinding    = rbacv1.SchemeGroupVersion.WithKind("RoleBinding")
)

const labelApp = "app"

// A Framework runs MPIJobs of v1 and before. The zero value is good.
type Framework struct {
	// DeliveryImage puts kubectl into the launcher, and waits for the workers;
	// kubeflow/kubectl-delivery:latest if not said.
	DeliveryImage string
	// Unconverted is for API servers that do not convert; see SetupUnconverted.
	Unconverted bool
}

var (
	_ job.Framework[*training.MPIJob] = Framework{}
	_ job.Furnisher[*training.MPIJob] = Framework{}
	_ job.Chooser[*training.MPIJob]   = Framework{}
	_ job.Announcer                   = Framework{}
)

// Traits are the names that belong to MPIJobs.
func (Framework) Traits() job.Traits {
	return job.Traits{Kind: training.MPIJobKind, Operator: "mpijob-controller", Name: "mpi", Metrics: metricsPrefix, Unserved: true}
}

// New is an empty MPIJob.
func (Framework) New() *training.MPIJob { return &training.MPIJob{} }

// Takes leaves jobs of v2beta1 to another, and those of which it is not known yet.
func (f Framework) Takes(j *training.MPIJob) bool {
	return !j.IsV2() && (!f.Unconverted || j.Annotations[training.AnnotationWrittenAs] != "")
}

// Master is the launcher.
func (Framework) Master(_ *training.MPIJob, r job.Replica) bool { return r.Type == launcher }

// Judge asks the launcher, as long as all workers are there.
func (Framework) Judge(j *training.MPIJob, seen job.Seen) job.Verdict {
	name := j.Namespace + "/" + j.Name
	l, w := seen.Count(launcher), seen.Count(worker)
	v := job.Verdict{}
	switch {
	case l.Succeeded > 0:
		v.Condition, v.Message = training.JobSucceeded, fmt.Sprintf("MPIJob %s successfully completed.", name)
	case l.Failed-l.Refused > 0:
		v.Condition, v.Message = training.JobFailed, fmt.Sprintf("MPIJob %s has failed", name)
	case w.Evicted > 0 && w.Failed > 0:
		v.Condition, v.Reason = training.JobFailed, "MPIJobEvicted"
		v.Message = fmt.Sprintf("%d/%d workers are evicted", w.Evicted, w.Wanted)
	case w.Failed-w.Refused > 0:
		v.Condition, v.Message = training.JobFailed, fmt.Sprintf("MPIJob %s is failed because %d Worker replica(s) failed.", j.Name, w.Failed)
	case l.Active > 0 && w.Active == w.Wanted:
		v.Condition, v.Message = training.JobRunning, fmt.Sprintf("MPIJob %s is running.", name)
	}
	for _, t := range []training.ReplicaType{launcher, worker} {
		if n := seen.Count(t).Restarting; n > 0 {
			v.Restarts = append(v.Restarts, fmt.Sprintf("MPIJob %s is restarting because %d %s replica(s) failed.", j.Name, n, t))
		}
	}
	return v
}

// Connect gives every pod the scripts; the launcher gets kubectl besides, and
// its MPI is told to use it.
func (f Framework) Connect(j *training.MPIJob, r job.Replica, pod *corev1.PodTemplateSpec) {
	c := &pod.Spec.Containers[0]
	if r.Type == worker {
		if len(c.Command) == 0 {
			c.Command, c.Args = []string{"sleep"}, []string{"365d"}
		}
		mountConfig(j, &pod.Spec, c, file("kubexec.sh", 0o555))
		return
	}

	delete(pod.Labels, training.LabelReplicaIndex)
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = launcherName(j)
	}
	c.Env = append(c.Env, rshEnv(j)...)
	if !hasGPU(j) {
		c.Env = append(c.Env, noGPU...)
	}
	own := intelEnv
	if j.Implementation() == training.MPIIntel { // Its hostfile's slots are not read.
		own = append(slices.Clone(own), corev1.EnvVar{Name: "I_MPI_PERHOST", Value: strconv.Itoa(int(j.Slots()))})
	}
	for _, e := range own {
		if !has(c.Env, e.Name) {
			c.Env = append(c.Env, e)
		}
	}
	kubectl := corev1.VolumeMount{Name: kubectlVolume, MountPath: kubectlFolder}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: kubectlVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	c.VolumeMounts = append(c.VolumeMounts, kubectl)
	mountConfig(j, &pod.Spec, c, file("kubexec.sh", 0o555), file("hostfile", 0o444), file("discover_hosts.sh", 0o555))
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, f.delivery(j, kubectl))
}

// delivery is the container that puts kubectl where kubexec.sh looks for it.
func (f Framework) delivery(j *training.MPIJob, kubectl corev1.VolumeMount) corev1.Container {
	image := f.DeliveryImage
	if image == "" {
		image = "kubeflow/kubectl-delivery:latest"
	}
	needs := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("512Mi"), corev1.ResourceEphemeralStorage: resource.MustParse("5Gi"),
	}
	return corev1.Container{
		Name: "kubectl-delivery", Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Env:          []corev1.EnvVar{{Name: "TARGET_DIR", Value: kubectlFolder}, {Name: "NAMESPACE", Value: j.Namespace}},
		VolumeMounts: []corev1.VolumeMount{kubectl, {Name: configVolume, MountPath: configFolder}},
		Resources:    corev1.ResourceRequirements{Limits: needs, Requests: needs},
	}
}

var (
	noGPU    = []corev1.EnvVar{{Name: "NVIDIA_VISIBLE_DEVICES"}, {Name: "NVIDIA_DRIVER_CAPABILITIES"}}
	intelEnv = []corev1.EnvVar{
		{Name: "I_MPI_HYDRA_BOOTSTRAP", Value: "rsh"}, {Name: "I_MPI_HYDRA_BOOTSTRAP_EXEC", Value: configFolder + "/kubexec.sh"},
	}
)

// rshEnv tells an MPI which hosts there are, and to reach them by kubexec.sh.
func rshEnv(j *training.MPIJob) []corev1.EnvVar {
	exec, hosts := "OMPI_MCA_plm_rsh_agent", "OMPI_MCA_orte_default_hostfile"
	switch j.Implementation() {
	case training.MPIIntel:
		exec, hosts = "I_MPI_HYDRA_BOOTSTRAP_EXEC", "I_MPI_HYDRA_HOST_FILE"
	case training.MPIMPICH:
		exec, hosts = "HYDRA_LAUNCHER_EXEC", "HYDRA_HOST_FILE"
	}
	return []corev1.EnvVar{{Name: exec, Value: configFolder + "/kubexec.sh"}, {Name: hosts, Value: configFolder + "/hostfile"}}
}

func has(env []corev1.EnvVar, name string) bool {
	for _, e := range env {
		if e.Name == name {
			return true
		}
	}
	return false
}

// hasGPU tells whether the launcher asks for one.
func hasGPU(j *training.MPIJob) bool {
	for _, c := range j.Spec.MPIReplicaSpecs[launcher].Template.Spec.Containers {
		for name := range c.Resources.Limits {
			if strings.Contains(string(name), "gpu") {
				return true
			}
		}
	}
	return false
}

func launcherName(j *training.MPIJob) string { return job.Host(j, job.Replica{Type: launcher}) }

func configName(j *training.MPIJob) string { return j.Name + "-config" }

func file(name string, mode int32) corev1.KeyToPath {
	return corev1.KeyToPath{Key: name, Path: name, Mode: &mode}
}

// mountConfig shows a container files of the job's ConfigMap.
func mountConfig(j *training.MPIJob, pod *corev1.PodSpec, c *corev1.Container, files ...corev1.KeyToPath) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: configVolume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: configName(j)}, Items: files,
	}}})
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: configVolume, MountPath: configFolder})
}

// Furniture are the kinds that jobs keep.
func (Framework) Furniture() []job.Furniture {
	return []job.Furniture{
		{Kind: configMap, Label: labelApp}, {Kind: serviceAccount, Label: labelApp, NamesOnly: true},
		{Kind: role, Label: labelApp}, {Kind: roleBinding, Label: labelApp},
	}
}

// Furnish gives the pods their scripts, and the launcher the right to use them.
// A suspended job keeps what it has.
func (f Framework) Furnish(j *training.MPIJob, seen job.Seen) []client.Object {
	own := j.Spec.MPIReplicaSpecs[launcher].Template.Spec.ServiceAccountName
	account := own
	if account == "" {
		account = launcherName(j)
	}
	workers := workersOf(j)
	hosts := workers
	if hasGPU(j) {
		hosts = append([]string{launcherName(j)}, workers...)
	}
	all := []client.Object{
		&corev1.ConfigMap{TypeMeta: typeOf(configMap), ObjectMeta: named(j, configName(j)), Data: map[string]string{
			"hostfile": hostfile(j, hosts), "kubexec.sh": kubexec(j), "discover_hosts.sh": discoverHosts(j, seen),
		}},
		&rbacv1.Role{TypeMeta: typeOf(role), ObjectMeta: named(j, launcherName(j)), Rules: []rbacv1.PolicyRule{
			{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{""}, Resources: []string{"pods"}},
			{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"pods/exec"}, ResourceNames: workers},
		}},
		&rbacv1.RoleBinding{
			TypeMeta: typeOf(roleBinding), ObjectMeta: named(j, launcherName(j)),
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: j.Namespace}},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: launcherName(j)},
		},
	}
	if own == "" {
		all = append(all, &corev1.ServiceAccount{TypeMeta: typeOf(serviceAccount), ObjectMeta: named(j, account)})
	}
	return whileSuspended(j, seen, all)
}

// workersOf are the names of the workers.
func workersOf(j *training.MPIJob) []string {
	var all []string
	for i := range job.Wanted(j, worker) {
		all = append(all, job.Host(j, job.Replica{Type: worker, Index: i}))
	}
	return all
}

// whileSuspended leaves of the furniture of a suspended job what is there.
func whileSuspended(j *training.MPIJob, seen job.Seen, all []client.Object) []client.Object {
	if s := j.Spec.RunPolicy.Suspend; s == nil || !*s {
		return all
	}
	var kept []client.Object
	for _, o := range all {
		if _, there := seen.Furniture(o.GetObjectKind().GroupVersionKind(), o.GetName()); there {
			kept = append(kept, o)
		}
	}
	return kept
}

// Announce has the words of Kubeflow's operator, in which what is made may be
// said to exist.
func (Framework) Announce(made client.Object) (reason, message string) {
	name := made.GetName()
	switch made.GetObjectKind().GroupVersionKind() {
	case serviceAccount:
		return "ServiceAccount is exist", "ServiceAccount: " + name
	case role:
		return "LauncherRole is exist", "LauncherRole: " + name
	case roleBinding:
		return "RoleBinding is exist", "RoleBinding: " + name
	case configMap:
		return "", ""
	}
	if made.GetLabels()[training.LabelJobRole] == training.RoleMaster {
		return "MPIJobRunning", "launcher pod created success: " + name
	}
	return "SuccessfulCreatePod", "Created worker pod: " + name
}

func named(j *training.MPIJob, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{labelApp: j.Name}}
}
