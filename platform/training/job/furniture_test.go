package job

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

var (
	aConfig = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	aSecret = corev1.SchemeGroupVersion.WithKind("Secret")
)

// furnished jobs keep a ConfigMap as long as they are there, a Secret whose
// content nobody looks at, and a second ConfigMap while they are not suspended.
type furnished struct{ plain }

func (furnished) Furniture() []Furniture {
	return []Furniture{{Kind: aConfig, Transient: true}, {Kind: aSecret, NamesOnly: true}}
}

func (furnished) Furnish(j *training.TFJob, _ Seen) []client.Object {
	all := []client.Object{config("hosts", "one two"), secret("key")}
	if !suspended(j) {
		all = append(all, config("extra", ""))
	}
	return all
}

func TestFurnish(t *testing.T) {
	cases := map[string]struct {
		why    string
		job    *training.TFJob
		there  []client.Object
		write  []string
		remove []string
	}{
		"New": {
			why:   "What is missing is made.",
			job:   jobOf(workers(1)),
			write: []string{"ConfigMap hosts", "Secret key", "ConfigMap extra"},
		},
		"AllThere": {
			why:   "What is as it should be stays, with what others have added to it.",
			job:   jobOf(workers(1)),
			there: []client.Object{labelled(config("hosts", "one two")), config("extra", ""), secret("key")},
		},
		"Differs": {
			why:   "What differs is changed; of a Secret that is never looked at, nobody knows.",
			job:   jobOf(workers(1)),
			there: []client.Object{config("hosts", "one"), config("extra", ""), filled(secret("key"))},
			write: []string{"ConfigMap hosts 7"},
		},
		"NotWanted": {
			why:    "What the job no longer wants goes.",
			job:    jobOf(workers(1)),
			there:  []client.Object{config("hosts", "one two"), config("extra", ""), secret("key"), secret("old")},
			remove: []string{"Secret old"},
		},
		"Leaving": {
			why:   "What is on its way out is left alone: it holds its name, and its going wakes the job.",
			job:   jobOf(workers(1)),
			there: []client.Object{gone(config("hosts", "one")), config("extra", ""), secret("key"), gone(secret("old"))},
		},
		"Suspended": {
			why:    "A suspended job has the furniture that the framework says it has.",
			job:    jobOf(workers(1), suspend),
			there:  []client.Object{config("extra", "")},
			write:  []string{"ConfigMap hosts", "Secret key"},
			remove: []string{"ConfigMap extra"},
		},
		"Finished": {
			why:    "When a job has ended, what is transient goes; nothing is made or changed.",
			job:    jobOf(workers(1), finished),
			there:  []client.Object{config("hosts", "one"), secret("key")},
			remove: []string{"ConfigMap hosts"},
		},
		"Invalid": {
			why: "A job that makes no sense gets nothing.",
			job: jobOf(func(j *training.TFJob) { j.Spec.TFReplicaSpecs["Cook"] = j.Spec.TFReplicaSpecs["Worker"] }),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.job.Default()
			w := world{furniture: tc.there}
			for _, o := range w.furniture {
				o.SetResourceVersion("7")
			}
			d := decide(furnished{}, "", tc.job, w, now)

			var write, remove []string
			for _, o := range d.furnish {
				said := kindOf(o).Kind + " " + o.GetName()
				if v := o.GetResourceVersion(); v != "" {
					said += " " + v
				}
				write = append(write, said)
				if o.GetNamespace() != "ada" || !metav1.IsControlledBy(o, tc.job) {
					t.Errorf("%s is in namespace %q and belongs to %v", said, o.GetNamespace(), o.GetOwnerReferences())
				}
			}
			for _, r := range d.remove {
				remove = append(remove, kindOf(r.object).Kind+" "+r.object.GetName())
			}
			if diff := gocmp.Diff(tc.write, write); diff != "" {
				t.Errorf("%s\nwrites: -want, +got:\n%s", tc.why, diff)
			}
			if diff := gocmp.Diff(tc.remove, remove); diff != "" {
				t.Errorf("%s\nremoves: -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	list, longer := []any{"a"}, []any{"a", "b"}
	cases := map[string]struct {
		want, there any
		within      bool
	}{
		"Same":          {map[string]any{"a": 1.0}, map[string]any{"a": 1.0}, true},
		"Defaulted":     {map[string]any{"a": 1.0}, map[string]any{"a": 1.0, "b": true}, true},
		"Other":         {map[string]any{"a": 1.0}, map[string]any{"a": 2.0}, false},
		"Missing":       {map[string]any{"a": false}, map[string]any{}, false},
		"OtherType":     {map[string]any{"a": "1"}, map[string]any{"a": map[string]any{}}, false},
		"Null":          {map[string]any{"a": nil}, map[string]any{}, true},
		"EmptyNotThere": {map[string]any{"a": map[string]any{}, "b": []any{}}, map[string]any{}, true},
		"List":          {list, list, true},
		"ShorterList":   {list, longer, false},
		"LongerList":    {longer, list, false},
		"Labels":        {map[string]string{"app": "x"}, map[string]string{"app": "x", "team": "y"}, true},
		"OtherLabels":   {map[string]string{"app": "x"}, map[string]string{"team": "y"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := within(tc.want, tc.there); got != tc.within {
				t.Errorf("within(%v, %v) = %t", tc.want, tc.there, got)
			}
		})
	}
}

func config(name, hosts string) client.Object {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"hosts": hosts}}
	return called(c, aConfig)
}

func secret(name string) client.Object {
	return called(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, aSecret)
}

func called(o client.Object, kind schema.GroupVersionKind) client.Object {
	o.GetObjectKind().SetGroupVersionKind(kind)
	return o
}

func labelled(o client.Object) client.Object {
	o.SetLabels(map[string]string{"team": "vision"})
	return o
}

func filled(o client.Object) client.Object {
	o.(*corev1.Secret).Type = corev1.SecretTypeOpaque
	return o
}

func gone(o client.Object) client.Object {
	o.SetDeletionTimestamp(&metav1.Time{Time: now})
	return o
}
