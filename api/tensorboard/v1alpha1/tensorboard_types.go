package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TensorboardKind is the kind of a Tensorboard.
const TensorboardKind = "Tensorboard"

// AnnotationVisited says, on a Tensorboard, when it was last looked at. It is
// written as people come in by the front door.
const AnnotationVisited = "weir-ml.github.io/visited"

// A Tensorboard shows the event files of one place.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Logs",type=string,JSONPath=`.spec.logspath`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Tensorboard struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TensorboardSpec   `json:"spec,omitempty"`
	Status TensorboardStatus `json:"status,omitempty"`
}

// A TensorboardSpec says what is shown.
type TensorboardSpec struct {
	// LogsPath is the place of the event files: s3://BUCKET/FOLDER,
	// gs://BUCKET/FOLDER or pvc://CLAIM/FOLDER.
	LogsPath string `json:"logspath"`
}

// A TensorboardStatus says whether it can be looked at.
type TensorboardStatus struct {
	// Conditions are what its Deployment was, the latest last.
	// +optional
	// +nullable
	Conditions []TensorboardCondition `json:"conditions"`
	// ReadyReplicas is 1 when it can be looked at.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// Message says, in a sentence, why it cannot be looked at, or not yet.
	// +optional
	Message string `json:"message,omitempty"`
}

// A TensorboardCondition is a state of the Deployment.
type TensorboardCondition struct {
	// DeploymentState is the type of a condition of the Deployment: Available,
	// Progressing or ReplicaFailure.
	DeploymentState string `json:"deploymentState"`
	// LastProbeTime is since when it is so.
	// +optional
	LastProbeTime metav1.Time `json:"lastProbeTime,omitempty"`
}

// A TensorboardList is a list of Tensorboards.
//
// +kubebuilder:object:root=true
type TensorboardList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Tensorboard `json:"items"`
}
