package mpi

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	training "github.com/weir-ml/weir/api/training/v1"
)

// +kubebuilder:rbac:groups=kubeflow.org,resources=mpijobs,verbs=patch

// SetupUnconverted is for API servers that have nobody turn MPIJobs into other
// versions, and serve them as any with the fields they have. A manager then notes
// on each job which version it was written as. Before that no framework takes the
// job, if it is told that there is no conversion.
func SetupUnconverted(mgr ctrl.Manager) error {
	const name = "mpijob-versions"
	if err := training.AddToScheme(mgr.GetScheme()); err != nil {
		return fmt.Errorf("set up %s: %w", name, err)
	}
	err := ctrl.NewControllerManagedBy(mgr).Named(name).For(&training.MPIJob{}).
		WithOptions(controller.Options{SkipNameValidation: new(true)}). // A process may hold one manager after another.
		Complete(marker{mgr.GetClient()})
	if err != nil {
		return fmt.Errorf("set up %s: %w", name, err)
	}
	return nil
}

// A marker notes which version jobs were written as.
type marker struct{ client client.Client }

// Reconcile marks a job that is not yet. It stays as it is marked, whoever changes
// it as another version later.
func (m marker) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	j := &training.MPIJob{}
	if err := m.client.Get(ctx, req.NamespacedName, j); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !j.DeletionTimestamp.IsZero() || j.Annotations[training.AnnotationWrittenAs] != "" {
		return reconcile.Result{}, nil
	}
	version := writtenAs(j.ManagedFields)
	patch := fmt.Appendf(nil, `{"metadata": {"annotations": {%q: %q}}}`, training.AnnotationWrittenAs, version)
	if err := m.client.Patch(ctx, j, client.RawPatch(types.MergePatchType, patch)); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("note that MPIJob %s was written as %s: %w", req.NamespacedName, version, err)
	}
	return reconcile.Result{}, nil
}

// writtenAs is the version that a job's spec was first written as, by what the
// API server keeps of each who has written.
func writtenAs(entries []metav1.ManagedFieldsEntry) string {
	version, first := training.GroupVersion.Version, (*metav1.Time)(nil)
	for _, e := range entries {
		if e.Subresource != "" || e.FieldsV1 == nil || !strings.Contains(e.FieldsV1.GetRawString(), `"f:spec"`) {
			continue
		}
		gv, err := schema.ParseGroupVersion(e.APIVersion)
		if err == nil && gv.Group == training.GroupVersion.Group && (first == nil || e.Time.Before(first)) {
			version, first = gv.Version, e.Time
		}
	}
	return version
}
