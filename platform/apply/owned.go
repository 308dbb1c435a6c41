package apply

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Object makes an object, which knows its kind, say what it should, as the owner
// of these fields. One in a namespace that ends is left to go with it. The errors
// are the API server's.
func Object(ctx context.Context, c client.Client, o client.Object, owner client.FieldOwner) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: content}
	delete(u.Object, "status")
	err = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), owner, client.ForceOwnership)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// Status writes the status that an object has next, unless it has changed since it
// was read, as was: then there will be another look. The errors are the API
// server's.
func Status(ctx context.Context, c client.Client, was, next client.Object) error {
	err := c.Status().Patch(ctx, next, client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
