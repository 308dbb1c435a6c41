package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "kubeflow.org", Version: "v1"}

// AddToScheme adds the types of this package to a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&TFJob{}, &TFJobList{},
		&PyTorchJob{}, &PyTorchJobList{},
		&XGBoostJob{}, &XGBoostJobList{},
		&PaddleJob{}, &PaddleJobList{},
		&JAXJob{}, &JAXJobList{},
		&MXJob{}, &MXJobList{},
		&MPIJob{}, &MPIJobList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
