package tensorboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
	"github.com/weir-ml/weir/platform/apply"
)

// +kubebuilder:rbac:groups=tensorboard.kubeflow.org,resources=tensorboards,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=tensorboard.kubeflow.org,resources=tensorboards/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=tensorboard.kubeflow.org,resources=tensorboards/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch

// manager is who the API server says owns the fields we apply.
const manager = "tensorboard"

// A Reconciler keeps a Deployment and a Service for each Tensorboard.
type Reconciler struct {
	options Options
	// client reads from watches, and live reads past them.
	client client.Client
	live   client.Reader
	clock  clock.PassiveClock
}

// Reconcile reads, decides, writes, reports; in that order, once each.
func (r *Reconciler) Reconcile(ctx context.Context, t *v1alpha1.Tensorboard) (reconcile.Result, error) {
	if !t.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // What it is made of is owned, and goes with it.
	}
	now := r.clock.Now()
	at, ever := sleepsAt(t, r.options)
	awake := !ever || now.Before(at)

	p, problem := readPlace(t.Spec.LogsPath)
	if problem == nil {
		problem = r.make(ctx, t, p, awake)
		if problem != nil && !isUsers(problem) {
			return reconcile.Result{}, problem
		}
	}
	d, pods, err := r.read(ctx, t)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.report(ctx, t, status(t, d, pods, problem, awake, now)); err != nil || !ever || !awake {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: max(at.Sub(now), time.Millisecond)}, nil
}

// read finds what a Tensorboard is made of.
func (r *Reconciler) read(ctx context.Context, t *v1alpha1.Tensorboard) (*appsv1.Deployment, []corev1.Pod, error) {
	d := &appsv1.Deployment{}
	err := r.client.Get(ctx, client.ObjectKeyFromObject(t), d)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(d, t) {
		d, err = nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read Deployment %s/%s: %w", t.Namespace, t.Name, err)
	}
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, client.InNamespace(t.Namespace), client.MatchingLabels{Label: t.Name}); err != nil {
		return nil, nil, fmt.Errorf("list pods of Tensorboard %s/%s: %w", t.Namespace, t.Name, err)
	}
	return d, pods.Items, nil
}

// make makes the Deployment and the Service say what they should.
func (r *Reconciler) make(ctx context.Context, t *v1alpha1.Tensorboard, p place, awake bool) error {
	if err := r.apply(ctx, t, service(t)); err != nil {
		return err
	}
	return r.apply(ctx, t, deployment(t, p, r.options, awake))
}

// apply makes an object say what it should. One of its name that belongs to
// another is left alone.
func (r *Reconciler) apply(ctx context.Context, t *v1alpha1.Tensorboard, o client.Object) error {
	kind := o.GetObjectKind().GroupVersionKind().Kind
	there := &metav1.PartialObjectMetadata{}
	there.SetGroupVersionKind(o.GetObjectKind().GroupVersionKind())
	err := r.live.Get(ctx, client.ObjectKeyFromObject(o), there)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
	}
	if err == nil && !metav1.IsControlledBy(there, t) {
		return usersError{fmt.Errorf("%s %s belongs to another: delete it, or give the Tensorboard another name", kind, o.GetName())}
	}
	o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(t, v1alpha1.GroupVersion.WithKind(v1alpha1.TensorboardKind))})
	err = apply.Object(ctx, r.client, o, manager)
	switch {
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return usersError{fmt.Errorf("%s %s cannot be made: %w", kind, o.GetName(), err)}
	case err != nil:
		return fmt.Errorf("apply %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// report writes status if it differs from what is stored.
func (r *Reconciler) report(ctx context.Context, t *v1alpha1.Tensorboard, s v1alpha1.TensorboardStatus) error {
	if equality.Semantic.DeepEqual(t.Status, s) {
		return nil
	}
	next := t.DeepCopy()
	next.Status = s
	if err := apply.Status(ctx, r.client, t, next); err != nil {
		return fmt.Errorf("report status of Tensorboard %s/%s: %w", t.Namespace, t.Name, err)
	}
	return nil
}

// A usersError is what only a user can put right.
type usersError struct{ error }

func isUsers(err error) bool {
	var u usersError
	return errors.As(err, &u)
}
