package v1

// tfReplicaTypes are the types a TFJob may have.
func tfReplicaTypes() []ReplicaType {
	return []ReplicaType{TFReplicaChief, TFReplicaMaster, TFReplicaPS, TFReplicaWorker, TFReplicaEvaluator}
}

// Default fills in what the job leaves open. It is for a controller's own copy:
// what a user wrote is stored as it was written.
func (j *TFJob) Default() {
	setPolicyDefaults(&j.Spec.RunPolicy)
	if j.Spec.SuccessPolicy == nil {
		policy := SuccessDefault
		j.Spec.SuccessPolicy = &policy
	}
	properCase(j.Spec.TFReplicaSpecs, tfReplicaTypes()...)
	for _, s := range j.Spec.TFReplicaSpecs {
		if s != nil {
			setReplicaDefaults(s, RestartNever, TFJobContainer, TFJobPortName, TFJobPort)
		}
	}
}
