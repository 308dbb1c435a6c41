// Package v1alpha1 holds what a user writes to look at event files with
// TensorBoard. It is as Kubeflow has it, and its status says a sentence more.
//
// +kubebuilder:object:generate=true
// +groupName=tensorboard.kubeflow.org
package v1alpha1

//go:generate go tool -modfile=../../../go.tools.mod controller-gen object crd paths=. output:object:dir=. output:crd:dir=../../../install/crds
