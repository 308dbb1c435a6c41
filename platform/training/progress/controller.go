package progress

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// +kubebuilder:rbac:groups="",resources=pods;pods/log,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims;persistentvolumes;secrets,verbs=get
// +kubebuilder:rbac:groups=trainer.kubeflow.org,resources=trainjobs,verbs=get
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get
// +kubebuilder:rbac:groups=jobset.x-k8s.io,resources=jobsets,verbs=get

// Options are what Setup can be told.
type Options struct {
	// Dir is where the courses of jobs are kept; empty keeps them in memory only.
	Dir string
	// Logs is how logs are read; nil means through the API server.
	Logs Logs
	// Keep is how long a course is kept when its job is gone; a week if not said.
	Keep time.Duration
	// Volumes says that this process sees the folders of persistent volumes, so
	// that events in them can be read.
	Volumes bool
	// Limit is how many containers are followed at once; 512 if not said.
	Limit int
}

// Labels of pods that are part of a training job.
var jobLabels = []string{"training.kubeflow.org/job-name", "jobset.sigs.k8s.io/jobset-name"}

// Setup has a manager follow all training jobs, and returns what is kept of them.
func Setup(mgr ctrl.Manager, core kubernetes.Interface, o Options) (*Store, error) {
	if o.Limit == 0 {
		o.Limit = 512
	}
	if o.Logs == nil {
		o.Logs = APILogs(core)
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	store := Open(o.Dir)
	reporter := newReporter(mgr.GetClient(), mgr.GetAPIReader())
	r := &reconciler{
		options: o, cached: mgr.GetClient(), scheme: mgr.GetScheme(), live: mgr.GetAPIReader(), store: store,
		follower: newFollower(o.Logs, store, o.Limit, reporter.changed),
		jobs:     map[types.UID]known{}, watched: map[Job]bool{},
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("progress").
		For(&corev1.Pod{}, builder.WithPredicates(matters())).
		WithOptions(controller.Options{SkipNameValidation: new(true), MaxConcurrentReconciles: 4}).
		Complete(r)
	if err != nil {
		return nil, fmt.Errorf("set up progress: %w", err)
	}
	for _, part := range []interface{ Start(context.Context) error }{r, reporter} {
		if err := mgr.Add(part); err != nil {
			return nil, fmt.Errorf("set up progress: %w", err)
		}
	}
	return store, nil
}

// matters leaves out of what becomes of pods what is nothing to follow: those of
// no job, and what there is before a container starts, and between its start and
// its end.
func matters() predicate.Predicate {
	isPart := func(o client.Object) bool {
		return slices.ContainsFunc(jobLabels, func(l string) bool { return o.GetLabels()[l] != "" })
	}
	type state struct {
		Container
		ended, started bool
	}
	of := func(o client.Object) (s state) {
		if pod, ok := o.(*corev1.Pod); ok {
			s.Container, s.ended, s.started = containerOf(pod)
		}
		return s
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return isPart(e.Object) && of(e.Object).started },
		UpdateFunc: func(e event.UpdateEvent) bool { return isPart(e.ObjectNew) && of(e.ObjectOld) != of(e.ObjectNew) },
		DeleteFunc: func(e event.DeleteEvent) bool { return isPart(e.Object) },
	}
}

// A reconciler sees to it that the pods of training jobs are followed.
type reconciler struct {
	options  Options
	cached   client.Reader
	scheme   *runtime.Scheme
	live     client.Reader
	store    *Store
	follower *follower

	mu      sync.Mutex
	running context.Context     // what is followed outlives the look that began it.
	jobs    map[types.UID]known // by the uid of what owns their pods
	watched map[Job]bool        // whose events are read
}

// pruneEvery is how often courses of jobs that are gone are looked for.
const pruneEvery = 10 * time.Minute

// Start lets logs be followed until ctx ends, and takes away what is too old.
func (r *reconciler) Start(ctx context.Context) error {
	r.mu.Lock()
	r.running = ctx
	r.mu.Unlock()
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := r.store.Prune(r.options.Keep, time.Now(), func(j Job) bool { return r.gone(ctx, j) }); err != nil {
			log.FromContext(ctx).Error(err, "Courses of jobs that are gone stay")
		}
		select {
		case <-ctx.Done():
			r.follower.wait.Wait()
			return nil
		case <-tick.C:
		}
	}
}

// gone is whether a job is known not to exist.
func (r *reconciler) gone(ctx context.Context, j Job) bool {
	kind, ok := kindOf(j)
	if !ok {
		return true
	}
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	err := r.live.Get(ctx, client.ObjectKey{Namespace: j.Namespace, Name: j.Name}, o)
	return apierrors.IsNotFound(err) || err == nil && string(o.UID) != j.UID
}

// Reconcile follows a pod that runs, and those that have ended to their end.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	r.mu.Lock()
	running := r.running
	r.mu.Unlock()
	if running == nil {
		return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	pod := &corev1.Pod{}
	if err := r.cached.Get(ctx, req.NamespacedName, pod); apierrors.IsNotFound(err) {
		r.follower.gone(req.Namespace, req.Name)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read pod %s: %w", req.NamespacedName, err)
	}
	c, ended, started := containerOf(pod)
	if !started || !isFollowed(pod) {
		return reconcile.Result{}, nil
	}
	job, ok, err := r.jobOf(ctx, pod)
	if err != nil || !ok {
		return reconcile.Result{}, err
	}
	if err := r.follower.follow(running, job.Job, ReplicaOf(pod, job.Name), c, ended); err != nil {
		return reconcile.Result{}, err
	}
	if job.events != "" && (!ended || fresh(pod)) {
		r.watchEvents(running, job)
	}
	return reconcile.Result{}, nil
}

// groups are those of the kinds that have courses.
func groups() []string { return []string{"kubeflow.org", "trainer.kubeflow.org", "jobset.x-k8s.io"} }

// kindOf is the kind of a job, by the word that stands for it.
func kindOf(j Job) (schema.GroupVersionKind, bool) {
	switch j.Kind {
	case "trainjob":
		return schema.GroupVersionKind{Group: "trainer.kubeflow.org", Version: "v1alpha1", Kind: "TrainJob"}, true
	case "jobset":
		return schema.GroupVersionKind{Group: "jobset.x-k8s.io", Version: "v1alpha2", Kind: "JobSet"}, true
	}
	kind, ok := map[string]string{
		"tfjob": "TFJob", "pytorchjob": "PyTorchJob", "mpijob": "MPIJob", "xgboostjob": "XGBoostJob",
		"paddlejob": "PaddleJob", "jaxjob": "JAXJob", "mxjob": "MXJob",
	}[j.Kind]
	return schema.GroupVersionKind{Group: "kubeflow.org", Version: "v1", Kind: kind}, ok
}

// A known job is one that was looked up.
type known struct {
	Job
	events string // where it says that it writes events
}

// maxKnown bounds what is remembered; what is forgotten is read again.
const maxKnown = 10_000

// jobOf is the job that a pod is of: its owner, or that of its owner, and so on.
func (r *reconciler) jobOf(ctx context.Context, pod *corev1.Pod) (known, bool, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return known{}, false, nil
	}
	first := owner.UID
	r.mu.Lock()
	job, remembered := r.jobs[first]
	r.mu.Unlock()
	for owner != nil && !remembered {
		gv, err := schema.ParseGroupVersion(owner.APIVersion)
		if err != nil {
			break
		}
		o, err := r.read(ctx, gv.WithKind(owner.Kind), client.ObjectKey{Namespace: pod.Namespace, Name: owner.Name})
		if apierrors.IsNotFound(err) {
			return known{}, false, nil
		} else if err != nil && job.UID != "" {
			break // Whoever owns a job is no matter of ours.
		} else if err != nil {
			return known{}, false, fmt.Errorf("read owner %s/%s of pod %s/%s: %w", strings.ToLower(owner.Kind), owner.Name, pod.Namespace, pod.Name, err)
		}
		if slices.Contains(groups(), gv.Group) {
			job = known{Job{strings.ToLower(owner.Kind), pod.Namespace, owner.Name, string(owner.UID)}, o.GetAnnotations()[AnnotationEvents]}
		}
		owner = metav1.GetControllerOf(o)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.jobs) > maxKnown {
		clear(r.jobs)
	}
	r.jobs[first] = job
	return job, job.UID != "", nil
}

// read reads an object's metadata: of the kinds that the controllers have in
// their cache from there.
func (r *reconciler) read(ctx context.Context, kind schema.GroupVersionKind, key client.ObjectKey) (client.Object, error) {
	if kind.Group == "kubeflow.org" {
		if o, err := r.scheme.New(kind); err == nil {
			o := o.(client.Object)
			if err := r.cached.Get(ctx, key, o); err == nil {
				return o, nil
			}
		}
	}
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(kind)
	return o, r.live.Get(ctx, key, o)
}
