package trainjob

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	jobsetv1alpha2 "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	"sigs.k8s.io/yaml"

	trainer "github.com/weir-ml/weir/api/trainer/v1alpha1"
)

// annotationGeneration is, on a JobSet, the generation of the TrainJob that it
// was made from.
const annotationGeneration = "weir-ml.github.io/trainjob-generation"

// A plan is everything that should exist for a TrainJob.
type plan struct {
	// objects are made, or brought up to date, in this order.
	objects []client.Object
	// keys asks for a Secret with the keys of ssh, if there is none.
	keys bool
}

// newPlan says what should exist for a TrainJob that runs by a runtime. The
// problem is the user's to fix.
func newPlan(j *trainer.TrainJob, by *runtimeOf, o Options, groups []string) (plan, error) {
	if problems := slices.Concat(by.spec.Validate(), j.Validate(&by.spec), validateTune(j, &by.spec)); len(problems) > 0 {
		return plan{}, problems.ToAggregate()
	}
	d, err := newDraft(j, &by.spec)
	if err != nil {
		return plan{}, err
	}
	d.connect()
	var p plan
	if o.Reporting != nil {
		d.report(o.Reporting)
		p.objects = append(p.objects, o.Reporting.authority(j.Name))
	}
	d.initialize()
	d.train()

	if !by.snapshot {
		s, err := snapshotOf(j, by)
		if err != nil {
			return plan{}, err
		}
		p.objects = append(p.objects, s)
	}
	for _, c := range d.meta.Spec.VolumeClaimPolicies {
		p.objects = append(p.objects, newClaims(j, c)...)
	}
	if d.policy.MPI != nil {
		p.keys = true
		p.objects = append(p.objects, d.hostfile())
	}
	if policy := by.spec.PodGroupPolicy; policy != nil {
		group, err := d.gang(policy, groups)
		if err != nil {
			return plan{}, err
		}
		if group != nil {
			p.objects = append(p.objects, group)
		}
	}
	p.objects = append(p.objects, d.jobSet())
	for _, o := range p.objects {
		o.SetNamespace(j.Namespace)
		if !retained(o) {
			o.SetOwnerReferences([]metav1.OwnerReference{ownerOf(j)})
		}
	}
	return p, nil
}

func (d *draft) jobSet() *jobsetv1alpha2.JobSet {
	js := &jobsetv1alpha2.JobSet{
		TypeMeta: metav1.TypeMeta{APIVersion: jobsetv1alpha2.GroupVersion.String(), Kind: "JobSet"},
		ObjectMeta: metav1.ObjectMeta{
			Name: d.job.Name, Labels: d.meta.Labels, Annotations: d.meta.Annotations,
		},
		Spec: d.spec,
	}
	metav1.SetMetaDataAnnotation(&js.ObjectMeta, annotationGeneration, fmt.Sprint(d.job.Generation))
	return js
}

// due tells whether the JobSet is to be written: when there is none, and while
// one of the two is suspended, for then it can be changed.
func due(j *trainer.TrainJob, js *jobsetv1alpha2.JobSet) bool {
	if js == nil {
		return true
	}
	stopped := js.Spec.Suspend != nil && *js.Spec.Suspend
	return (stopped || j.Suspended()) && js.Annotations[annotationGeneration] != fmt.Sprint(j.Generation)
}

// deadline is when the job will have run too long: counted from when it was
// made, or last resumed.
func deadline(j *trainer.TrainJob) (time.Time, bool) {
	if j.Spec.ActiveDeadlineSeconds == nil || j.Suspended() {
		return time.Time{}, false
	}
	start := j.CreationTimestamp.Time
	if c := condition(&j.Status, trainer.TrainJobSuspended); c != nil {
		if c.Status == metav1.ConditionTrue {
			return time.Time{}, false // It is resumed by this look.
		}
		start = c.LastTransitionTime.Time
	}
	return start.Add(time.Duration(*j.Spec.ActiveDeadlineSeconds) * time.Second), true
}

// A runtimeOf is what a TrainJob runs by.
type runtimeOf struct {
	kind string
	meta metav1.ObjectMeta
	spec trainer.TrainingRuntimeSpec
	// snapshot is whether it was read from the TrainJob's own copy.
	snapshot bool
}

const (
	snapshotSuffix = "-runtime-snapshot"
	snapshotKey    = "runtime"
)

// snapshotOf is a copy of the runtime, which the TrainJob goes on with should
// the runtime change.
func snapshotOf(j *trainer.TrainJob, by *runtimeOf) (*corev1.ConfigMap, error) {
	o := trainer.TrainingRuntime{
		TypeMeta:   metav1.TypeMeta{APIVersion: trainer.GroupVersion.String(), Kind: by.kind},
		ObjectMeta: *by.meta.DeepCopy(),
		Spec:       by.spec,
	}
	o.ManagedFields = nil
	text, err := yaml.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("keep %s %s: %w", by.kind, by.meta.Name, err)
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: j.Name + snapshotSuffix},
		Data:       map[string]string{snapshotKey: string(text)},
	}, nil
}

// readSnapshot reads what snapshotOf wrote.
func readSnapshot(j *trainer.TrainJob, c *corev1.ConfigMap) (*runtimeOf, error) {
	var o trainer.TrainingRuntime
	if err := yaml.Unmarshal([]byte(c.Data[snapshotKey]), &o); err != nil {
		return nil, fmt.Errorf("read key %q of config map %s: %w", snapshotKey, c.Name, err)
	}
	if o.Name != j.Spec.RuntimeRef.Name || o.Kind != runtimeKind(j) {
		return nil, field.Invalid(field.NewPath("spec", "runtimeRef"), j.Spec.RuntimeRef.Name, fmt.Sprintf(
			"config map %s holds a copy of %s %s instead: delete it", c.Name, o.Kind, o.Name))
	}
	return &runtimeOf{kind: o.Kind, meta: o.ObjectMeta, spec: o.Spec, snapshot: true}, nil
}

// runtimeKind is the kind of runtime that a TrainJob names.
func runtimeKind(j *trainer.TrainJob) string {
	if k := j.Spec.RuntimeRef.Kind; k != nil {
		return *k
	}
	return trainer.ClusterTrainingRuntimeKind
}

// unsupported is the kind that a TrainJob names, if it is not one of ours.
func unsupported(j *trainer.TrainJob) (string, bool) {
	group := trainer.GroupVersion.Group
	if g := j.Spec.RuntimeRef.APIGroup; g != nil {
		group = *g
	}
	kind := runtimeKind(j)
	known := group == trainer.GroupVersion.Group && (kind == trainer.ClusterTrainingRuntimeKind || kind == trainer.TrainingRuntimeKind)
	return kind + "." + group, !known
}

func claimName(claim, job string) string { return claim + "-" + job }

// newClaims are the claims that a policy makes for a TrainJob.
func newClaims(j *trainer.TrainJob, p trainer.VolumeClaimPolicy) []client.Object {
	var all []client.Object
	for _, t := range p.Templates {
		c := &corev1.PersistentVolumeClaim{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
			ObjectMeta: metav1.ObjectMeta{Name: claimName(t.Name, j.Name), Labels: t.Labels, Annotations: t.Annotations},
			Spec:       t.Spec,
		}
		if p.RetentionPolicy != nil && p.RetentionPolicy.WhenDeleted == "Retain" {
			metav1.SetMetaDataAnnotation(&c.ObjectMeta, annotationRetained, "true")
		}
		all = append(all, c)
	}
	return all
}

// annotationRetained is on claims that stay when their TrainJob goes.
const annotationRetained = "weir-ml.github.io/retained"

func retained(o client.Object) bool { return o.GetAnnotations()[annotationRetained] != "" }

func ownerOf(j *trainer.TrainJob) metav1.OwnerReference {
	return *metav1.NewControllerRef(j, trainer.GroupVersion.WithKind(trainer.TrainJobKind))
}
