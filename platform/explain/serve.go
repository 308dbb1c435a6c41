package explain

import (
	"context"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/routes"
)

// An answer is what the route says of an object.
type answer struct {
	Object   answerObject `json:"object"` // what it is about: often what holds up what was asked for
	State    State        `json:"state"`
	Moving   bool         `json:"moving"` // whether nobody need do anything
	Reason   string       `json:"reason"`
	Sentence string       `json:"sentence"`
	Remedy   string       `json:"remedy,omitempty"`
	Facts    []string     `json:"facts,omitempty"`
}

type answerObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// A Serving is what the route is made from.
type Serving struct {
	REST   *rest.Config // reaches the API server for whoever asks
	Scheme *runtime.Scheme
	Mapper meta.RESTMapper
	// Logs reads the last lines of containers, through the caller's client.
	Logs func(kubernetes.Interface) Logs
}

// Route answers why an object is not moving:
//
//	GET /weir/explain?apiVersion=kubeflow.org/v1&kind=TFJob&namespace=default&name=mnist
//
// All is read with the rights of who asks, who learns nothing that the API server
// would not tell them.
func Route(s Serving) routes.Route {
	return routes.Route{
		Owner: "weir", Pattern: "GET /weir/explain", Rule: routes.OwnRights,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, err := s.explain(r)
			if err != nil {
				routes.Fail(w, err)
				return
			}
			routes.Respond(w, http.StatusOK, e)
		}),
	}
}

func (s Serving) explain(r *http.Request) (*answer, error) {
	q := r.URL.Query()
	for _, needed := range []string{"apiVersion", "kind", "name"} {
		if q.Get(needed) == "" {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("%s is missing: ask as ?apiVersion=kubeflow.org/v1&kind=TFJob&namespace=default&name=mnist", needed))
		}
	}
	version, err := schema.ParseGroupVersion(q.Get("apiVersion"))
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("apiVersion=%s: %v", q.Get("apiVersion"), err))
	}
	source, err := s.source(r.Context())
	if err != nil {
		return nil, err
	}
	e, err := Of(r.Context(), source, version.WithKind(q.Get("kind")), q.Get("namespace"), q.Get("name"))
	if meta.IsNoMatchError(err) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("there is no kind %s in %s", q.Get("kind"), version))
	}
	if err != nil {
		return nil, err
	}
	return &answer{
		Object: answerObject{e.Object.Kind, e.Object.Namespace, e.Object.Name},
		State:  e.State, Moving: e.State == Moving || e.State == Done,
		Reason: e.Reason, Sentence: e.Sentence, Remedy: e.Remedy, Facts: e.Facts,
	}, nil
}

// source reads as whoever asks.
func (s Serving) source(ctx context.Context) (Source, error) {
	config := routes.CallerOf(ctx).Config(s.REST)
	reader, err := client.New(config, client.Options{Scheme: s.Scheme, Mapper: s.Mapper})
	if err != nil {
		return Source{}, fmt.Errorf("read as who asks: %w", err)
	}
	source := Source{Reader: reader, Mapper: s.Mapper}
	if s.Logs != nil {
		core, err := kubernetes.NewForConfig(config)
		if err != nil {
			return Source{}, fmt.Errorf("read as who asks: %w", err)
		}
		source.Logs = s.Logs(core)
	}
	return source, nil
}
