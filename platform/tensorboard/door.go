package tensorboard

import (
	"cmp"
	"context"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "github.com/weir-ml/weir/api/tensorboard/v1alpha1"
	"github.com/weir-ml/weir/platform/routes"
)

// A door leads to Tensorboards, and wakes those that sleep.
type door struct {
	client client.Client
	live   client.Reader // reads past what client has seen
	now    func() time.Time
	proxy  *httputil.ReverseProxy
}

// DoorRoute leads to Tensorboards, for those who may get them:
//
//	/tensorboard/NAMESPACE/NAME/
//
// While one does not answer yet, there is a page that says why and tries again.
func DoorRoute(c client.Client, live client.Reader) routes.Route {
	d := &door{client: c, live: live, now: time.Now}
	d.proxy = &httputil.ReverseProxy{Rewrite: rewrite, ModifyResponse: confine, ErrorHandler: unreachable}
	return routes.Route{
		Owner: "weir", Pattern: "/tensorboard/{namespace}/{name}/{rest...}", Handler: d,
		Rule: routes.May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
			return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
				Verb: "get", Group: v1alpha1.GroupVersion.Group, Resource: "tensorboards", Namespace: r.PathValue("namespace"), Name: r.PathValue("name"),
			}}
		}),
	}
}

// A way is how a request goes: from which place, to which pod.
type way struct {
	place   routes.Place
	address string
}

type wayKey struct{}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := client.ObjectKey{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	t := &v1alpha1.Tensorboard{}
	err := d.client.Get(r.Context(), key, t)
	if apierrors.IsNotFound(err) {
		err = d.live.Get(r.Context(), key, t) // It may have been made a moment ago.
	}
	if err != nil {
		if apierrors.IsNotFound(err) {
			say(w, r, http.StatusNotFound, sight{Title: "There is no TensorBoard " + key.Name + " in " + key.Namespace, Text: "That of a job goes with the job. The button on the job's page, or on the folder with its event files, makes another; so does weir tensorboard."})
			return
		}
		routes.Refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	if err := d.visit(r.Context(), t); err != nil {
		klog.FromContext(r.Context()).Error(err, "Cannot note that somebody looks", "tensorboard", key)
	}
	address, err := d.find(r.Context(), key)
	if err != nil {
		routes.Refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	if address == "" {
		waits(w, r, t)
		return
	}
	place, err := routes.PlaceOf(r, Path(key.Namespace, key.Name))
	if err != nil {
		routes.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	routes.Lead(w, r.WithContext(context.WithValue(r.Context(), wayKey{}, way{place, address})), d.proxy)
}

// noteEvery is how often it is written down that somebody looks.
const noteEvery = time.Minute

// visit notes that somebody looks at a Tensorboard, which keeps or wakes it.
func (d *door) visit(ctx context.Context, t *v1alpha1.Tensorboard) error {
	now := d.now()
	if said, err := time.Parse(time.RFC3339, t.Annotations[v1alpha1.AnnotationVisited]); err == nil && now.Sub(said) < noteEvery {
		return nil
	}
	next := t.DeepCopy()
	if next.Annotations == nil {
		next.Annotations = map[string]string{}
	}
	next.Annotations[v1alpha1.AnnotationVisited] = now.UTC().Format(time.RFC3339)
	return client.IgnoreNotFound(d.client.Patch(ctx, next, client.MergeFrom(t)))
}

// find is where a Tensorboard answers; empty if nowhere yet.
func (d *door) find(ctx context.Context, key client.ObjectKey) (string, error) {
	var pods corev1.PodList
	if err := d.client.List(ctx, &pods, client.InNamespace(key.Namespace), client.MatchingLabels{Label: key.Name}); err != nil {
		return "", fmt.Errorf("list pods of Tensorboard %s: %w", key, err)
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; p.DeletionTimestamp.IsZero() && p.Status.PodIP != "" && ready(p) {
			return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port)), nil
		}
	}
	return "", nil
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// rewrite leads a request to the pod, without what says who asks: people of the
// namespace can put another program in TensorBoard's place.
func rewrite(p *httputil.ProxyRequest) {
	to, _ := p.In.Context().Value(wayKey{}).(way)
	p.SetURL(&url.URL{Scheme: "http", Host: to.address})
	routes.Anonymous(p.Out.Header)
}

// confine keeps what a pod answers to its own path.
func confine(r *http.Response) error {
	from, _ := r.Request.Context().Value(wayKey{}).(way)
	return from.place.Confine(r)
}

// waits says why a Tensorboard does not answer yet.
func waits(w http.ResponseWriter, r *http.Request, t *v1alpha1.Tensorboard) {
	w.Header().Set("Retry-After", "1")
	say(w, r, http.StatusServiceUnavailable, sight{"TensorBoard does not answer yet", cmp.Or(t.Status.Message, "It starts."), t.Spec.LogsPath})
}

// A sight is what stands where a TensorBoard would.
type sight struct {
	Title, Text string
	// Shows is what it will show, of one that may answer soon.
	Shows string
}

// say shows a sight to people, and tells programs the same.
func say(w http.ResponseWriter, r *http.Request, code int, s sight) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		routes.Refuse(w, code, s.Title+". "+s.Text)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = sights.Execute(w, s) // Who has gone needs no answer.
}

var sights = template.Must(template.New("sight").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8">{{if .Shows}}<meta http-equiv="refresh" content="2">{{end}}<meta name="viewport" content="width=device-width">
<title>TensorBoard</title><link rel="icon" href="/mark.svg">
<style>:root{color-scheme:light dark;background:Canvas} body{font:16px/1.5 system-ui,sans-serif;max-width:42em;margin:15vh auto;padding:0 1em} code{font-size:.9em}</style>
<main><h1>{{.Title}}</h1>
<p role="status">{{.Text}}</p>
{{if .Shows}}<p>It shows <code>{{.Shows}}</code>. This page tries again by itself.</p>{{else}}<p><a href="/jobs">All jobs</a></p>{{end}}</main></html>
`))

func unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // Who asked has gone, or may no longer ask.
	}
	routes.Refuse(w, http.StatusBadGateway, fmt.Sprintf("TensorBoard did not answer: %v", err))
}
