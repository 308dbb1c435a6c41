package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
)

// Labels of runtimes.
const (
	// LabelAncestor says, on a job of a runtime, which part of a TrainJob it
	// is for: one of the steps below.
	LabelAncestor = "trainer.kubeflow.org/trainjob-ancestor-step"
	// LabelFramework says, on a runtime, what it runs. Clients look for it.
	LabelFramework = "trainer.kubeflow.org/framework"
	// LabelSupport says, on a runtime, that it will go: "deprecated".
	LabelSupport = "trainer.kubeflow.org/support"
)

// Steps of a TrainJob. The initializers' are also the names of their jobs and
// containers.
const (
	StepDataset = "dataset-initializer"
	StepModel   = "model-initializer"
	StepTrainer = "trainer"
)

// Names in runtimes.
const (
	// Node is the container that trains, and the job whose pods are the nodes.
	Node = "node"
	// Launcher is the job that starts an MPI program.
	Launcher = "launcher"
	// VolumeInitializer is the volume that initializers and nodes share.
	VolumeInitializer = "initializer"
)

// Port is what nodes find each other by.
const Port = 29500

// +kubebuilder:object:root=true
// +kubebuilder:resource:path=trainingruntimes,singular=trainingruntime

// A TrainingRuntime says how TrainJobs of its namespace are run.
type TrainingRuntime struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is how.
	// +optional
	Spec TrainingRuntimeSpec `json:"spec,omitzero"`
}

// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clustertrainingruntimes,singular=clustertrainingruntime,scope=Cluster

// A ClusterTrainingRuntime says how TrainJobs of all namespaces are run.
type ClusterTrainingRuntime struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is how.
	// +optional
	Spec TrainingRuntimeSpec `json:"spec,omitzero"`
}

// TrainingRuntimeSpec says how TrainJobs are run.
type TrainingRuntimeSpec struct {
	// MLPolicy says which framework runs, on how many nodes.
	// +optional
	MLPolicy *MLPolicy `json:"mlPolicy,omitempty"`

	// PodGroupPolicy has the pods started together or not at all.
	// +optional
	PodGroupPolicy *PodGroupPolicy `json:"podGroupPolicy,omitempty"`

	// Template is the JobSet that is made for each TrainJob.
	// +optional
	Template JobSetTemplateSpec `json:"template,omitzero"`
}

// A JobSetTemplateSpec is a JobSet to be.
type JobSetTemplateSpec struct {
	// Metadata are labels and annotations of the JobSet.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the JobSet.
	// +optional
	Spec JobSetSpec `json:"spec,omitempty"`
}

// A JobSetSpec is the spec of a JobSet, with what newer JobSets have besides.
type JobSetSpec struct {
	jobsetv1alpha2.JobSetSpec `json:",inline"`

	// VolumeClaimPolicies make a claim for each TrainJob, which is mounted
	// wherever a container mounts the volume of its name.
	// +optional
	// +listType=atomic
	VolumeClaimPolicies []VolumeClaimPolicy `json:"volumeClaimPolicies,omitempty"`
}

// A VolumeClaimPolicy makes claims for a TrainJob.
type VolumeClaimPolicy struct {
	// Templates are the claims. Each is called after its template and the job.
	// +listType=atomic
	Templates []ClaimTemplate `json:"templates"`

	// RetentionPolicy says whether the claims go with the job.
	// +optional
	RetentionPolicy *RetentionPolicy `json:"retentionPolicy,omitempty"`
}

// A ClaimTemplate is a claim to be.
type ClaimTemplate struct {
	// Metadata has the name of the volume, labels and annotations.
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// Spec is the claim's.
	Spec corev1.PersistentVolumeClaimSpec `json:"spec"`
}

// A RetentionPolicy says whether claims go with their job.
type RetentionPolicy struct {
	// WhenDeleted is Delete (default) or Retain.
	// +optional
	// +kubebuilder:validation:Enum=Delete;Retain
	WhenDeleted string `json:"whenDeleted,omitempty"`
}

// An MLPolicy says which framework runs: one of its members, or none for a
// program that needs to be told nothing.
//
// +kubebuilder:validation:XValidation:rule="[has(self.torch), has(self.mpi), has(self.jax), has(self.xgboost), has(self.flux), has(self.tensorflow), has(self.paddle)].filter(x, x).size() <= 1",message="Only one of the policy can be configured"
type MLPolicy struct {
	// NumNodes is how many nodes there are unless the TrainJob says.
	// +optional
	NumNodes *int32 `json:"numNodes,omitempty"`

	// +optional
	Torch *TorchPolicy `json:"torch,omitempty"`
	// +optional
	MPI *MPIPolicy `json:"mpi,omitempty"`
	// Flux is known and not run.
	// +optional
	Flux *FluxPolicy `json:"flux,omitempty"`
	// +optional
	JAX *JAXPolicy `json:"jax,omitempty"`
	// +optional
	XGBoost *XGBoostPolicy `json:"xgboost,omitempty"`
	// TensorFlow gives the nodes their TF_CONFIG.
	// +optional
	TensorFlow *TensorFlowPolicy `json:"tensorflow,omitempty"`
	// Paddle gives the nodes what paddle.distributed.launch reads.
	// +optional
	Paddle *PaddlePolicy `json:"paddle,omitempty"`
}

// A TorchPolicy is for PyTorch, started by torchrun.
type TorchPolicy struct {
	// NumProcPerNode is how many processes each node has unless the TrainJob
	// says (2.0 and 2.1): a number, auto, cpu or gpu.
	// +optional
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 : self in ['auto', 'cpu', 'gpu']",message="numProcPerNode must be 1 or more, or auto, cpu or gpu"
	NumProcPerNode *intstr.IntOrString `json:"numProcPerNode,omitempty"`

	// ElasticPolicy lets the training go on with fewer nodes (2.0 and 2.1).
	// +optional
	ElasticPolicy *TorchElasticPolicy `json:"elasticPolicy,omitempty"`

	// EnvInjection gives more containers than node the variables (since 2.3).
	// +optional
	EnvInjection *EnvInjection `json:"envInjection,omitempty"`
}

// A TorchElasticPolicy says how few nodes are enough.
type TorchElasticPolicy struct {
	// MaxRestarts is how often the processes of a node are started again.
	// +optional
	MaxRestarts *int32 `json:"maxRestarts,omitempty"`
	// MinNodes is how few nodes are enough.
	// +optional
	MinNodes *int32 `json:"minNodes,omitempty"`
	// MaxNodes is how many nodes there are.
	// +optional
	MaxNodes *int32 `json:"maxNodes,omitempty"`
	// Metrics are known and not used: a JobSet cannot be scaled.
	// +optional
	// +listType=atomic
	Metrics []runtime.RawExtension `json:"metrics,omitempty"`
}

// An EnvInjection names containers that are told of the others.
type EnvInjection struct {
	// +optional
	// +listType=map
	// +listMapKey=jobName
	// +kubebuilder:validation:MaxItems=16
	Targets []EnvInjectionTarget `json:"targets,omitempty"`
}

// An EnvInjectionTarget names containers of a job.
type EnvInjectionTarget struct {
	// +kubebuilder:validation:MinLength=1
	JobName string `json:"jobName"`
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="!self.exists(c, c == 'node')",message="containerNames must not include the main node container because PET_* envs are always injected into it"
	ContainerNames []string `json:"containerNames"`
}

// An MPIImplementation is a program that starts MPI programs.
type MPIImplementation string

// The implementations of MPI whose files are written.
const (
	OpenMPI MPIImplementation = "OpenMPI"
	MPICH   MPIImplementation = "MPICH"
	Intel   MPIImplementation = "Intel"
)

// An MPIPolicy is for programs that mpirun starts, by ssh.
type MPIPolicy struct {
	// NumProcPerNode is how many processes each node takes unless the TrainJob
	// says.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	NumProcPerNode *int32 `json:"numProcPerNode,omitempty"`
	// MPIImplementation says what the list of hosts looks like.
	// +optional
	// +kubebuilder:default=OpenMPI
	// +kubebuilder:validation:Enum=OpenMPI;MPICH;Intel;""
	MPIImplementation *MPIImplementation `json:"mpiImplementation,omitempty"`
	// SSHAuthMountPath is where containers see the keys.
	// +optional
	// +kubebuilder:default=/root/.ssh
	SSHAuthMountPath *string `json:"sshAuthMountPath,omitempty"`
	// RunLauncherAsNode has the launcher be one of the nodes.
	// +optional
	// +kubebuilder:default=false
	RunLauncherAsNode *bool `json:"runLauncherAsNode,omitempty"`
}

// A FluxPolicy is for programs that Flux starts.
type FluxPolicy struct {
	// +optional
	NumProcPerNode *int32 `json:"numProcPerNode,omitempty"`
}

// A JAXPolicy is for JAX.
type JAXPolicy struct{}

// An XGBoostPolicy is for XGBoost, with a worker for each GPU, or for each node.
type XGBoostPolicy struct{}

// A TensorFlowPolicy is for TensorFlow. Jobs of the runtime that are called ps,
// chief or evaluator are that; the nodes are the workers.
type TensorFlowPolicy struct{}

// A PaddlePolicy is for PaddlePaddle.
type PaddlePolicy struct {
	// NumProcPerNode is how many processes each node has unless the TrainJob
	// says.
	// +optional
	NumProcPerNode *int32 `json:"numProcPerNode,omitempty"`
}

// A PodGroupPolicy names the scheduler that starts pods together: one of its
// members.
type PodGroupPolicy struct {
	// Coscheduling is the plugin of Kubernetes' scheduler plugins.
	// +optional
	Coscheduling *CoschedulingPolicy `json:"coscheduling,omitempty"`
	// Volcano is Volcano.
	// +optional
	Volcano *VolcanoPolicy `json:"volcano,omitempty"`
}

// A CoschedulingPolicy is for Kubernetes' scheduler plugins.
type CoschedulingPolicy struct {
	// ScheduleTimeoutSeconds is how long pods wait for each other.
	// +optional
	// +kubebuilder:default=60
	ScheduleTimeoutSeconds *int32 `json:"scheduleTimeoutSeconds,omitempty"`
}

// A VolcanoPolicy is for Volcano.
type VolcanoPolicy struct {
	// NetworkTopology says how near to each other the pods are placed.
	// +optional
	NetworkTopology *NetworkTopology `json:"networkTopology,omitempty"`
}

// A NetworkTopology is how near to each other pods are placed.
type NetworkTopology struct {
	// Mode is hard or soft.
	// +optional
	// +kubebuilder:validation:Enum=hard;soft
	Mode string `json:"mode,omitempty"`
	// HighestTierAllowed is how far apart they may be.
	// +optional
	HighestTierAllowed *int32 `json:"highestTierAllowed,omitempty"`
}

// +kubebuilder:object:root=true

// TrainingRuntimeList is a list of TrainingRuntimes.
type TrainingRuntimeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrainingRuntime `json:"items"`
}

// +kubebuilder:object:root=true

// ClusterTrainingRuntimeList is a list of ClusterTrainingRuntimes.
type ClusterTrainingRuntimeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterTrainingRuntime `json:"items"`
}
