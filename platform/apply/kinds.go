package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// Kinds makes the cluster know kinds, each a CustomResourceDefinition in YAML,
// and returns once it serves them. A kind that was applied from the same bytes
// before is left alone, since its schema costs the API server a good while.
func Kinds(ctx context.Context, config *rest.Config, files ...[]byte) error {
	c, err := newClients(config)
	if err != nil {
		return fmt.Errorf("apply kinds: %w", err)
	}
	problems := make([]error, len(files))
	var wait sync.WaitGroup
	for i, data := range files {
		wait.Go(func() { problems[i] = applyKind(ctx, c, data) })
	}
	wait.Wait()
	return errors.Join(problems...)
}

func applyKind(ctx context.Context, c *clients, data []byte) error {
	var d definition
	if err := yaml.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("read a kind: %w", err)
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])

	there, err := c.Resource(definitions).Get(ctx, d.Metadata.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read kind %s: %w", d.Metadata.Name, err)
	}
	if err != nil || there.Annotations[AnnotationDigest] != digest {
		body, err := marked(data, digest)
		if err != nil {
			return fmt.Errorf("read kind %s: %w", d.Metadata.Name, err)
		}
		force := true
		_, err = c.Resource(definitions).Patch(ctx, d.Metadata.Name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: manager, Force: &force})
		if err != nil {
			return fmt.Errorf("apply kind %s: %w", d.Metadata.Name, err)
		}
	}
	return served(ctx, c, d)
}

// marked is a definition in JSON, which the API server reads faster, with its
// digest.
func marked(data []byte, digest string) ([]byte, error) {
	var object map[string]any
	if err := yaml.Unmarshal(data, &object); err != nil {
		return nil, err
	}
	meta, ok := object["metadata"].(map[string]any)
	if !ok {
		return nil, errors.New("no metadata")
	}
	annotations, ok := meta["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
	}
	annotations[AnnotationDigest] = digest
	meta["annotations"] = annotations
	return json.Marshal(object)
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
