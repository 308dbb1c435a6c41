package admission

import (
	"context"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// An Object knows its own rules.
type Object interface {
	client.Object
	Validate() field.ErrorList
}

// Validate refuses objects of a resource that are not valid, and changes that
// are not allowed. An object that is being deleted may be changed however it
// stands, or its finalizers could never be taken away.
func Validate[T Object](kind schema.GroupKind, resource schema.GroupVersionResource, changed func(now, before T) field.ErrorList) Rule {
	return Rule{
		name:       "validate-" + resource.Resource,
		resource:   resource,
		operations: []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update},
		hook: func(s *runtime.Scheme) *webhook.Webhook {
			return webhook.WithValidator(s, validator[T]{kind, changed})
		},
	}
}

type validator[T Object] struct {
	kind    schema.GroupKind
	changed func(now, before T) field.ErrorList
}

func (v validator[T]) ValidateCreate(_ context.Context, o T) (webhook.Warnings, error) {
	return nil, v.refusal(o, o.Validate())
}

func (v validator[T]) ValidateUpdate(_ context.Context, before, now T) (webhook.Warnings, error) {
	if !now.GetDeletionTimestamp().IsZero() {
		return nil, nil
	}
	return nil, v.refusal(now, v.changed(now, before))
}

func (v validator[T]) ValidateDelete(context.Context, T) (webhook.Warnings, error) { return nil, nil }

func (v validator[T]) refusal(o T, problems field.ErrorList) error {
	if len(problems) == 0 {
		return nil
	}
	return apierrors.NewInvalid(v.kind, o.GetName(), problems)
}

// change makes a defaulter of a function.
type change[T runtime.Object] func(context.Context, T) error

func (c change[T]) Default(ctx context.Context, o T) error { return c(ctx, o) }
