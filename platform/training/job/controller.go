// Package job runs training jobs, whatever their framework.
//
//	job ─┐                    ┌▶ pods and services, made and deleted
//	pods ┼─ see ─▶ decide ────┤
//	services                  └▶ status and events
//
// What one framework has of its own is in a Framework, such as package
// tensorflow. What is decided is in plan.go, restart.go, limits.go and
// status.go: functions of what was read and of the time. This file and write.go
// read and write.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	training "github.com/weir-ml/weir/api/training/v1"
)

// +kubebuilder:rbac:groups=kubeflow.org,resources=tfjobs;pytorchjobs;xgboostjobs;paddlejobs;jaxjobs;mxjobs,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=kubeflow.org,resources=tfjobs/status;pytorchjobs/status;xgboostjobs/status;paddlejobs/status;jaxjobs/status;mxjobs/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=kubeflow.org,resources=tfjobs/finalizers;pytorchjobs/finalizers;xgboostjobs/finalizers;paddlejobs/finalizers;jaxjobs/finalizers;mxjobs/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=pods;services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=scheduling.volcano.sh;scheduling.x-k8s.io,resources=podgroups,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=scheduling.k8s.io,resources=priorityclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=get;create;update

// A Reconciler brings the jobs of one kind to their end.
type Reconciler[J training.Job] struct {
	framework Framework[J]
	gang      gang
	hall      *Hall
	// again is the queue of jobs to look at, once there is one.
	again atomic.Pointer[queue]
	// client reads jobs, and writes what they seldom need; writer writes their
	// statuses, of which resource is where, their pods and their services.
	client   client.Client
	writer   Writer
	resource schema.GroupVersionResource
	// belongings reads the pods and services of this kind's jobs, furniture what
	// else they keep and groups their PodGroups, kept up to date by watches; live
	// reads past them.
	belongings *Belongings
	furniture  client.Reader
	groups     client.Reader
	live       client.Reader
	recorder   events.EventRecorder
	clock      clock.PassiveClock
	metrics    *counters
	memory     memory
}

// Reconcile reads, decides, writes, reports; in that order, once each.
func (r *Reconciler[J]) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if pause := r.memory.pausing(req.NamespacedName, r.clock.Now()); pause > 0 {
		return reconcile.Result{RequeueAfter: pause}, nil
	}
	j := r.framework.New()
	if err := r.client.Get(ctx, req.NamespacedName, j); apierrors.IsNotFound(err) {
		r.memory.forget(req.NamespacedName)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read %s %s: %w", r.framework.Traits().Kind, req.NamespacedName, err)
	}
	if !j.GetDeletionTimestamp().IsZero() || !r.ours(j) {
		return reconcile.Result{}, nil // What is owned goes with its job.
	}
	if r.memory.late(j) {
		return reconcile.Result{RequeueAfter: time.Duration(overSteps)}, nil
	}

	w, err := r.world(ctx, j)
	if err != nil {
		return reconcile.Result{}, err
	}

	if j.Report().Finished() {
		r.memory.forget(req.NamespacedName) // There will be no more remarks.
	}
	j.Default()
	if w.door, err = r.ask(ctx, j, w); err != nil {
		return reconcile.Result{}, err
	}
	d := decide(r.framework, r.gang, j, w, r.clock.Now())
	if d.expired {
		return reconcile.Result{}, r.expire(ctx, j)
	}

	if wait := gathering - r.memory.sinceWritten(j, r.clock.Now()); wait > 0 && onlyCounts(j.Report(), d) {
		d.status, d.wake = *j.Report(), soonest(d.wake, wait)
	}
	r.tell(j, r.memory.news(j, d.remarks))
	err = errors.Join(r.delete(ctx, j, d.remove), r.gather(ctx, j, d.group), r.make(ctx, j, d), r.lift(ctx, j, d.lift), r.report(ctx, j, d))
	if pause := pauseAfter(len(w.pods)); pause > 0 && !d.status.Finished() {
		r.memory.pause(j, r.clock.Now().Add(pause))
	}
	return reconcile.Result{RequeueAfter: d.wake}, err
}

// ours tells whether a job is for this controller to run.
func (r *Reconciler[J]) ours(j J) bool {
	if c, ok := r.framework.(Chooser[J]); ok && !c.Takes(j) {
		return false
	}
	m := j.Policy().ManagedBy
	return m == nil || *m == training.ManagerTrainingOperator || *m == training.ManagerMPIOperator
}

// world reads what belongs to a job.
func (r *Reconciler[J]) world(ctx context.Context, j J) (world, error) {
	var w world
	var err error
	if w.pods, err = r.belongings.podsOf(j.GetUID()); err != nil {
		return world{}, fmt.Errorf("list pods of %s: %w", r.name(j), err)
	}
	if w.services, err = r.belongings.servicesOf(j.GetUID()); err != nil {
		return world{}, fmt.Errorf("list services of %s: %w", r.name(j), err)
	}
	in, of := client.InNamespace(j.GetNamespace()), client.MatchingFields{ownerIndex: string(j.GetUID())}
	for _, f := range furnitureOf(r.framework) {
		list, err := f.list(r.client.Scheme())
		if err != nil {
			return world{}, fmt.Errorf("list furniture of %s: %w", r.name(j), err)
		}
		if err := r.furniture.List(ctx, list, in, of); err != nil {
			return world{}, fmt.Errorf("list furniture of %s: %w", r.name(j), err)
		}
		_ = meta.EachListItem(list, func(o runtime.Object) error { // Fails for what is no list.
			o.GetObjectKind().SetGroupVersionKind(f.Kind)
			w.furniture = append(w.furniture, o.(client.Object))
			return nil
		})
	}
	if err := r.readDelegated(j, &w); err != nil {
		return world{}, err
	}
	if r.gang == "" {
		return w, nil
	}
	return w, r.readGroup(ctx, j, &w)
}

// ask asks for a job to be let in, if its pods wait for that.
func (r *Reconciler[J]) ask(ctx context.Context, j J, w world) (*answer, error) {
	pods, later := r.gang.atTheDoor(r.framework.Traits(), j, w)
	if len(pods) == 0 {
		return nil, nil
	}
	a, err := r.hall.ask(ctx, j, pods, later, needed(j), r.clock.Now(), func() { r.lookAgain(j, 0) })
	if err != nil {
		return nil, fmt.Errorf("let %s in: %w", r.name(j), err)
	}
	return a, nil
}

// lookAgain has a job looked at once more.
func (r *Reconciler[J]) lookAgain(j J, in leeway) {
	if q := r.again.Load(); q != nil {
		in.add(*q, requestFor(j.GetNamespace(), j.GetName()))
	}
}

// readDelegated reads the pods of the batch Job that runs a type of replica.
func (r *Reconciler[J]) readDelegated(j J, w *world) error {
	runner := runnerOf(r.framework.Traits(), j, w.furniture)
	if runner == nil {
		return nil
	}
	var err error
	if w.delegated, err = r.belongings.podsOf(runner.GetUID()); err != nil {
		return fmt.Errorf("list pods of %s's %s: %w", r.name(j), r.framework.Traits().Delegate, err)
	}
	return nil
}

// readGroup reads what the gang scheduler is told, and needs to be.
func (r *Reconciler[J]) readGroup(ctx context.Context, j J, w *world) error {
	group := &unstructured.Unstructured{}
	group.SetGroupVersionKind(r.gang.kind())
	err := r.groups.Get(ctx, client.ObjectKeyFromObject(j), group)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read pod group of %s: %w", r.name(j), err)
	}
	if err == nil && metav1.IsControlledBy(group, j) {
		w.group = group
	}
	var classes schedulingv1.PriorityClassList
	if err := r.client.List(ctx, &classes); err != nil {
		return fmt.Errorf("list priority classes for %s: %w", r.name(j), err)
	}
	w.priorities = map[string]int32{}
	for _, c := range classes.Items {
		w.priorities[c.Name] = c.Value
	}
	return nil
}

// report writes status if it differs from what is stored, and then tells what
// has changed in it: in this order, a change is told once.
func (r *Reconciler[J]) report(ctx context.Context, j J, d decision) error {
	before := *j.Report().DeepCopy()
	if equality.Semantic.DeepEqual(before, d.status) {
		return nil
	}
	// The whole status, since to find out what differs would cost more than it says.
	patch, err := json.Marshal([]operation{
		{"replace", "/metadata/resourceVersion", j.GetResourceVersion()},
		{"add", "/status", &d.status},
	})
	if err != nil {
		return fmt.Errorf("report status of %s: %w", r.name(j), err)
	}
	version, err := r.writer.PatchStatus(ctx, r.resource, j.GetNamespace(), j.GetName(), types.JSONPatchType, patch)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		r.lookAgain(j, overSteps) // It has changed since it was read.
		return nil
	} else if err != nil {
		return fmt.Errorf("report status of %s: %w", r.name(j), err)
	}
	r.memory.wrote(j, version, r.clock.Now())
	r.metrics.changed(j.GetNamespace(), &before, &d.status)
	r.tell(j, d.changes)
	return nil
}

// An operation is a step of a patch: RFC 6902.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// expire deletes a job whose time to live is over.
func (r *Reconciler[J]) expire(ctx context.Context, j J) error {
	uid := j.GetUID()
	err := r.client.Delete(ctx, j, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		r.tell(j, []notice{{kind: corev1.EventTypeWarning, reason: "FailedDeleteJob", action: "Expire", message: fmt.Sprintf("Error deleting: %v", err)}})
		return fmt.Errorf("delete expired %s: %w", r.name(j), err)
	}
	r.metrics.deleted(j.GetNamespace())
	r.tell(j, []notice{{kind: corev1.EventTypeNormal, reason: "SuccessfulDeleteJob", action: "Expire", message: "Deleted job: " + j.GetName()}})
	return nil
}

// name is how errors call a job.
func (r *Reconciler[J]) name(j J) string {
	return fmt.Sprintf("%s %s/%s", r.framework.Traits().Kind, j.GetNamespace(), j.GetName())
}
