package admission

import (
	"context"

	admissionregistration "k8s.io/api/admissionregistration/v1"
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
