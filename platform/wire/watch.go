package wire

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	restwatch "k8s.io/client-go/rest/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/json"
)

// NewCache makes a manager's cache, which reads objects of these kinds, of which
// there is no protobuf, once as a watch brings them. client-go goes over each ten
// times: for its end, its parts and its kind before what it says. Their watches
// are of all objects: the cache's options must select none of these kinds.
func NewCache(kinds ...client.Object) cache.NewCacheFunc {
	return func(config *rest.Config, o cache.Options) (cache.Cache, error) {
		own := rest.CopyConfig(config)
		own.GroupVersion, own.NegotiatedSerializer = &schema.GroupVersion{}, scheme.Codecs.WithoutConversion()
		own.QPS = -1 // No watch waits for its turn.
		c, err := rest.RESTClientForConfigAndClient(own, o.HTTPClient)
		if err != nil {
			return nil, fmt.Errorf("watch the API server: %w", err)
		}
		w := &watcher{rest: c, scheme: o.Scheme, mapper: o.Mapper, kinds: map[reflect.Type]bool{}}
		for _, k := range kinds {
			w.kinds[reflect.TypeOf(k)] = true
		}
		o.NewInformer = w.newInformer
		return cache.New(config, o)
	}
}

// A watcher watches objects of some kinds.
type watcher struct {
	rest   rest.Interface
	scheme *runtime.Scheme
	mapper meta.RESTMapper
	kinds  map[reflect.Type]bool
}

// newInformer is upstream's, with the watcher's way to watch.
func (w *watcher) newInformer(by toolscache.ListerWatcher, o runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	if w.kinds[reflect.TypeOf(o)] {
		by = &toolscache.ListWatch{
			ListWithContextFunc: toolscache.ToListerWatcherWithContext(by).ListWithContext,
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				return w.watch(ctx, o, options)
			},
		}
	}
	return toolscache.NewSharedIndexInformer(by, o, resync, indexers)
}

// watch watches all objects of a kind.
func (w *watcher) watch(ctx context.Context, of runtime.Object, options metav1.ListOptions) (watch.Interface, error) {
	kind, err := apiutil.GVKForObject(of, w.scheme)
	if err != nil {
		return nil, err
	}
	mapping, err := w.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	options.Watch = true
	body, err := w.rest.Get().AbsPath(path(mapping.Resource, metav1.NamespaceAll)).VersionedParams(&options, metav1.ParameterCodec).Stream(ctx)
	switch {
	case utilnet.IsProbableEOF(err), utilnet.IsTimeout(err):
		return watch.NewEmptyWatch(), nil // As client-go has it: one that is to be tried again.
	case err != nil:
		return nil, err
	}
	d := &decoder{lines: bufio.NewScanner(body), body: body, kind: kind, scheme: w.scheme}
	d.lines.Buffer(nil, longestEvent)
	return watch.NewStreamWatcherWithLogger(klog.FromContext(ctx), d,
		apierrors.NewClientErrorReporter(http.StatusInternalServerError, http.MethodGet, "ClientWatchDecoding")), nil
}

// longestEvent is how many bytes an event of a watch may have, as in client-go.
const longestEvent = 16 << 20

// A decoder reads what a watch of a kind brings: an event a line.
type decoder struct {
	lines  *bufio.Scanner
	body   io.Closer
	kind   schema.GroupVersionKind
	scheme *runtime.Scheme
}

// Decode waits for the next event. What is no plain news of an object of the kind,
// as that the watch has failed, is for client-go to decode.
func (d *decoder) Decode() (watch.EventType, runtime.Object, error) {
	if !d.lines.Scan() {
		if err := d.lines.Err(); err != nil {
			return "", nil, err
		}
		return "", nil, io.EOF
	}
	o, err := d.scheme.New(d.kind)
	if err != nil {
		return "", nil, err
	}
	event := struct {
		Type   watch.EventType `json:"type"`
		Object runtime.Object  `json:"object"`
	}{Object: o}
	if err := json.UnmarshalCaseSensitivePreserveInts(d.lines.Bytes(), &event); err == nil && o.GetObjectKind().GroupVersionKind() == d.kind {
		switch event.Type {
		case watch.Added, watch.Modified, watch.Deleted, watch.Bookmark:
			o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // Typed objects that are read have none.
			return event.Type, o, nil
		}
	}
	return d.upstream(d.lines.Bytes())
}

// upstream has client-go decode an event.
func (d *decoder) upstream(line []byte) (watch.EventType, runtime.Object, error) {
	s := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, d.scheme, d.scheme, serializer.SerializerOptions{})
	frames := serializer.Framer.NewFrameReader(io.NopCloser(bytes.NewReader(line)))
	return restwatch.NewDecoder(streaming.NewDecoder(frames, s), runtime.WithoutVersionDecoder{Decoder: s}).Decode()
}

func (d *decoder) Close() { _ = d.body.Close() }
