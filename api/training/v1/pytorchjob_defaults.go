package v1

// pytorch is what sets the defaults and rules of a PyTorchJob apart.
var pytorch = kind{
	field:     "pytorchReplicaSpecs",
	types:     []ReplicaType{PyTorchReplicaMaster, PyTorchReplicaWorker},
	container: PyTorchJobContainer, portName: PyTorchJobPortName, port: PyTorchJobPort,
	restart: RestartOnFailure,
}

// Default fills in what the job leaves open, in memory only.
func (j *PyTorchJob) Default() {
	j.Spec.OldRunPolicy.fold(&j.Spec.RunPolicy)
	pytorch.complete(j)
	e := j.Spec.ElasticPolicy
	if j.Spec.NProcPerNode == nil && (e == nil || e.NProcPerNode == nil) {
		auto := NProcAuto
		j.Spec.NProcPerNode = &auto
	}
	if e == nil {
		return
	}
	workers := new(int32)
	if s := j.Spec.PyTorchReplicaSpecs[PyTorchReplicaWorker]; s != nil {
		workers = s.Replicas
	}
	written := *e
	e.MinReplicas = orElse(written.MinReplicas, orElse(written.MaxReplicas, workers))
	e.MaxReplicas = orElse(written.MaxReplicas, orElse(written.MinReplicas, workers))
	if e.RendezvousBackend == nil {
		backend := RendezvousC10d
		e.RendezvousBackend = &backend
	}
}
