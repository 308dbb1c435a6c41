package trainjob

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	"github.com/weir-ml/weir/platform/training/mpi"
)

// Names in pods of MPI programs.
const (
	volumeKeys     = "mpi-ssh-auth"
	volumeHostfile = "mpi-hostfile"
	hostfile       = "hostfile"
	hostfileFolder = "/etc/mpi"
	publicKey      = "ssh-publickey"
)

func keysName(job string) string     { return job + "-mpi-ssh-auth" }
func hostfileName(job string) string { return job + "-mpi-hostfile" }

// mpi gives all nodes the keys of ssh, and the launcher the list of hosts.
func (d *draft) mpi(p *trainer.MPIPolicy) {
	keysPath := "/root/.ssh"
	if p.SSHAuthMountPath != nil {
		keysPath = *p.SSHAuthMountPath
	}
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		if r.Name != trainer.Node && r.Name != trainer.Launcher {
			continue
		}
		pod := &r.Template.Spec.Template.Spec
		setVolume(pod, d.keysVolume())
		if r.Name == trainer.Launcher {
			setVolume(pod, corev1.Volume{Name: volumeHostfile, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: hostfileName(d.job.Name)},
				Items:                []corev1.KeyToPath{{Key: hostfile, Path: hostfile, Mode: new(int32(0o444))}},
			}}})
		}
		c := containerOf(r, trainer.Node)
		if c == nil {
			continue
		}
		setMount(c, corev1.VolumeMount{Name: volumeKeys, MountPath: keysPath})
		if r.Name == trainer.Launcher {
			setMount(c, corev1.VolumeMount{Name: volumeHostfile, MountPath: hostfileFolder})
			setEnv(c, d.mpiEnv(p)...)
		}
	}
}

func (d *draft) keysVolume() corev1.Volume {
	return corev1.Volume{Name: volumeKeys, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName:  keysName(d.job.Name),
		DefaultMode: new(int32(0o400)),
		Items: []corev1.KeyToPath{
			{Key: corev1.SSHAuthPrivateKey, Path: "id_rsa", Mode: new(int32(0o640))},
			{Key: publicKey, Path: "id_rsa.pub", Mode: new(int32(0o644))},
			{Key: publicKey, Path: "authorized_keys", Mode: new(int32(0o644))},
		},
	}}}
}

// mpiEnv tells mpirun where the list of hosts is, and how to reach them.
func (d *draft) mpiEnv(p *trainer.MPIPolicy) []corev1.EnvVar {
	file, slots := hostfileFolder+"/"+hostfile, fmt.Sprint(d.number(p.NumProcPerNode))
	switch implementation(p) {
	case trainer.MPICH:
		return []corev1.EnvVar{{Name: "HYDRA_HOST_FILE", Value: file}, {Name: "HYDRA_LAUNCH_EXTRA_ARGS", Value: patientSSH}}
	case trainer.Intel:
		return []corev1.EnvVar{
			{Name: "I_MPI_HYDRA_HOST_FILE", Value: file}, {Name: "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS", Value: patientSSH}, {Name: "I_MPI_PERHOST", Value: slots},
		}
	}
	return []corev1.EnvVar{
		{Name: "OMPI_MCA_orte_default_hostfile", Value: file},
		{Name: "OMPI_MCA_orte_keep_fqdn_hostnames", Value: "true"},
		{Name: "OMPI_MCA_orte_set_default_slots", Value: slots},
		{Name: "OMPI_MCA_plm_rsh_args", Value: patientSSH},
	}
}

const patientSSH = "-o ConnectionAttempts=10"

func implementation(p *trainer.MPIPolicy) trainer.MPIImplementation {
	if p.MPIImplementation == nil || *p.MPIImplementation == "" {
		return trainer.OpenMPI
	}
	return *p.MPIImplementation
}

// hostfile is the list of hosts, each with how many processes it takes.
func (d *draft) hostfile() *corev1.ConfigMap {
	format := "%s slots=%d\n"
	if i := implementation(d.policy.MPI); i == trainer.MPICH || i == trainer.Intel {
		format = "%s:%d\n"
	}
	var lines strings.Builder
	for i := range d.spec.ReplicatedJobs {
		r := &d.spec.ReplicatedJobs[i]
		if r.Name != trainer.Node && !(d.launcherIsNode() && r.Name == trainer.Launcher) {
			continue
		}
		for _, h := range d.hosts(r) {
			fmt.Fprintf(&lines, format, h, d.number(d.policy.MPI.NumProcPerNode))
		}
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: hostfileName(d.job.Name)},
		Data:       map[string]string{hostfile: lines.String()},
	}
}

// newKeys makes a pair of keys for ssh. They cannot be changed.
func newKeys(job string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: keysName(job)},
		Type:       corev1.SecretTypeSSHAuth,
		Immutable:  new(true),
		Data:       mpi.NewKeys(),
	}
}
