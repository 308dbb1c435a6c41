// Package v1alpha1 holds what a user writes to train by a runtime: TrainJobs, and
// the runtimes that say how a framework is run. It has the fields of all
// versions of Kubeflow's Trainer, 2.0 to 2.3.
//
// +kubebuilder:object:generate=true
// +groupName=trainer.kubeflow.org
package v1alpha1

//go:generate go tool -modfile=../../../go.tools.mod controller-gen object crd:generateEmbeddedObjectMeta=true paths=. output:object:dir=. output:crd:dir=../../../install/crds
//go:generate go run ../../../hack/trimcrd ../../../install/crds/trainer.kubeflow.org_trainjobs.yaml
//go:generate go run ../../../hack/trimcrd -open-pods ../../../install/crds/trainer.kubeflow.org_trainingruntimes.yaml ../../../install/crds/trainer.kubeflow.org_clustertrainingruntimes.yaml
