// Package v1alpha1 holds the oldest form of MPIJob, which asks for processing
// units and has one template for all pods. It is kept as kubeflow.org/v1.
//
// +kubebuilder:object:generate=true
// +groupName=kubeflow.org
package v1alpha1
