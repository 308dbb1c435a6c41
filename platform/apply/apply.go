// Package apply makes a cluster hold a set of objects.
//
// What is applied is owned by weir, field by field (server-side apply), and
// belongs to a set by a label; what belonged to the set and is in it no longer
// is deleted.
package apply

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// Label names, on an object, the set it belongs to.
const Label = "weir-ml.github.io/set"

// manager is who the API server says owns the fields we apply.
const manager = "weir"

// A Set is a group of objects that are made, changed and deleted together.
type Set struct {
	Name string
	// Kinds are the kinds of object that the set may hold, or once did.
	Kinds []schema.GroupVersionKind
}

// Apply makes the cluster hold these objects and no others of the set. All are
// tried; the error tells of those that could not be applied, and then nothing
// is deleted.
func (s Set) Apply(ctx context.Context, c client.Client, objects ...client.Object) error {
	var problems []error
	kept := map[string]bool{}
	for _, o := range objects {
		u, err := s.own(c.Scheme(), o)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		kept[identity(u)] = true
		config := client.ApplyConfigurationFromUnstructured(u)
		if err := c.Apply(ctx, config, client.FieldOwner(manager), client.ForceOwnership); err != nil {
			problems = append(problems, fmt.Errorf("apply %s: %w", identity(u), err))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	return s.prune(ctx, c, kept)
}

// own is the object as it is applied: marked as ours.
func (s Set) own(scheme *runtime.Scheme, o client.Object) (*unstructured.Unstructured, error) {
	gvk, err := kindOf(scheme, o)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", o.GetName(), err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("apply %s %s: %w", gvk.Kind, o.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
	u.SetGroupVersionKind(gvk)
	delete(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[Label] = s.Name
	u.SetLabels(labels)
	return u, nil
}

func kindOf(scheme *runtime.Scheme, o client.Object) (schema.GroupVersionKind, error) {
	if gvk := o.GetObjectKind().GroupVersionKind(); !gvk.Empty() {
		return gvk, nil
	}
	kinds, _, err := scheme.ObjectKinds(o)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	return kinds[0], nil
}

// prune deletes what carries the set's name and is not among the kept.
func (s Set) prune(ctx context.Context, c client.Client, kept map[string]bool) error {
	var problems []error
	for _, gvk := range s.Kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := c.List(ctx, list, client.MatchingLabels{Label: s.Name}); err != nil {
			problems = append(problems, fmt.Errorf("list %s of set %q: %w", gvk.Kind, s.Name, err))
			continue
		}
		for i := range list.Items {
			u := &list.Items[i]
			if kept[identity(u)] {
				continue
			}
			if err := c.Delete(ctx, u); client.IgnoreNotFound(err) != nil {
				problems = append(problems, fmt.Errorf("delete %s, which left set %q: %w", identity(u), s.Name, err))
			}
		}
	}
	return errors.Join(problems...)
}

func identity(u *unstructured.Unstructured) string {
	gvk := u.GroupVersionKind()
	name := u.GetName()
	if u.GetNamespace() != "" {
		name = u.GetNamespace() + "/" + name
	}
	return gvk.GroupKind().String() + " " + name
}

// Parse reads objects from YAML, where they are separated by lines of "---".
func Parse(data []byte) ([]client.Object, error) {
	var all []client.Object
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for n := 1; ; n++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document %d: %w", n, err)
		}
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &u.Object); err != nil {
			return nil, fmt.Errorf("read document %d: %w", n, err)
		}
		if len(u.Object) == 0 {
			continue // Comments alone.
		}
		if u.GetKind() == "" || u.GetAPIVersion() == "" {
			return nil, fmt.Errorf("read document %d: no apiVersion or kind", n)
		}
		all = append(all, u)
	}
}
