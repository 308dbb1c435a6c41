package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Names that belong to XGBoostJob.
const (
	XGBoostJobKind = "XGBoostJob"
	// XGBoostJobContainer is the container that runs XGBoost or LightGBM.
	XGBoostJobContainer = "xgboost"
	// XGBoostJobPortName is the port that replicas call each other on.
	XGBoostJobPortName = "xgboostjob-port"
	// XGBoostJobPort is that port's number unless the container says another.
	XGBoostJobPort = 9999
)

// Replica types of an XGBoostJob.
const (
	// XGBoostReplicaMaster decides for the job.
	XGBoostReplicaMaster ReplicaType = "Master"
	XGBoostReplicaWorker ReplicaType = "Worker"
)

// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=xgboostjobs,singular=xgboostjob
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[-1:].type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`

// An XGBoostJob runs an XGBoost or LightGBM program over several replicas.
type XGBoostJob struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the user asks for.
	// +optional
	Spec XGBoostJobSpec `json:"spec,omitempty"`
	// Status is what is known of the job.
	// +optional
	Status JobStatus `json:"status,omitempty"`
}

// XGBoostJobSpec is what the user asks for.
type XGBoostJobSpec struct {
	// RunPolicy says how the job is run, cleaned up and given up.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	OldRunPolicy `json:",inline"`

	// XGBReplicaSpecs are the pods by type: Master and Worker.
	XGBReplicaSpecs map[ReplicaType]*ReplicaSpec `json:"xgbReplicaSpecs"`
}

// +kubebuilder:object:root=true

// XGBoostJobList is a list of XGBoostJobs.
type XGBoostJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []XGBoostJob `json:"items"`
}

// Policy says how the job is run.
func (j *XGBoostJob) Policy() *RunPolicy { return &j.Spec.RunPolicy }

// Replicas says which pods the job is made of.
func (j *XGBoostJob) Replicas() map[ReplicaType]*ReplicaSpec { return j.Spec.XGBReplicaSpecs }

// Report is what is known of the job.
func (j *XGBoostJob) Report() *JobStatus { return &j.Status }

// xgboost is what sets the defaults and rules of an XGBoostJob apart.
var xgboost = kind{
	field:     "xgbReplicaSpecs",
	types:     []ReplicaType{XGBoostReplicaMaster, XGBoostReplicaWorker},
	container: XGBoostJobContainer, portName: XGBoostJobPortName, port: XGBoostJobPort,
	restart: RestartNever,
}

// Default fills in what the job leaves open, in memory only.
func (j *XGBoostJob) Default() {
	j.Spec.OldRunPolicy.fold(&j.Spec.RunPolicy)
	xgboost.complete(j)
}

// Validate says what is wrong with an XGBoostJob, each in a sentence. An empty
// list means nothing is.
func (j *XGBoostJob) Validate() field.ErrorList {
	problems := append(xgboost.check(j), j.Spec.OldRunPolicy.check(&j.Spec.RunPolicy)...)
	if _, master := xgboost.replica(j, XGBoostReplicaMaster); master == nil && len(j.Spec.XGBReplicaSpecs) > 0 {
		problems = append(problems, field.Required(xgboost.at().Key(string(XGBoostReplicaMaster)), "must be present: the others look to it, so give one"))
	}
	return append(problems, xgboost.checkOne(j, XGBoostReplicaMaster)...)
}
