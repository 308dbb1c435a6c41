package job

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// A decision is everything that one look at a job leads to.
type decision struct {
	// furnish is furniture that is missing or, with the resource version of
	// what there is, differs.
	furnish []client.Object
	// create are pods and services that are missing.
	create []client.Object
	// lift are pods whose gates are lifted, in this order.
	lift []*corev1.Pod
	// remove are pods, services and furniture that should not be there.
	remove []removal
	// group is the PodGroup that should be there, if it is not so yet.
	group *unstructured.Unstructured
	// expired is when the job itself should go.
	expired bool
	// status is what to say of the job, and changes what to say has happened.
	status  training.JobStatus
	changes []notice
	// remarks are what the pods say of themselves.
	remarks []notice
	// wake is when to look again even if nothing stirs; 0 is never.
	wake time.Duration
}

// A removal is something of a job's to delete, and what to tell besides.
type removal struct {
	object  client.Object
	because *notice
	// quiet removals are not told.
	quiet bool
}

// decide says what to do for a job, given all that was read of it.
//
// A job is in one of five states, looked for in this order: it has finished; it
// cannot be run as it is written; it is suspended; it is past a limit; it is
// under way.
func decide[J training.Job](f Framework[J], g gang, j J, w world, now time.Time) decision {
	d := &decision{status: *j.Report().DeepCopy()}
	say := &reporter{kind: f.Traits().Kind, speak: speakOf(f, j), decision: d, now: now}
	say.created()

	if d.status.Finished() {
		d.remove = slices.Concat(leftovers(*j.Policy().CleanPodPolicy, w), disband(w), clearFurniture(f, w))
		d.furnish = halt(f.Traits(), j, w)
		if left, ok := untilExpiry(j.Policy(), &d.status, now); ok && f.Traits().Delegate == "" {
			d.expired, d.wake = left <= 0, max(0, left)
		}
		return *d
	}
	if why := training.Unreadable(j); why != "" {
		say.invalid(errors.New(why))
		return *d
	}
	if problems := j.Validate(); len(problems) > 0 {
		say.invalid(problems.ToAggregate())
		return *d
	}
	w.furniture, w.relic = runnerOfRound(f.Traits(), j, roundOf(&d.status), w.furniture)
	if suspended(j) {
		d.remove = slices.Concat(leftovers(training.CleanPodAll, w), disband(w), relics(w))
		furnish(f, g, j, Seen{furniture: w.furniture}, w.relic == nil, d)
		say.suspended()
		return *d
	}
	say.resumed()

	w.pods, w.before = ofRound(roundOf(&d.status), w.pods)
	seen := See(j, f.Traits().Container, w.pods)
	seen.furniture = w.furniture
	if f.Traits().Delegate != "" {
		current, _ := ofRound(roundOf(&d.status), w.delegated)
		seen.delegate(f.Traits().Delegate, current)
	}
	d.remarks = remarks(f.Traits().Container, seen)
	left, ends := untilDeadline(j.Policy(), &d.status, now)
	limited := keepsLimits(f.Traits(), j)
	switch {
	case limited && !training.RestartsWhole(j) && pastBackoffLimit(j, seen):
		say.failed(fmt.Sprintf("Job %s has failed because it has reached the specified backoff limit", j.GetName()))
	case limited && ends && left <= 0:
		say.failed(fmt.Sprintf("Job %s has failed because it was active longer than specified deadline", j.GetName()))
	default:
		proceed(f, g, j, w, seen, d, say)
	}
	return *d
}

// proceed carries a job that is under way on.
func proceed[J training.Job](f Framework[J], g gang, j J, w world, seen Seen, d *decision, say *reporter) {
	say.started()
	d.status.ReplicaStatuses = replicaStatuses(j, f.Traits(), seen)
	verdict := f.Judge(j, seen)
	if training.RestartsWhole(j) && verdict.Condition != training.JobSucceeded && restartWhole(j, f.Traits().Container, seen, say) {
		return // The next look, which knows of the round, begins it.
	}
	say.verdict(j.GetName(), verdict, seen)
	if d.status.Finished() {
		say.ended()
		return // What is left of it is taken away at the next look.
	}

	d.remove = append(surplus(f, j, w, seen), relics(w)...)
	pause := rest(&d.status, say.now)
	begun := pause == 0 && len(w.before) == 0 && w.relic == nil
	furnish(f, g, j, seen, begun, d)
	if g != "" {
		if want := g.group(f.Traits(), j, w.group, w.priorities); !same(w.group, want) {
			d.group = want
		}
	}
	if begun && (g == "" || g.admits(w.group)) {
		d.create = missing(f, g, j, w, seen)
		if len(w.pods) == 0 {
			d.create = beginning(d.create)
		}
	}
	d.wake = pause
	keepDoor(g, j, w, seen, d, say)
	for _, speak := range []func(training.Job) (notice, bool){ignoredRestartPolicy, g.otherScheduler} {
		if remark, ok := speak(j); ok && len(d.create) > 0 {
			d.remarks = append(d.remarks, remark)
		}
	}
	if left, ok := untilDeadline(j.Policy(), &d.status, say.now); ok && keepsLimits(f.Traits(), j) {
		d.wake = soonest(d.wake, max(left, time.Millisecond))
	}
}

func suspended(j training.Job) bool { return j.Policy().Suspend != nil && *j.Policy().Suspend }

// missing are the services and pods of places that have none. A replica's
// service comes first: its peers look for it by name as soon as they run.
func missing[J training.Job](f Framework[J], g gang, j J, w world, seen Seen) []client.Object {
	served := map[string]bool{}
	for _, s := range w.services {
		served[s.Name] = true
	}
	var all []client.Object
	for _, r := range replicasOf(j) {
		if r.Type == f.Traits().Delegate {
			continue
		}
		if !f.Traits().Unserved && !served[training.ReplicaName(j.GetName(), r.Type, r.Index)] {
			all = append(all, newService(f.Traits(), j, r))
		}
		if seen.pods[r] == nil {
			pod := newPod(f, j, r)
			g.join(pod, j.GetName(), r.Type)
			if g.waits(j, seen) {
				pod.Spec.SchedulingGates = append(pod.Spec.SchedulingGates, corev1.PodSchedulingGate{Name: training.GangGate})
			}
			all = append(all, pod)
		}
	}
	return all
}

// beginning is what a job without pods gets first: one pod, with its service. It
// is seen when it is there, and the others come then. So of many jobs at once,
// each has begun before the first has all it wants.
func beginning(missing []client.Object) []client.Object {
	for i, o := range missing {
		if _, is := o.(*corev1.Pod); is {
			return missing[:i+1]
		}
	}
	return missing
}

// surplus are the pods that others take the place of, those of earlier rounds,
// and whatever belongs to a replica that the job no longer has.
func surplus[J training.Job](f Framework[J], j J, w world, seen Seen) []removal {
	var all []removal
	places := map[string]bool{}
	for _, r := range replicasOf(j) {
		places[training.ReplicaName(j.GetName(), r.Type, r.Index)] = true
		if seen.fates[r] == replaced && seen.pods[r].DeletionTimestamp == nil {
			all = append(all, removal{object: seen.pods[r], because: &notice{
				kind: corev1.EventTypeWarning, reason: f.Traits().Kind + string(training.JobRestarting), action: actionRestart,
				message: restartMessage(j.GetName(), r.Type), about: seen.pods[r],
			}})
		}
	}
	for _, pod := range w.pods {
		if !places[pod.Name] && pod.DeletionTimestamp == nil {
			all = append(all, removal{object: pod})
		}
	}
	for _, pod := range w.before {
		if pod.DeletionTimestamp == nil {
			all = append(all, removal{object: pod})
		}
	}
	for _, s := range w.services {
		if !places[s.Name] && s.DeletionTimestamp == nil {
			all = append(all, removal{object: s})
		}
	}
	return all
}

// leftovers are the pods and services that a policy takes away from a job that
// no longer runs. A service goes with its pod.
func leftovers(policy training.CleanPodPolicy, w world) []removal {
	if policy == training.CleanPodNone {
		return nil
	}
	var all []removal
	kept := map[string]bool{}
	for _, pod := range w.pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if policy == training.CleanPodRunning && ended {
			kept[pod.Name] = true
			continue
		}
		if pod.DeletionTimestamp == nil {
			all = append(all, removal{object: pod})
		}
	}
	for _, s := range w.services {
		if !kept[s.Name] && s.DeletionTimestamp == nil {
			all = append(all, removal{object: s})
		}
	}
	return all
}

// disband takes away the PodGroup of a job that no longer runs.
func disband(w world) []removal {
	if w.group == nil || w.group.GetDeletionTimestamp() != nil {
		return nil
	}
	return []removal{{object: w.group, because: &notice{
		kind: corev1.EventTypeNormal, reason: "JobTerminated", action: "Delete",
		message: "Job has been terminated. Deleting PodGroup", about: w.group,
	}}}
}

func newPod[J training.Job](f Framework[J], j J, r Replica) *corev1.Pod {
	spec := j.Replicas()[r.Type]
	template := spec.Template.DeepCopy()
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	maps.Copy(template.Labels, labelsOf(j, f.Traits().Operator, r))
	if f.Master(j, r) {
		template.Labels[training.LabelJobRole] = training.RoleMaster
	}
	if n := roundOf(j.Report()); n > 0 {
		template.Labels[training.LabelRound] = strconv.Itoa(int(n))
	}
	f.Connect(j, r, template)

	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       j.GetNamespace(),
			Name:            training.ReplicaName(j.GetName(), r.Type, r.Index),
			Labels:          template.Labels,
			Annotations:     template.Annotations,
			Finalizers:      template.Finalizers,
			OwnerReferences: []metav1.OwnerReference{owner(j, f.Traits().Kind)},
		},
		Spec: template.Spec,
	}
	pod.Spec.RestartPolicy = corev1.RestartPolicy(spec.RestartPolicy)
	if spec.RestartPolicy == training.RestartExitCode || training.RestartsWhole(j) {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever // How it ended is looked at first; see fateOf and restartWhole.
	}
	return pod
}

func newService(t Traits, j training.Job, r Replica) *corev1.Service {
	labels := labelsOf(j, t.Operator, r)
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       j.GetNamespace(),
			Name:            training.ReplicaName(j.GetName(), r.Type, r.Index),
			Labels:          labels,
			OwnerReferences: []metav1.OwnerReference{owner(j, t.Kind)},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  labels,
			Ports:     servicePorts(j.Replicas()[r.Type].Template.Spec.Containers, t.Container),
		},
	}
}

// servicePorts are all ports of the framework's container.
func servicePorts(containers []corev1.Container, name string) []corev1.ServicePort {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	var ports []corev1.ServicePort
	for _, p := range containers[i].Ports {
		s := corev1.ServicePort{Name: p.Name, Port: p.ContainerPort, Protocol: p.Protocol}
		if s.Name == "" {
			s.Name = fmt.Sprintf("port-%d", p.ContainerPort) // Of several ports, each needs a name.
		}
		ports = append(ports, s)
	}
	return ports
}

func owner(j training.Job, kind string) metav1.OwnerReference {
	return *metav1.NewControllerRef(j, training.GroupVersion.WithKind(kind))
}
