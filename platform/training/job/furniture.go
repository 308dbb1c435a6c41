package job

import (
	"encoding/json"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
)

// Furniture is a kind of object that jobs keep besides the pods and services of
// their replicas, as a ConfigMap that these read.
type Furniture struct {
	Kind schema.GroupVersionKind
	// Label is one that all of them carry. Objects of the kind without it take
	// no memory. Empty is for kinds of which there are few.
	Label string
	// NamesOnly is for objects that are made once and never changed. What is in
	// them is not read.
	NamesOnly bool
	// Transient objects go when their job has ended; others stay as long as it.
	Transient bool
}

// A Furnisher is a Framework whose jobs keep furniture.
type Furnisher[J training.Job] interface {
	// Furniture are the kinds that jobs keep.
	Furniture() []Furniture

	// Furnish is the furniture that a job should have, whether it is under way
	// or suspended, given what there is. The namespace and the owner are put in
	// by the caller. What is missing is made, before the pods are; what differs
	// is changed; the rest goes. A field that is left out is the API server's.
	Furnish(j J, seen Seen) []client.Object
}

// An Announcer is a Framework with words of its own for what it makes: the
// reason and the message of the event. An empty reason is no event.
type Announcer interface {
	Announce(made client.Object) (reason, message string)
}

// Furniture is the furniture of a job of that kind and name, if it is there.
// Of kinds of which only names are read, it is no more than metadata.
func (s Seen) Furniture(kind schema.GroupVersionKind, name string) (client.Object, bool) {
	i := slices.IndexFunc(s.furniture, func(o client.Object) bool {
		return o.GetObjectKind().GroupVersionKind() == kind && o.GetName() == name
	})
	if i < 0 {
		return nil, false
	}
	return s.furniture[i], true
}

// furnitureOf are the kinds of furniture that a framework's jobs keep.
func furnitureOf[J training.Job](f Framework[J]) []Furniture {
	if f, ok := f.(Furnisher[J]); ok {
		return f.Furniture()
	}
	return nil
}

// furnish says what to make, change and take away so that a job has the
// furniture it should. Between two rounds it has no runner.
func furnish[J training.Job](f Framework[J], g gang, j J, seen Seen, begun bool, d *decision) {
	furnisher, ok := f.(Furnisher[J])
	if !ok {
		return
	}
	type place struct {
		kind schema.GroupVersionKind
		name string
	}
	wanted := map[place]bool{}
	for _, o := range furnisher.Furnish(j, seen) {
		kind := o.GetObjectKind().GroupVersionKind()
		wanted[place{kind, o.GetName()}] = true
		o.SetNamespace(j.GetNamespace())
		o.SetOwnerReferences([]metav1.OwnerReference{owner(j, f.Traits().Kind)})

		there, ok := seen.Furniture(kind, o.GetName())
		runner, runs := o.(*batchv1.Job)
		fixed := slices.ContainsFunc(furnisher.Furniture(), func(f Furniture) bool { return f.Kind == kind && f.NamesOnly })
		switch {
		case !ok && runs && !begun:
		case !ok:
			if runs {
				g.enlist(runner, f.Traits(), j)
			}
			d.furnish = append(d.furnish, o)
		case !fixed && there.GetDeletionTimestamp() == nil && !holds(o, there):
			o.SetResourceVersion(there.GetResourceVersion())
			d.furnish = append(d.furnish, o)
		}
	}
	for _, there := range seen.furniture {
		if !wanted[place{there.GetObjectKind().GroupVersionKind(), there.GetName()}] && there.GetDeletionTimestamp() == nil {
			d.remove = append(d.remove, removal{object: there, quiet: true})
		}
	}
}

// clearFurniture takes the transient furniture of a job that has ended away.
func clearFurniture[J training.Job](f Framework[J], w world) []removal {
	var all []removal
	for _, there := range w.furniture {
		transient := slices.ContainsFunc(furnitureOf(f), func(f Furniture) bool {
			return f.Transient && f.Kind == there.GetObjectKind().GroupVersionKind()
		})
		if transient && there.GetDeletionTimestamp() == nil {
			all = append(all, removal{object: there, quiet: true})
		}
	}
	return all
}

// holds tells whether an object has all that another says.
func holds(want, there client.Object) bool {
	w, err := fields(want)
	if err != nil {
		return false
	}
	t, err := fields(there)
	return err == nil && within(w, t)
}

// fields is an object as JSON, without what the API server alone writes.
func fields(o client.Object) (map[string]any, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", o.GetName(), err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read %s as JSON: %w", o.GetName(), err)
	}
	delete(all, "status")
	all["metadata"] = map[string]any{"labels": o.GetLabels(), "annotations": o.GetAnnotations()}
	return all, nil
}

// within tells whether every field of one value is in another. Lists are equal
// in length.
func within(want, there any) bool {
	switch want := want.(type) {
	case map[string]string:
		there, ok := there.(map[string]string)
		for key, value := range want {
			if v, has := there[key]; !has || v != value {
				return false
			}
		}
		return ok
	case map[string]any:
		there, ok := there.(map[string]any)
		for key, value := range want {
			if !within(value, there[key]) {
				return false
			}
		}
		return ok || len(want) == 0
	case []any:
		there, ok := there.([]any)
		if !ok || len(want) != len(there) {
			return len(want) == 0 && len(there) == 0
		}
		for i := range want {
			if !within(want[i], there[i]) {
				return false
			}
		}
		return true
	case nil:
		return true
	default:
		return want == there
	}
}
