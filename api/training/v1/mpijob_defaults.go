package v1

// mpi is what sets the defaults and rules of an MPIJob apart. Its container may
// have any name, and needs no port.
var mpi = kind{
	field:   "mpiReplicaSpecs",
	types:   []ReplicaType{MPIReplicaLauncher, MPIReplicaWorker},
	restart: RestartNever, managers: []string{ManagerMPIOperator},
}

// Default fills in what the job leaves open, in memory only.
func (j *MPIJob) Default() {
	j.Spec.OldRunPolicy.fold(&j.Spec.RunPolicy)
	properCase(j.Spec.MPIReplicaSpecs, mpi.types...)
	if w := j.Spec.MPIReplicaSpecs[MPIReplicaWorker]; w != nil && w.Replicas == nil {
		w.Replicas = new(int32(0))
	}
	if l := j.Spec.MPIReplicaSpecs[MPIReplicaLauncher]; j.IsV2() && l != nil && l.RestartPolicy == "" {
		l.RestartPolicy = RestartOnFailure
	}
	mpi.complete(j)
	if !j.IsV2() {
		return
	}
	if j.Spec.SSHAuthMountPath == "" {
		j.Spec.SSHAuthMountPath = "/root/.ssh"
	}
	if j.Spec.LauncherCreationPolicy == "" {
		j.Spec.LauncherCreationPolicy = LauncherAtStartup
	}
}
