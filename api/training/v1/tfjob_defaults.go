package v1

// tensorflow is what sets the defaults and rules of a TFJob apart.
var tensorflow = kind{
	field:     "tfReplicaSpecs",
	types:     []ReplicaType{TFReplicaChief, TFReplicaMaster, TFReplicaPS, TFReplicaWorker, TFReplicaEvaluator},
	container: TFJobContainer, portName: TFJobPortName, port: TFJobPort,
	restart: RestartNever,
}

// Default fills in what the job leaves open. It is for a controller's own copy:
// what a user wrote is stored as it was written.
func (j *TFJob) Default() {
	j.Spec.OldRunPolicy.fold(&j.Spec.RunPolicy)
	tensorflow.complete(j)
	if j.Spec.SuccessPolicy == nil {
		policy := SuccessDefault
		j.Spec.SuccessPolicy = &policy
	}
}
