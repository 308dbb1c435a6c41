package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/install"
	"github.com/weir-ml/weir/platform/apply"
)

// A set is applied, changed and shrunk; what others own stays as they left it.
func TestApply(t *testing.T) {
	ctx := t.Context()
	c := newClient(t)
	set := apply.Set{Name: "test", Kinds: []schema.GroupVersionKind{corev1.SchemeGroupVersion.WithKind("ConfigMap")}}
	mustApply := func(objects ...client.Object) {
		t.Helper()
		if err := set.Apply(ctx, c, objects...); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) *corev1.ConfigMap {
		t.Helper()
		m := &corev1.ConfigMap{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	strange := configMap("strange", "k", "v")
	if err := c.Create(ctx, strange); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Delete(context.Background(), strange), set.Apply(context.Background(), c)); err != nil {
			t.Error(err)
		}
	})

	mustApply(configMap("a", "k", "1"), configMap("b", "k", "1"))
	first := read("a")
	if first.Labels[apply.Label] != "test" {
		t.Errorf("labels %v, want the set's", first.Labels)
	}

	mustApply(configMap("a", "k", "1"), configMap("b", "k", "2"))
	if again := read("a"); again.ResourceVersion != first.ResourceVersion {
		t.Errorf("applied again without a change, it was written: version %s, then %s", first.ResourceVersion, again.ResourceVersion)
	}
	if got := read("b").Data["k"]; got != "2" {
		t.Errorf("b says %q, want 2", got)
	}

	mine := read("a")
	mine.Data["user"] = "mine"
	if err := c.Update(ctx, mine); err != nil {
		t.Fatal(err)
	}
	mustApply(configMap("a", "k", "3"))
	if got := read("a").Data; got["k"] != "3" || got["user"] != "mine" {
		t.Errorf("a says %v, want our k and the user's own", got)
	}
	if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "b"}, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("b left the set, and is there: %v", err)
	}
	read("strange")
}

// One object that cannot be applied is named; the others are applied, and
// nothing is deleted on half a set.
func TestApplyTellsWhat(t *testing.T) {
	ctx := t.Context()
	c := newClient(t)
	set := apply.Set{Name: "tells", Kinds: []schema.GroupVersionKind{corev1.SchemeGroupVersion.WithKind("ConfigMap")}}
	if err := set.Apply(ctx, c, configMap("old", "k", "v")); err != nil {
		t.Fatal(err)
	}
	err := set.Apply(ctx, c, configMap("not a name", "k", "v"), configMap("new", "k", "v"))
	if err == nil || !strings.HasPrefix(err.Error(), "apply ConfigMap default/not a name: ") {
		t.Errorf("error %v, want it to begin with what could not be applied", err)
	}
	for _, name := range []string{"old", "new"} {
		if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, &corev1.ConfigMap{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Kinds are served when Kinds returns, and written once.
func TestKinds(t *testing.T) {
	ctx := t.Context()
	c := newClient(t)
	var files [][]byte
	for _, f := range install.Kinds() {
		files = append(files, f.Data)
	}
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})

	versions := map[int64]bool{}
	for range 2 {
		if err := apply.Kinds(ctx, clustertest.REST(t), files...); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(ctx, client.ObjectKey{Name: "tfjobs.kubeflow.org"}, crd); err != nil {
			t.Fatal(err)
		}
		versions[crd.Generation] = true
		jobs := &metav1.PartialObjectMetadataList{}
		jobs.SetGroupVersionKind(schema.GroupVersionKind{Group: "kubeflow.org", Version: "v1", Kind: "TFJobList"})
		if err := c.List(ctx, jobs); err != nil {
			t.Errorf("list TFJobs right after: %v", err)
		}
	}
	if len(versions) != 1 {
		t.Errorf("applied twice from the same bytes, it has generations %v, want one", versions)
	}
}

// What we install can be read and applied.
func TestRights(t *testing.T) {
	set := apply.Set{Name: "rights"}
	for _, f := range install.Rights() {
		objects, err := apply.Parse(f.Data)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if err := set.Apply(t.Context(), newClient(t), objects...); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func TestParse(t *testing.T) {
	objects, err := apply.Parse([]byte("# a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n"))
	if err != nil || len(objects) != 2 || objects[1].GetName() != "b" {
		t.Errorf("Parse() = %v, %v; want a and b", objects, err)
	}
	if _, err := apply.Parse([]byte("a: 1\n")); err == nil || err.Error() != "read document 1: no apiVersion or kind" {
		t.Errorf("error %v", err)
	}
}

func newClient(t *testing.T) client.Client {
	t.Helper()
	c, err := client.New(clustertest.REST(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func configMap(name string, pairs ...string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		m.Data[pairs[i]] = pairs[i+1]
	}
	return m
}
