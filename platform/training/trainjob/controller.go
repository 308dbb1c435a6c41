// Package trainjob runs TrainJobs: each becomes a JobSet, made from a runtime.
//
//	TrainJob ┐                         ┌▶ JobSet ─▶ Jobs ─▶ pods
//	runtime  ┼─▶ draft ─▶ plan ────────┤
//	JobSet   ┘                         └▶ snapshot, keys, claims, PodGroup
//	            └──────▶ status, event
//
// What is decided is in draft.go, framework.go, plan.go and status.go:
// functions of what was read and of the time. This file reads and writes.
package trainjob

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
	"github.com/weir-ml/weir/platform/apply"
)

// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainjobs,verbs=get;list;watch
// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainjobs/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainjobs/finalizers,verbs=update
// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainingruntimes;clustertrainingruntimes,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=jobset.x-k8s.io,resources=jobsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps;secrets;persistentvolumeclaims,verbs=get;create;patch
// +kubebuilder:rbac:groups=scheduling.volcano.sh;scheduling.x-k8s.io,resources=podgroups,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// manager is who the API server says owns the fields we apply.
const manager = "trainer"

// A Reconciler brings TrainJobs to their end.
type Reconciler struct {
	options Options
	// client reads TrainJobs, runtimes and JobSets from watches, and live reads
	// past them.
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	clock    clock.PassiveClock
	watches  watches
}

// Reconcile reads, decides, writes, reports; in that order, once each.
func (r *Reconciler) Reconcile(ctx context.Context, j *trainer.TrainJob) (reconcile.Result, error) {
	if !j.DeletionTimestamp.IsZero() || !ours(j) {
		return reconcile.Result{}, nil // What it is made of is owned, and goes with it.
	}
	js, err := r.jobSet(ctx, j)
	if err != nil {
		return reconcile.Result{}, err
	}
	if finished(&j.Status) {
		return reconcile.Result{}, r.report(ctx, j, status(j, js, nil, r.clock.Now()))
	}

	if at, ok := deadline(j); ok && !r.clock.Now().Before(at) && !ended(js) {
		return reconcile.Result{}, r.expire(ctx, j, js)
	}
	var result reconcile.Result
	var problem *metav1.Condition
	if _, no := unsupported(j); !no && due(j, js) {
		err = r.make(ctx, j)
		problem = trouble(err)
		r.tell(j, problem)
		if isUsers(err) {
			err, result.RequeueAfter = nil, longestWait // Not all that may put it right is watched.
		}
	} else if js != nil && !ended(js) {
		err = r.regather(ctx, j, js)
	}
	err = errors.Join(err, r.report(ctx, j, status(j, js, problem, r.clock.Now())))
	if at, ok := deadline(j); ok {
		left := max(at.Sub(r.clock.Now()), time.Millisecond)
		if result.RequeueAfter == 0 || left < result.RequeueAfter {
			result.RequeueAfter = left
		}
	}
	return result, err
}

// ours tells whether a TrainJob is for this controller to run.
func ours(j *trainer.TrainJob) bool {
	return j.Spec.ManagedBy == nil || *j.Spec.ManagedBy == "" || *j.Spec.ManagedBy == trainer.ManagerTrainJobController
}

// ended tells whether the pods have come to an end, which counts even if it is
// seen only after a deadline.
func ended(js *jobsetv1alpha2.JobSet) bool {
	return js != nil && js.Status.TerminalState != ""
}

// jobSet reads a TrainJob's JobSet; it is nil if there is none. One that is
// another's is left to make to complain of.
func (r *Reconciler) jobSet(ctx context.Context, j *trainer.TrainJob) (*jobsetv1alpha2.JobSet, error) {
	js := &jobsetv1alpha2.JobSet{}
	err := r.client.Get(ctx, client.ObjectKeyFromObject(j), js)
	if apierrors.IsNotFound(err) || err == nil && (!metav1.IsControlledBy(js, j) || !js.DeletionTimestamp.IsZero()) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read JobSet %s/%s: %w", j.Namespace, j.Name, err)
	}
	return js, nil
}

// plan says what a TrainJob should be made of.
func (r *Reconciler) plan(ctx context.Context, j *trainer.TrainJob) (plan, error) {
	by, err := r.runtime(ctx, j)
	if err != nil {
		return plan{}, err
	}
	var groups []string
	if by.spec.PodGroupPolicy != nil {
		groups = r.groups()
	}
	p, err := newPlan(j, by, r.options, groups)
	if err != nil {
		return plan{}, users(reasonInvalid, err)
	}
	return p, nil
}

// make brings into being what a TrainJob should be made of.
func (r *Reconciler) make(ctx context.Context, j *trainer.TrainJob) error {
	p, err := r.plan(ctx, j)
	if err != nil {
		return err
	}
	if p.keys {
		if err := r.makeKeys(ctx, j); err != nil {
			return err
		}
	}
	for _, o := range p.objects {
		if err := r.apply(ctx, j, o); err != nil {
			return err
		}
	}
	return nil
}

// runtime reads what a TrainJob runs by: its own copy, or the runtime itself
// the first time.
func (r *Reconciler) runtime(ctx context.Context, j *trainer.TrainJob) (*runtimeOf, error) {
	kept := &corev1.ConfigMap{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: j.Namespace, Name: j.Name + snapshotSuffix}, kept)
	if err == nil && metav1.IsControlledBy(kept, j) {
		by, err := readSnapshot(j, kept)
		if err != nil {
			return nil, users(reasonInvalid, err)
		}
		return by, nil
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read the runtime's snapshot of TrainJob %s/%s: %w", j.Namespace, j.Name, err)
	}
	return readRuntime(ctx, r.client, j)
}

// readRuntime reads the runtime that a TrainJob names.
func readRuntime(ctx context.Context, c client.Reader, j *trainer.TrainJob) (*runtimeOf, error) {
	by, name := &runtimeOf{kind: runtimeKind(j)}, j.Spec.RuntimeRef.Name
	var err error
	if by.kind == trainer.TrainingRuntimeKind {
		var o trainer.TrainingRuntime
		err = c.Get(ctx, client.ObjectKey{Namespace: j.Namespace, Name: name}, &o)
		by.meta, by.spec = o.ObjectMeta, o.Spec
	} else {
		var o trainer.ClusterTrainingRuntime
		err = c.Get(ctx, client.ObjectKey{Name: name}, &o)
		by.meta, by.spec = o.ObjectMeta, o.Spec
	}
	if apierrors.IsNotFound(err) {
		return nil, users(reasonNoRuntime, fmt.Errorf("there is no %s %q: create it, or name another in spec.runtimeRef", by.kind, name))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", by.kind, name, err)
	}
	return by, nil
}

// groups are the groups of kinds of PodGroups that the cluster has.
func (r *Reconciler) groups() []string {
	var all []string
	for _, gvk := range []struct{ group, version string }{
		{groupCoscheduling.Group, groupCoscheduling.Version}, {groupVolcano.Group, groupVolcano.Version},
	} {
		kind := groupCoscheduling.GroupKind()
		kind.Group = gvk.group
		if _, err := r.client.RESTMapper().RESTMapping(kind, gvk.version); err == nil {
			all = append(all, gvk.group)
		}
	}
	return all
}

// makeKeys makes the keys of ssh, once.
func (r *Reconciler) makeKeys(ctx context.Context, j *trainer.TrainJob) error {
	there := &metav1.PartialObjectMetadata{}
	there.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := r.live.Get(ctx, client.ObjectKey{Namespace: j.Namespace, Name: keysName(j.Name)}, there)
	if !apierrors.IsNotFound(err) {
		return err
	}
	keys := newKeys(j.Name)
	keys.Namespace, keys.OwnerReferences = j.Namespace, []metav1.OwnerReference{ownerOf(j)}
	if err := r.client.Create(ctx, keys, client.FieldOwner(manager)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create secret %s/%s: %w", keys.Namespace, keys.Name, err)
	}
	return nil
}

// apply makes an object say what it should. One of its name that belongs to
// another is left alone.
func (r *Reconciler) apply(ctx context.Context, j *trainer.TrainJob, o client.Object) error {
	kind := o.GetObjectKind().GroupVersionKind().Kind
	there := &metav1.PartialObjectMetadata{}
	there.SetGroupVersionKind(o.GetObjectKind().GroupVersionKind())
	err := r.live.Get(ctx, client.ObjectKeyFromObject(o), there)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
	}
	if err == nil && !retained(there) && !metav1.IsControlledBy(there, j) {
		return users(reasonTaken, fmt.Errorf("%s %q belongs to another: delete it, or give the TrainJob another name", kind, o.GetName()))
	}
	if err == nil && !there.DeletionTimestamp.IsZero() {
		return fmt.Errorf("%s %s/%s is being deleted: it is made again when it has gone", kind, o.GetNamespace(), o.GetName())
	}
	if err == nil && kind == "PersistentVolumeClaim" {
		return nil // What it asks for cannot be changed.
	}
	if err := apply.Object(ctx, r.client, o, manager); err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", kind, o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// expire ends a TrainJob that has run too long.
func (r *Reconciler) expire(ctx context.Context, j *trainer.TrainJob, js *jobsetv1alpha2.JobSet) error {
	if js != nil {
		err := r.client.Delete(ctx, js, client.Preconditions{UID: &js.UID}, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete JobSet %s/%s, whose deadline has passed: %w", js.Namespace, js.Name, err)
		}
	}
	s := status(j, js, nil, r.clock.Now())
	set(&s, trainer.TrainJobFailed, true, "DeadlineExceeded", "TrainJob exceeded its active deadline", r.clock.Now())
	return r.report(ctx, j, s)
}

// report writes status if it differs from what is stored.
func (r *Reconciler) report(ctx context.Context, j *trainer.TrainJob, s trainer.TrainJobStatus) error {
	if equality.Semantic.DeepEqual(j.Status, s) {
		return nil
	}
	next := j.DeepCopy()
	next.Status = s
	if err := apply.Status(ctx, r.client, j, next); err != nil {
		return fmt.Errorf("report status of TrainJob %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}

// Reasons why what a TrainJob is made of could not be made.
const (
	reasonInvalid   = "Invalid"
	reasonNoRuntime = "RuntimeNotFound"
	reasonTaken     = "NameTaken"
	reasonRefused   = "CreationFailed"
)

// A usersError is what only a user can put right.
type usersError struct {
	reason string
	error
}

func users(reason string, err error) error { return usersError{reason, err} }

func isUsers(err error) bool {
	var u usersError
	return errors.As(err, &u)
}

// trouble is an error as a condition; nil if there is none.
func trouble(err error) *metav1.Condition {
	if err == nil {
		return nil
	}
	c := &metav1.Condition{Type: trainer.TrainJobResourcesCreated, Status: metav1.ConditionFalse, Reason: reasonRefused, Message: err.Error()}
	var u usersError
	if errors.As(err, &u) {
		c.Reason = u.reason
	}
	return c
}

// longestNote is what an event may hold.
const longestNote = 1024

// tell makes an event of what is the matter, unless it was so before.
func (r *Reconciler) tell(j *trainer.TrainJob, problem *metav1.Condition) {
	if problem == nil {
		return
	}
	if was := meta.FindStatusCondition(j.Status.Conditions, problem.Type); was != nil && was.Message == problem.Message {
		return
	}
	message := "TrainJob resources reconciliation failed: " + problem.Message
	if len(message) > longestNote {
		message = message[:longestNote-len("…")] + "…"
	}
	r.recorder.Eventf(j, nil, corev1.EventTypeWarning, "TrainJobResourcesCreationFailed", "Reconciling", "%s", message)
}
