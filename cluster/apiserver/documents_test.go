package apiserver_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/weir-ml/weir/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }

// A reader asks the API server for documents.
type reader struct {
	t    *testing.T
	http *http.Client
	host string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	config := clustertest.REST(t)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &reader{t, client, config.Host}
}

// An answer is all of one but its body.
type answer struct {
	http.Header
	Status int
}

// get reads what lies at an address into, unless that is nil.
func (r *reader) get(address string, into any) answer {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.host+address, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Accept", "application/json")
	a, err := r.http.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	if into != nil && a.StatusCode == http.StatusOK {
		if err := json.NewDecoder(a.Body).Decode(into); err != nil {
			r.t.Fatalf("%s: %v", address, err)
		}
	}
	return answer{a.Header, a.StatusCode}
}

// addresses are where documents lie, by the name of group and version.
func (r *reader) addresses() map[string]string {
	r.t.Helper()
	var list handler3.OpenAPIV3Discovery
	if a := r.get("/openapi/v3", &list); a.Status != http.StatusOK {
		r.t.Fatalf("/openapi/v3: %d", a.Status)
	}
	at := map[string]string{}
	for name, v := range list.Paths {
		at[name] = v.ServerRelativeURL
	}
	return at
}

func TestDocumentOfAGroup(t *testing.T) {
	r := newReader(t)
	at := r.addresses()["apis/apps/v1"]
	var d spec3.OpenAPI
	a := r.get(at, &d)
	deployment := d.Components.Schemas["io.k8s.api.apps.v1.Deployment"]
	if deployment == nil || deployment.Properties["spec"].AllOf == nil || d.Paths.Paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"] == nil {
		t.Errorf("%s: %d, without Deployments", at, a.Status)
	}
	if got := a.Get("Cache-Control"); got != "public, immutable" {
		t.Errorf("%s may be kept %q, want for good", at, got)
	}
	if a := r.get("/openapi/v3/apis/apps/v1", nil); a.Status != http.StatusOK || a.Get("Cache-Control") == "public, immutable" {
		t.Errorf("without a hash: %d, to be kept %q", a.Status, a.Get("Cache-Control"))
	}
	if a := r.get("/openapi/v3/apis/apps/v1?hash=old", nil); a.Status != http.StatusMovedPermanently || a.Get("Location") != at {
		t.Errorf("with an old hash: %d to %s, want to %s", a.Status, a.Get("Location"), at)
	}
	if a := r.get("/openapi/v3/apis/apps/v7", nil); a.Status != http.StatusNotFound {
		t.Errorf("of a group that there is not: %d", a.Status)
	}
}

// TestEveryGroupIsServed finds what the priorities of chain.go lack.
func TestEveryGroupIsServed(t *testing.T) {
	r := newReader(t)
	var services metav1.PartialObjectMetadataList
	r.get("/apis/apiregistration.k8s.io/v1/apiservices", &services)
	served := map[string]bool{}
	for _, s := range services.Items {
		served[s.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(r.addresses())) {
		group, version := path.Split(strings.TrimPrefix(name, "apis/"))
		group = strings.Trim(group, "/")
		if strings.HasPrefix(name, "apis/") && group != "" && group != "apiregistration.k8s.io" && !served[version+"."+group] {
			t.Errorf("%s is documented, and the aggregator does not know it", name)
		}
	}
	if len(served) < 20 {
		t.Errorf("there are %d APIServices", len(served))
	}
}

func TestDocumentsOfADefinedKind(t *testing.T) {
	r := newReader(t)
	client := apiextensions.NewForConfigOrDie(clustertest.REST(t)).ApiextensionsV1().CustomResourceDefinitions()
	kind := func(property string) *apiextensionsv1.CustomResourceDefinition {
		return &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: "boats.harbour.example.com"},
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Group: "harbour.example.com", Scope: apiextensionsv1.NamespaceScoped,
				Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "boats", Kind: "Boat"},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
					Name: "v1", Served: true, Storage: true,
					Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
						Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{property: {Type: "string"}},
					}},
				}},
			},
		}
	}
	// has says whether both documents know a property, and how.
	const model = "com.example.harbour.v1.Boat"
	has := func(property string) bool {
		at, ok := r.addresses()["apis/harbour.example.com/v1"]
		if !ok {
			return false
		}
		var third spec3.OpenAPI
		if r.get(at, &third); third.Components == nil || third.Components.Schemas[model] == nil {
			return false
		}
		var second spec.Swagger
		r.get("/openapi/v2", &second)
		_, inThird := third.Components.Schemas[model].Properties[property]
		_, inSecond := second.Definitions[model].Properties[property]
		_, deployments := second.Definitions["io.k8s.api.apps.v1.Deployment"]
		return inThird && inSecond && deployments
	}

	d, err := client.Create(t.Context(), kind("mast"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "the documents of a new kind", func() bool { return has("mast") })

	change, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/versions", "value": kind("keel").Spec.Versions}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Patch(t.Context(), d.Name, types.JSONPatchType, change, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "the documents of a kind that changed", func() bool { return has("keel") && !has("mast") })

	if err := client.Delete(t.Context(), d.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "no document of a kind that is gone", func() bool {
		_, there := r.addresses()["apis/harbour.example.com/v1"]
		return !there
	})
}
