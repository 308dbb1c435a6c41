package admission

import (
	"context"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// A Rule says what happens to objects of one resource on their way in.
type Rule struct {
	name       string
	resource   schema.GroupVersionResource
	operations []admissionregistration.OperationType
	// only are the objects it is for; nil is all.
	only *metav1.LabelSelector
	// changes is whether it may change objects, and not only refuse them.
	changes bool
	hook    func(*runtime.Scheme) *webhook.Webhook
	// begin is what else is to do when the server starts.
	begin func(context.Context) error
}

func (r Rule) path() string { return "/" + r.name }

// change makes a defaulter of a function.
type change[T runtime.Object] func(context.Context, T) error

func (c change[T]) Default(ctx context.Context, o T) error { return c(ctx, o) }

// givenToPods is a rule for pods, as they are made, that ask for something by a
// label.
func givenToPods(name, label string, give change[*corev1.Pod]) Rule {
	return Rule{
		name:       name,
		resource:   schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		operations: []admissionregistration.OperationType{admissionregistration.Create},
		only:       &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: label, Operator: metav1.LabelSelectorOpExists}}},
		changes:    true,
		hook:       func(scheme *runtime.Scheme) *webhook.Webhook { return webhook.WithDefaulter(scheme, give) },
	}
}
