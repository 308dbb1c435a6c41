package v1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names that belong to MPIJob.
const (
	MPIJobKind = "MPIJob"
	// MPIJobPlural is what the kind is called in addresses.
	MPIJobPlural = "mpijobs"
)

// Replica types of an MPIJob.
const (
	// MPIReplicaLauncher is where mpirun runs.
	MPIReplicaLauncher ReplicaType = "Launcher"
	// MPIReplicaWorker is where the processes run that mpirun starts.
	MPIReplicaWorker ReplicaType = "Worker"
)

// AnnotationWrittenAs is the version that an MPIJob was written as, where it is
// read as another. Jobs of v2beta1 are run in another way than the rest.
const AnnotationWrittenAs = "weir-ml.github.io/written-as"

// MPIJobV2 is the version whose jobs reach their workers by SSH.
const MPIJobV2 = "v2beta1"

// mpiJobOldest is the version whose jobs have another form than the rest.
const mpiJobOldest = "v1alpha1"

// ManagerMPIOperator is what MPIJobs of v2beta1 say for this controller.
const ManagerMPIOperator = "kubeflow.org/mpi-operator"

// An MPIImplementation is a library with an mpirun of its own.
type MPIImplementation string

const (
	MPIOpen  MPIImplementation = "OpenMPI"
	MPIIntel MPIImplementation = "Intel"
	MPIMPICH MPIImplementation = "MPICH"
	// mpiIntelOld is what v1alpha2 calls Intel.
	mpiIntelOld MPIImplementation = "IntelMPI"
)

// A LauncherCreationPolicy says when the launcher of an MPIJob is made.
type LauncherCreationPolicy string

const (
	// LauncherAtStartup is together with the workers.
	LauncherAtStartup LauncherCreationPolicy = "AtStartup"
	// LauncherWaits is when all workers are ready.
	LauncherWaits LauncherCreationPolicy = "WaitForWorkersReady"
)

// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=mpijobs,singular=mpijob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// An MPIJob runs mpirun in one pod, and the processes that it starts in others.
// Its fields are those of v1alpha2, v1 and v2beta1 together.
type MPIJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec MPIJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// MPIJobSpec is what the user asks for.
type MPIJobSpec struct {
	// SlotsPerWorker is how many processes a worker takes. The default is 1.
	// +optional
	SlotsPerWorker *int32 `json:"slotsPerWorker,omitempty"`

	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	OldRunPolicy `json:",inline"`

	// MPIReplicaSpecs are the pods by type: Launcher and Worker.
	MPIReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"mpiReplicaSpecs"`

	// MainContainer is the worker's container that processes run in, if it is
	// not the first. It is not for v2beta1.
	// +optional
	MainContainer string `json:"mainContainer,omitempty"`

	// MPIDistribution is an older place for mpiImplementation: OpenMPI, IntelMPI
	// or MPICH.
	// +optional
	MPIDistribution MPIImplementation `json:"mpiDistribution,omitempty"`

	// MPIImplementation is OpenMPI (the default), Intel or MPICH.
	// +optional
	MPIImplementation MPIImplementation `json:"mpiImplementation,omitempty"`

	// SSHAuthMountPath is the folder for the keys of SSH. The default is
	// /root/.ssh. It is for v2beta1.
	// +optional
	SSHAuthMountPath string `json:"sshAuthMountPath,omitempty"`

	// LauncherCreationPolicy is AtStartup (the default) or WaitForWorkersReady.
	// It is for v2beta1.
	// +optional
	LauncherCreationPolicy LauncherCreationPolicy `json:"launcherCreationPolicy,omitempty"`

	// RunLauncherAsWorker has processes run in the launcher too. It is for
	// v2beta1.
	// +optional
	RunLauncherAsWorker *bool `json:"runLauncherAsWorker,omitempty"`
}

// +kubebuilder:object:root=true

// MPIJobList is a list of MPIJobs.
type MPIJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MPIJob `json:"items"`
}

// Policy says how the job is run.
func (j *MPIJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *MPIJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.MPIReplicaSpecs }

// Report is what is known of the job.
func (j *MPIJob) Report() *JobStatus { return &j.Status }

// IsV2 tells whether the job was written as v2beta1, and is run so.
func (j *MPIJob) IsV2() bool { return j.Annotations[AnnotationWrittenAs] == MPIJobV2 }

// Slots is how many processes a worker takes.
func (j *MPIJob) Slots() int32 {
	if j.Spec.SlotsPerWorker == nil {
		return 1
	}
	return *j.Spec.SlotsPerWorker
}

// Implementation is the MPI that the job is for, by whichever name it is said.
func (j *MPIJob) Implementation() MPIImplementation {
	said := append([]MPIImplementation{j.Spec.MPIImplementation, j.Spec.MPIDistribution}, MPIOpen)
	i := said[slices.IndexFunc(said, func(i MPIImplementation) bool { return i != "" })]
	if i == mpiIntelOld {
		return MPIIntel
	}
	return i
}

// LauncherIsWorker tells whether processes run in the launcher too.
func (j *MPIJob) LauncherIsWorker() bool {
	return j.Spec.RunLauncherAsWorker != nil && *j.Spec.RunLauncherAsWorker
}
