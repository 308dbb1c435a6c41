package wire_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	training "github.com/weir-ml/weir/api/training/v1"
	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/wire"
)

// Lines of watches.
const (
	added    = `{"type":"ADDED","object":{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"a","namespace":"n","uid":"1","resourceVersion":"2","creationTimestamp":"2026-01-02T03:04:05Z","managedFields":[{"manager":"m","operation":"Update","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{}}}]},"spec":{"tfReplicaSpecs":{"Worker":{"replicas":2,"template":{"spec":{"containers":[{"name":"tensorflow","image":"i","resources":{"limits":{"cpu":"100m"}}}]}}}}}}}`
	initial  = `{"type":"BOOKMARK","object":{"kind":"TFJob","apiVersion":"kubeflow.org/v1","metadata":{"resourceVersion":"3","creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}},"spec":{"tfReplicaSpecs":null},"status":{}}}`
	modified = `{"type":"MODIFIED","object":{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"a","namespace":"n","uid":"1","resourceVersion":"4"},"status":{"startTime":"2026-01-02T03:04:06Z","conditions":[{"type":"Created","status":"True"}]}}}`
	bookmark = `{"type":"BOOKMARK","object":{"kind":"TFJob","apiVersion":"kubeflow.org/v1","metadata":{"resourceVersion":"5","creationTimestamp":null},"spec":{"tfReplicaSpecs":null},"status":{}}}`
	deleted  = `{"type":"DELETED","object":{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"a","namespace":"n","uid":"1","resourceVersion":"6"}}}`
	gone     = `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 4 (9)","reason":"Expired","code":410}}`
	last     = `{"type":"ADDED","object":{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"last","namespace":"n","uid":"9","resourceVersion":"9"}}}`
)

// What a cache tells, and what it asks an API server for, is what upstream's tells
// and asks for.
func TestWatchIsUpstreams(t *testing.T) {
	changed := func(what string) string { return strings.Replace(modified, `"metadata"`, what+`,"metadata"`, 1) }
	for name, c := range map[string]struct {
		why     string
		watches []string // what each brings; the last goes on
	}{
		"Life":      {"A job comes, changes and goes.", []string{added + "\n" + initial + "\n" + modified + "\n" + bookmark + "\n" + deleted}},
		"TooOld":    {"A watch that has come too late is followed by reading all anew.", []string{added + "\n" + initial + "\n" + gone, modified + "\n" + initial}},
		"Ended":     {"A watch that has ended goes on from the bookmark.", []string{added + "\n" + initial + "\n" + bookmark, modified}},
		"Broken":    {"An event without an end was none.", []string{added + "\n" + initial + "\n" + modified[:len(modified)/2], modified + "\n" + initial}},
		"NoJSON":    {"What cannot be read ends a watch.", []string{added + "\n" + initial + "\nGateway timeout", modified + "\n" + initial}},
		"Unread":    {"Nor can a job whose field is of another type.", []string{added + "\n" + initial + "\n" + changed(`"spec":{"tfReplicaSpecs":5}`), modified + "\n" + initial}},
		"Unknown":   {"Fields that nobody knows are left out, also if but their letters are others.", []string{initial + "\n" + changed(`"more":1,"Spec":{"tfReplicaSpecs":5}`)}},
		"Twice":     {"Of a field that stands there twice the last counts.", []string{initial + "\n" + changed(`"kind":"Job","kind":"TFJob"`)}},
		"OtherKind": {"An object of another kind is none of ours.", []string{added + "\n" + initial + "\n" + strings.Replace(modified, "TFJob", "MXJob", 1), modified + "\n" + initial}},
		"NoKind":    {"Nor one of none.", []string{added + "\n" + initial + "\n" + strings.Replace(modified, `"kind":"TFJob",`, "", 1), modified + "\n" + initial}},
		"OtherType": {"There are no other events.", []string{added + "\n" + initial + "\n" + strings.Replace(modified, "MODIFIED", "RENAMED", 1), modified + "\n" + initial}},
		"NoObject":  {"No event is without an object.", []string{added + "\n" + initial + "\n" + `{"type":"MODIFIED","object":null}`, modified + "\n" + initial}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.watches[len(c.watches)-1] += "\n" + last
			upstream, ours := follow(t, cache.New, c.watches), follow(t, wire.NewCache(&training.TFJob{}), c.watches)
			if diff := cmp.Diff(upstream, ours); diff != "" {
				t.Errorf("%s -upstream, +ours:\n%s", c.why, diff)
			}
		})
	}
}

// An account is what was seen of a cache.
type account struct {
	Asked, Troubles []string
	Told            []any
}

// follow has a cache of TFJobs watch an API server until it tells of the last.
func follow(t *testing.T, newCache cache.NewCacheFunc, watches []string) account {
	t.Helper()
	var mu sync.Mutex
	var a account
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		q := r.URL.Query()
		q.Del("timeoutSeconds") // It is drawn.
		a.Asked = append(a.Asked, fmt.Sprintf("%s %s?%s as %s", r.Method, r.URL.Path, q.Encode(), r.Header.Get("Accept")))
		brings := ""
		if len(watches) > 0 && q.Get("watch") != "" {
			brings, watches = watches[0], watches[1:]
		}
		ends := len(watches) > 0
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if q.Get("watch") == "" {
			_, _ = fmt.Fprint(w, `{"kind":"TFJobList","apiVersion":"kubeflow.org/v1","metadata":{"resourceVersion":"1"},"items":[]}`)
			return
		}
		_, _ = fmt.Fprint(w, brings)
		if !ends {
			_, _ = fmt.Fprintln(w)
			w.(http.Flusher).Flush()
			<-ctx.Done()
		}
	}))
	defer server.Close()
	defer cancel()

	kinds := runtime.NewScheme()
	if err := training.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(training.GroupVersion.WithKind(training.TFJobKind), meta.RESTScopeNamespace)
	c, err := newCache(&rest.Config{Host: server.URL}, cache.Options{
		HTTPClient: server.Client(), Scheme: kinds, Mapper: mapper,
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) {
			mu.Lock()
			defer mu.Unlock()
			a.Troubles = append(a.Troubles, err.Error())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := c.GetInformer(ctx, &training.TFJob{}, cache.BlockUntilSynced(false))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	tell := func(what string, o any) {
		mu.Lock()
		defer mu.Unlock()
		a.Told = append(a.Told, what, o)
		if j, ok := o.(client.Object); ok && j.GetName() == "last" {
			close(done)
		}
	}
	if _, err := jobs.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(o any, first bool) { tell(fmt.Sprint("added ", first), o) },
		UpdateFunc: func(_, o any) { tell("updated", o) },
		DeleteFunc: func(o any) { tell("deleted", o) },
	}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	clustertest.Until(t, "the last job", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	mu.Lock()
	seen := a
	mu.Unlock()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return seen
}
