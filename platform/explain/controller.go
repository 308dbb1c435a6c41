package explain

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// settle is how long an object must be held up before anybody looks why: much
// is over in a moment.
const settle = 2 * time.Second

// settleNamespace is the same for a namespace, which takes time to empty.
const settleNamespace = 30 * time.Second

// A Reconciler says on objects that do not move why they do not, once for each
// reason, as events.
type Reconciler struct {
	source Source
	writer client.Writer
	clock  clock.PassiveClock
	seen   map[subject]sighting // of what is stuck now
}

// A subject is what an event may be about.
type subject struct {
	kind schema.GroupVersionKind
	key  client.ObjectKey
}

type sighting struct {
	since time.Time // when it was first seen
	told  string    // what was said of it; "" if nothing yet
}

// Reconcile waits, reads, decides, says.
func (r *Reconciler) Reconcile(ctx context.Context, s subject) (ctrl.Result, error) {
	if r.nowhere(s) {
		return ctrl.Result{}, nil
	}
	now := r.clock.Now()
	last, known := r.seen[s]
	if !known {
		last = sighting{since: now}
		r.seen[s] = last
	}
	wait := settle
	if s.kind == corev1.SchemeGroupVersion.WithKind("Namespace") {
		wait = settleNamespace
	}
	if left := wait - now.Sub(last.since); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}

	e, err := Of(ctx, r.source, s.kind, s.key.Namespace, s.key.Name)
	switch {
	case unknowable(err), err == nil && (e.State == Moving || e.State == Done):
		delete(r.seen, s)
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, err
	case last.told == identity(e):
		return ctrl.Result{}, nil
	}
	if err := r.say(ctx, s, e); err != nil {
		return ctrl.Result{}, err
	}
	last.told = identity(e)
	r.seen[s] = last
	return ctrl.Result{}, nil
}

// nowhere is whether a subject should be in a namespace and is in none: some
// events do not say where their object is, as upstream's on Endpoints.
func (r *Reconciler) nowhere(s subject) bool {
	if s.key.Namespace != "" {
		return false
	}
	mapping, err := r.source.Mapper.RESTMapping(s.kind.GroupKind(), s.kind.Version)
	return err == nil && mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

// say records an explanation on its subject and on what the subject is for.
func (r *Reconciler) say(ctx context.Context, s subject, e Explanation) error {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(s.kind)
	if err := r.source.Reader.Get(ctx, s.key, o); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("read %s %s: %w", s.kind.Kind, s.key, err))
	}
	chain, err := r.source.ownersOf(ctx, o)
	if err != nil {
		return err
	}
	about := []client.Object{o}
	if n := len(chain); n > 0 {
		about = append(about, chain[n-1])
	}
	for _, o := range about {
		err := r.writer.Create(ctx, newEvent(o, e, r.clock.Now()))
		if err != nil && !apierrors.IsAlreadyExists(err) && !forbiddenByEnd(err) {
			return fmt.Errorf("say why %s %s/%s does not move: %w", s.kind.Kind, o.GetNamespace(), o.GetName(), err)
		}
	}
	return nil
}

// forbiddenByEnd is whether nothing can be created since the namespace goes.
func forbiddenByEnd(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err)
}

// newEvent says an explanation about an object. Its name is computed, so what
// was said once is not said again: not for each of a job's replicas that wait
// for the same, and not by a controller that has been started again.
func newEvent(o client.Object, e Explanation, now time.Time) *corev1.Event {
	kind := o.GetObjectKind().GroupVersionKind()
	what := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", o.GetUID(), e.Reason, withoutName(e)))
	name := strings.TrimRight(o.GetName()[:min(len(o.GetName()), 230)], "-.")
	namespace := cmp.Or(o.GetNamespace(), metav1.NamespaceDefault)
	at := metav1.NewTime(now)
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      fmt.Sprintf("%s.%x", name, what[:8]),
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: kind.GroupVersion().String(),
			Kind:       kind.Kind,
			Namespace:  o.GetNamespace(),
			Name:       o.GetName(),
			UID:        o.GetUID(),
		},
		Type:                corev1.EventTypeWarning,
		Reason:              e.Reason,
		Message:             shortened(strings.TrimSpace(e.Sentence+" "+e.Remedy), 1000),
		Source:              corev1.EventSource{Component: component},
		ReportingController: component,
		FirstTimestamp:      at,
		LastTimestamp:       at,
		Count:               1,
	}
}

// identity is the same for explanations that say the same of one object.
func identity(e Explanation) string { return e.Reason + " " + withoutFigures(e.Sentence) }

// withoutFigures leaves out of a sentence what changes while its cause does not.
func withoutFigures(s string) string {
	return regexp.MustCompile(`\d[\w.]*`).ReplaceAllString(s, "#")
}

// withoutName also leaves out which of several replicas it is about.
func withoutName(e Explanation) string {
	s := e.Sentence
	if e.Object.Name != "" {
		s = regexp.MustCompile(`\b`+regexp.QuoteMeta(e.Object.Name)+`\b`).ReplaceAllString(s, "*")
	}
	return withoutFigures(s)
}
