// Package v1 holds what a user writes to run a training job: the kinds of
// kubeflow.org/v1, their defaults, their rules, and the words their status uses.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v1

//go:generate go tool -modfile=../../../go.tools.mod controller-gen object crd:generateEmbeddedObjectMeta=true paths=. paths=../v1alpha1 output:crd:dir=../../../install/crds
//go:generate go run ../../../hack/trimcrd ../../../install/crds/kubeflow.org_tfjobs.yaml=v1beta2,v1beta1,v1alpha2 ../../../install/crds/kubeflow.org_pytorchjobs.yaml=v1beta2,v1beta1 ../../../install/crds/kubeflow.org_xgboostjobs.yaml ../../../install/crds/kubeflow.org_paddlejobs.yaml ../../../install/crds/kubeflow.org_jaxjobs.yaml ../../../install/crds/kubeflow.org_mxjobs.yaml ../../../install/crds/kubeflow.org_mpijobs.yaml=v1alpha2,+v2beta1
