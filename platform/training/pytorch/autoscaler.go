package pytorch

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/platform/training/job"
)

// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;update;delete

var autoscaler = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")

var _ job.Furnisher[*training.PyTorchJob] = Framework{}

// Furniture is the autoscaler that changes how many workers an elastic job has.
// It goes when the job has ended: there is nothing left to scale.
func (Framework) Furniture() []job.Furniture {
	return []job.Furniture{{Kind: autoscaler, Transient: true}}
}

// Furnish gives a job whose elastic policy names metrics an autoscaler, unless
// it is suspended.
func (Framework) Furnish(j *training.PyTorchJob, _ job.Seen) []client.Object {
	e := j.Spec.ElasticPolicy
	if e == nil || len(e.Metrics) == 0 || j.Spec.RunPolicy.Suspend != nil && *j.Spec.RunPolicy.Suspend {
		return nil
	}
	return []client.Object{&autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: autoscaler.GroupVersion().String(), Kind: autoscaler.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: j.Name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: training.GroupVersion.String(), Kind: training.PyTorchJobKind, Name: j.Name,
			},
			MinReplicas: e.MinReplicas,
			MaxReplicas: *e.MaxReplicas,
			Metrics:     e.Metrics,
		},
	}}
}
