package admission

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/apply"
)

// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;create;patch

// A Conversion turns objects of a kind from one version into another, where the
// versions differ by more than their names. The API server asks for it whenever
// an object is written or read as another version than the one it is stored as;
// without an answer it says so, and serves the version that is stored only.
type Conversion struct {
	// Kind is the name of the CustomResourceDefinition, as mpijobs.kubeflow.org.
	Kind string
	// Convert turns an object into a version. What it makes of the metadata may
	// differ in labels and annotations only.
	Convert func(o *unstructured.Unstructured, to schema.GroupVersion) error
}

func (c Conversion) path() string { return "/convert/" + c.Kind }

// ServeHTTP answers an API server.
func (c Conversion) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review apiextensions.ConversionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, fmt.Sprintf("read a ConversionReview with a request: %v", err), http.StatusBadRequest)
		return
	}
	review.Response = &apiextensions.ConversionResponse{UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	objects, err := c.convert(review.Request)
	if err != nil {
		review.Response.Result = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
	}
	review.Response.ConvertedObjects, review.Request = objects, nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // Who does not wait for the answer asks again.
}

func (c Conversion) convert(r *apiextensions.ConversionRequest) ([]runtime.RawExtension, error) {
	to, err := schema.ParseGroupVersion(r.DesiredAPIVersion)
	if err != nil {
		return nil, fmt.Errorf("convert to %q: %w", r.DesiredAPIVersion, err)
	}
	var all []runtime.RawExtension
	for _, raw := range r.Objects {
		o := &unstructured.Unstructured{}
		if err := json.Unmarshal(raw.Raw, &o.Object); err != nil {
			return nil, fmt.Errorf("read an object of %s: %w", c.Kind, err)
		}
		if err := c.Convert(o, to); err != nil {
			return nil, err
		}
		all = append(all, runtime.RawExtension{Object: o})
	}
	return all, nil
}

// Convert changes a CustomResourceDefinition, so that the API server asks us for
// its conversion. Those that have none stay as they are.
func (k *Kept) Convert(definition map[string]any, conversions ...Conversion) error {
	name, _, _ := unstructured.NestedString(definition, "metadata", "name")
	i := slices.IndexFunc(conversions, func(c Conversion) bool { return c.Kind == name })
	if i < 0 {
		return nil
	}
	err := unstructured.SetNestedMap(definition, map[string]any{"strategy": "Webhook", "webhook": map[string]any{
		"clientConfig": map[string]any{
			"url":      "https://" + k.address() + conversions[i].path(),
			"caBundle": base64.StdEncoding.EncodeToString(k.certificates.authority),
		},
		"conversionReviewVersions": []any{"v1"},
	}}, "spec", "conversion")
	if err != nil {
		return fmt.Errorf("have %s converted: %w", name, err)
	}
	return nil
}

// withdraw has the API server change nothing but an object's version.
func (c Conversion) withdraw(ctx context.Context, to client.Client) error {
	o := &metav1.PartialObjectMetadata{}
	o.SetGroupVersionKind(apiextensions.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	o.SetName(c.Kind)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{apply.AnnotationDigest: nil}}, // It is no longer as it was applied.
		"spec":     map[string]any{"conversion": map[string]any{"strategy": "None", "webhook": nil}},
	})
	if err != nil {
		return err
	}
	if err := to.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("have %s no longer converted: %w", c.Kind, err)
	}
	return nil
}
