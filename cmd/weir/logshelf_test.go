package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/weir-ml/weir/cluster/podlogs"
)

// madeAt are namespaces by when they were made.
type madeAt struct {
	core.NamespaceInterface
	times map[string]time.Time
}

func (m madeAt) Namespaces() core.NamespaceInterface { return m }

func (m madeAt) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Namespace, error) {
	at, ok := m.times[name]
	if !ok {
		return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(at)}}, nil
}

// What is kept of a namespace is listed and read, but for what was there when
// another namespace had its name.
func TestKeptLogsAreOfTheNamespaceThatThereIs(t *testing.T) {
	dir := t.TempDir()
	store, err := podlogs.Open(filepath.Join(dir, "kept"), podlogs.Retention{})
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, p := range []podlogs.Pod{
		{Namespace: "team", Name: "w-0", UID: "old", Labels: map[string]string{"job": "mnist"}, Created: noon.Add(-time.Hour)},
		{Namespace: "team", Name: "w-0", UID: "new", Labels: map[string]string{"job": "mnist"}, Created: noon.Add(time.Hour)},
		{Namespace: "gone", Name: "w-0", UID: "gone", Labels: map[string]string{"job": "mnist"}, Created: noon},
	} {
		file := filepath.Join(dir, p.UID)
		if err := os.WriteFile(file, []byte("2026-01-01T12:00:00.5Z stdout F said by "+p.UID+"\n2026-01-01T12:00:01Z stdout P unended"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := store.Keep(p, "main", 2, file); err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	for _, r := range (logShelf{store, madeAt{times: map[string]time.Time{"team": noon}}}).routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	for path, want := range map[string][]string{
		"/weir/logs/team?labelSelector=job%3Dmnist": {"new"},
		"/weir/logs/team?labelSelector=job%3Dother": nil,
		"/weir/logs/team?pod=w-0":                   {"new"},
		"/weir/logs/team?pod=*":                     nil,
		"/weir/logs/gone?pod=w-0":                   {"gone"},
		"/weir/logs/*?pod=w-0":                      nil,
		"/weir/logs/..%2Fteam?pod=w-0":              nil,
	} {
		var list struct{ Items []keptPod }
		w := ask(path)
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		var got []string
		for _, p := range list.Items {
			got = append(got, p.UID)
			if !cmp.Equal(p.Containers, []keptContainer{{"main", []uint32{2}}}) {
				t.Errorf("%s: containers %v", path, p.Containers)
			}
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	for path, want := range map[string]int{
		"/weir/logs/team/w-0/new/main/2":           http.StatusOK,
		"/weir/logs/team/w-0/old/main/2":           http.StatusNotFound,
		"/weir/logs/team/w-0/new/main/1":           http.StatusNotFound,
		"/weir/logs/team/w-0/new/main/last":        http.StatusBadRequest,
		"/weir/logs/team/..%2F..%2Fnew/new/main/2": http.StatusNotFound,
		"/weir/logs/team/w-0/new/..%2F..%2Fnew/0":  http.StatusNotFound,
		"/weir/logs/team?labelSelector=,,":         http.StatusBadRequest,
	} {
		w := ask(path)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if text := "2026-01-01T12:00:00.5Z said by new\n2026-01-01T12:00:01Z unended\n"; want == http.StatusOK && w.Body.String() != text {
			t.Errorf("%s: %q, want %q", path, w.Body, text)
		}
	}
}
