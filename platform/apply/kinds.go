package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// AnnotationDigest is, on a kind, the digest of the bytes it was applied from.
const AnnotationDigest = "weir-ml.github.io/digest"

// often is how often we ask whether a kind is served yet: it takes some tens of
// milliseconds, and all else waits for it.
const often = 2 * time.Millisecond

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// A definition is what is read here of a CustomResourceDefinition.
type definition struct {
	Metadata struct{ Name string }
	Spec     struct {
		Group    string
		Names    struct{ Plural string }
		Versions []struct {
			Name    string
			Served  bool
			Storage bool
		}
	}
}

// A Kind is a CustomResourceDefinition as it is applied: with its digest.
type Kind struct {
	definition
	digest string
	object map[string]any
}

// ReadKind reads a CustomResourceDefinition from YAML, and changes it.
func ReadKind(data []byte, changes ...func(definition map[string]any) error) (*Kind, error) {
	k := &Kind{}
	if err := yaml.Unmarshal(data, &k.object); err != nil {
		return nil, fmt.Errorf("read a kind: %w", err)
	}
	for _, change := range changes {
		if err := change(k.object); err != nil {
			return nil, err
		}
	}
	body, err := json.Marshal(k.object)
	if err != nil {
		return nil, fmt.Errorf("read a kind: %w", err)
	}
	if err := json.Unmarshal(body, &k.definition); err != nil {
		return nil, fmt.Errorf("read a kind: %w", err)
	}
	sum := sha256.Sum256(body)
	k.digest = hex.EncodeToString(sum[:])
	if err := unstructured.SetNestedField(k.object, k.digest, "metadata", "annotations", AnnotationDigest); err != nil {
		return nil, fmt.Errorf("read kind %s: %w", k.Metadata.Name, err)
	}
	return k, nil
}

// Applied is the kind in JSON as an API server would keep it that was given it by
// InstallKinds, but for what that server adds.
func (k *Kind) Applied() ([]byte, error) {
	object := maps.Clone(k.object)
	meta := maps.Clone(object["metadata"].(map[string]any))
	owned := map[string]any{"metadata": maps.Clone(meta), "spec": object["spec"]}
	delete(owned["metadata"].(map[string]any), "name")
	meta["managedFields"] = []any{map[string]any{
		"manager": manager, "operation": "Apply", "apiVersion": object["apiVersion"], "time": metav1.Now(),
		"fieldsType": "FieldsV1", "fieldsV1": fieldsOf(owned),
	}}
	object["metadata"] = meta
	return json.Marshal(object)
}

// fieldsOf names the fields of an object in the way of managedFields. Lists are
// single fields here, as all of a definition are.
func fieldsOf(object map[string]any) map[string]any {
	fields := map[string]any{}
	for name, value := range object {
		inner, _ := value.(map[string]any)
		fields["f:"+name] = fieldsOf(inner)
	}
	return fields
}

// Kinds is InstallKinds for kinds in YAML.
func Kinds(ctx context.Context, config *rest.Config, files ...[]byte) error {
	kinds := make([]*Kind, len(files))
	for i, data := range files {
		var err error
		if kinds[i], err = ReadKind(data); err != nil {
			return err
		}
	}
	return InstallKinds(ctx, config, kinds...)
}

// InstallKinds makes the cluster know kinds, and returns once it serves them. A
// kind that was applied from the same bytes before is left alone, since its schema
// costs the API server a good while.
func InstallKinds(ctx context.Context, config *rest.Config, kinds ...*Kind) error {
	c, err := newClients(config)
	if err != nil {
		return fmt.Errorf("apply kinds: %w", err)
	}
	problems := make([]error, len(kinds))
	var wait sync.WaitGroup
	for i, k := range kinds {
		wait.Go(func() { problems[i] = k.install(ctx, c) })
	}
	wait.Wait()
	return errors.Join(problems...)
}

func (k *Kind) install(ctx context.Context, c *clients) error {
	name := k.Metadata.Name
	there, err := c.Resource(definitions).Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read kind %s: %w", name, err)
	}
	if err != nil || there.Annotations[AnnotationDigest] != k.digest {
		body, err := json.Marshal(k.object) // The API server reads JSON faster than YAML.
		if err != nil {
			return fmt.Errorf("read kind %s: %w", name, err)
		}
		force := true
		_, err = c.Resource(definitions).Patch(ctx, name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager, Force: &force})
		if err != nil {
			return fmt.Errorf("apply kind %s: %w", name, err)
		}
	}
	return served(ctx, c, k.definition)
}

// served waits until a kind can be found in all its versions and its objects
// listed: the one comes some milliseconds after the other, and a client that
// looks between them takes the kind for missing. They are listed as the version
// that is stored, since those who turn them into others may not be there yet.
func served(ctx context.Context, c *clients, d definition) error {
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for _, v := range d.Spec.Versions {
		if !v.Served {
			continue
		}
		gv := schema.GroupVersion{Group: d.Spec.Group, Version: v.Name}
		for {
			ready, err := c.serves(ctx, gv, d.Spec.Names.Plural, v.Storage)
			if err != nil {
				return fmt.Errorf("wait for kind %s: %w", d.Metadata.Name, err)
			}
			if ready {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for kind %s, which is not served yet: %w", d.Metadata.Name, ctx.Err())
			case <-ticker.C:
			}
		}
	}
	return nil
}

// clients are the two ways in which the API server is asked here.
type clients struct {
	metadata.Interface
	discovery discovery.DiscoveryInterface
}

func newClients(config *rest.Config) (*clients, error) {
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // Whether an old version is served is no use of it.
	m, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &clients{m, d}, nil
}

func (c *clients) serves(ctx context.Context, gv schema.GroupVersion, plural string, stored bool) (bool, error) {
	known, err := c.discovery.ServerResourcesForGroupVersion(gv.String())
	if notYet(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(known.APIResources, func(r metav1.APIResource) bool { return r.Name == plural }) {
		return false, nil
	}
	if !stored {
		return true, nil
	}
	_, err = c.Resource(gv.WithResource(plural)).List(ctx, metav1.ListOptions{Limit: 1})
	if notYet(err) {
		return false, nil
	}
	return err == nil, err
}

func notYet(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err)
}
