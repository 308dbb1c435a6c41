package explain

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A family is what descends from an object: its pods, and the objects between,
// such as the ReplicaSet between a Deployment and its pods.
type family struct {
	pods    []corev1.Pod
	between []client.Object
}

// family finds the pods whose owner references lead to an object, over however
// many steps: that way it works for kinds that are still to be invented.
func (from *reading) family(ctx context.Context, o client.Object) (family, error) {
	if o.GetNamespace() == "" {
		return family{}, nil
	}
	all, err := from.pods(ctx, o.GetNamespace())
	if err != nil {
		return family{}, err
	}
	tree := ancestry{from: from, namespace: o.GetNamespace(), root: o.GetUID(), known: map[types.UID]bool{o.GetUID(): true}}
	var f family
	for _, pod := range all {
		ours, err := tree.leads(ctx, metav1.GetControllerOf(&pod))
		if err != nil {
			return family{}, err
		}
		if ours {
			f.pods = append(f.pods, pod)
		}
	}
	f.between, err = from.between(ctx, o, tree.between)
	return f, err
}

// between adds to the objects found on the way up those that have no pods yet,
// since it is they who say why: the ReplicaSets of a Deployment.
func (from *reading) between(ctx context.Context, o client.Object, found []client.Object) ([]client.Object, error) {
	if o.GetObjectKind().GroupVersionKind().Kind != "Deployment" {
		return found, nil
	}
	var sets metav1.PartialObjectMetadataList
	sets.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSetList"})
	if err := from.Reader.List(ctx, &sets, client.InNamespace(o.GetNamespace())); err != nil {
		return nil, fmt.Errorf("list replicasets of namespace %s: %w", o.GetNamespace(), err)
	}
	for i := range sets.Items {
		owner := metav1.GetControllerOf(&sets.Items[i])
		known := func(b client.Object) bool { return b.GetUID() == sets.Items[i].UID }
		if owner != nil && owner.UID == o.GetUID() && !slices.ContainsFunc(found, known) {
			found = append(found, &sets.Items[i])
		}
	}
	return found, nil
}

// An ancestry remembers which owners lead to the root.
type ancestry struct {
	from      *reading
	namespace string
	root      types.UID
	known     map[types.UID]bool
	between   []client.Object
}

func (t *ancestry) leads(ctx context.Context, owner *metav1.OwnerReference) (bool, error) {
	if owner == nil {
		return false, nil
	}
	if leads, known := t.known[owner.UID]; known {
		return leads, nil
	}
	t.known[owner.UID] = false // so that a circle ends
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	err := t.from.Reader.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: owner.Name}, o)
	if unknowable(err) {
		return false, nil // Nothing above it is known either.
	}
	if err != nil {
		return false, fmt.Errorf("read %s %s/%s, which owns a pod: %w", owner.Kind, t.namespace, owner.Name, err)
	}
	leads, err := t.leads(ctx, metav1.GetControllerOf(o))
	if leads {
		t.known[owner.UID] = true
		t.between = append(t.between, o)
	}
	return leads, err
}

// ownersOf returns the controllers of an object, the nearest first, as far up as
// they can be read.
func (from Source) ownersOf(ctx context.Context, o client.Object) ([]client.Object, error) {
	var chain []client.Object
	for owner := metav1.GetControllerOf(o); owner != nil && len(chain) < 10; {
		above := &metav1.PartialObjectMetadata{}
		above.SetGroupVersionKind(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
		err := from.Reader.Get(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: owner.Name}, above)
		if unknowable(err) {
			return chain, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s %s/%s, which owns %s: %w", owner.Kind, o.GetNamespace(), owner.Name, o.GetName(), err)
		}
		chain = append(chain, above)
		owner = metav1.GetControllerOf(above)
	}
	return chain, nil
}

// unknowable is whether an object is gone, or not ours to see.
func unknowable(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err)
}

// PodsOf returns the pods whose owner references lead to an object; of a pod,
// itself.
func PodsOf(ctx context.Context, source Source, o client.Object) ([]corev1.Pod, error) {
	if pod, ok := o.(*corev1.Pod); ok {
		return []corev1.Pod{*pod}, nil
	}
	from := &reading{Source: source}
	f, err := from.family(ctx, o)
	return f.pods, err
}
