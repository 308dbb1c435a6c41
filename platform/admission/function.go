package admission

import (
	"context"
	"fmt"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/json"
)

// A Checker says what is wrong with an object, and what to warn of. before is
// what the object was; it is nil when the object is new.
type Checker[T client.Object] func(ctx context.Context, now, before T) (warnings []string, problems field.ErrorList)

// Check refuses objects of a resource in which a function finds something wrong.
// An object that is being deleted may be changed however it stands.
func Check[T client.Object](kind schema.GroupKind, resource schema.GroupVersionResource, check Checker[T]) Rule {
	return Rule{
		name:       "check-" + resource.Resource,
		resource:   resource,
		operations: []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update},
		hook: func(s *runtime.Scheme) *webhook.Webhook {
			return webhook.WithValidator(s, checker[T]{kind, check})
		},
	}
}

type checker[T client.Object] struct {
	kind  schema.GroupKind
	check Checker[T]
}

func (c checker[T]) ValidateCreate(ctx context.Context, o T) (webhook.Warnings, error) {
	var none T
	return c.judge(ctx, o, none)
}

func (c checker[T]) ValidateUpdate(ctx context.Context, before, now T) (webhook.Warnings, error) {
	if !now.GetDeletionTimestamp().IsZero() {
		return nil, nil // Or its finalizers could never be taken away.
	}
	return c.judge(ctx, now, before)
}

func (c checker[T]) ValidateDelete(context.Context, T) (webhook.Warnings, error) { return nil, nil }

func (c checker[T]) judge(ctx context.Context, now, before T) (webhook.Warnings, error) {
	warnings, problems := c.check(ctx, now, before)
	unknown, err := unknownFields[T](ctx)
	if err != nil {
		return nil, err
	}
	warnings = append(unknown, warnings...)
	if len(problems) == 0 {
		return warnings, nil
	}
	return warnings, apierrors.NewInvalid(c.kind, now.GetName(), problems)
}

// unknownFields are sentences on fields of a request's object that its type does
// not have, in the API server's own words. The schemas of the kinds leave much of
// a pod open, so the API server itself does not look there.
func unknownFields[T client.Object](ctx context.Context) (webhook.Warnings, error) {
	request, err := webhook.RequestFromContext(ctx)
	if err != nil {
		return nil, err
	}
	var object T
	strict, err := json.UnmarshalStrict(request.Object.Raw, &object)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", request.Name, err)
	}
	var all webhook.Warnings
	for _, problem := range strict {
		all = append(all, problem.Error())
	}
	return all, nil
}

// Complete has a function fill in what objects of a resource leave out. before
// is what the object was; it is nil when the object is new.
func Complete[T client.Object](resource schema.GroupVersionResource, complete func(now, before T) error) Rule {
	return Rule{
		name:       "complete-" + resource.Resource,
		resource:   resource,
		operations: []admissionregistration.OperationType{admissionregistration.Create, admissionregistration.Update},
		changes:    true,
		hook: func(s *runtime.Scheme) *webhook.Webhook {
			return webhook.WithDefaulter(s, change[T](func(ctx context.Context, now T) error {
				before, err := previous[T](ctx)
				if err != nil {
					return err
				}
				return complete(now, before)
			}))
		},
	}
}

// previous is the object that a request is to replace, nil if it is new.
func previous[T client.Object](ctx context.Context) (T, error) {
	var before T
	request, err := webhook.RequestFromContext(ctx)
	if err != nil || len(request.OldObject.Raw) == 0 {
		return before, err
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(request.OldObject.Raw, &before); err != nil {
		return before, fmt.Errorf("read what %s was: %w", request.Name, err)
	}
	return before, nil
}
