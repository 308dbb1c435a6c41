package progress

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authorization "k8s.io/api/authorization/v1"

	"github.com/weir-ml/weir/kit/measure"
	"github.com/weir-ml/weir/platform/routes"
)

// An answer is what the route says of a job.
type answer struct {
	Kind      string          `json:"kind"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	UID       string          `json:"uid"`
	Replicas  []answerReplica `json:"replicas"`
}

type answerReplica struct {
	Name     string        `json:"name"`
	Progress *wireProgress `json:"progress,omitempty"`
	Series   []wireSeries  `json:"series"`
}

// Routes answer with the course of a job:
//
//	GET /weir/series/NAMESPACE/RESOURCE/NAME?replica=worker-0&name=loss&since=2026-11-25T10:00:00Z
//
// The resource is as kubectl has it: tfjobs. It is for those who may get the
// job. Works says when this process is the one that follows jobs. The path began
// with /progress once, and whoever asks there is answered.
func Routes(store *Store, works <-chan struct{}) []routes.Route {
	series := routes.Route{
		Owner:   "weir",
		Pattern: "GET /weir/series/{namespace}/{resource}/{name}",
		Rule: routes.May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
			resource := r.PathValue("resource")
			kind, _ := kindOf(Job{Kind: strings.TrimSuffix(resource, "s")})
			return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
				Verb: "get", Group: kind.Group, Resource: resource, Namespace: r.PathValue("namespace"), Name: r.PathValue("name"),
			}}
		}),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-works:
			default:
				http.Error(w, "another copy of the controllers leads, and follows the jobs; ask that one", http.StatusServiceUnavailable)
				return
			}
			a, code, err := answerTo(store, r)
			if err != nil {
				http.Error(w, err.Error(), code)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(a) // Who has gone needs no answer.
		}),
	}
	before := series
	before.Pattern = "GET /progress/{namespace}/{resource}/{name}"
	return []routes.Route{series, before}
}

func answerTo(store *Store, r *http.Request) (*answer, int, error) {
	resource := r.PathValue("resource")
	kind := strings.TrimSuffix(resource, "s")
	if _, ok := kindOf(Job{Kind: kind}); !ok || kind == resource {
		return nil, http.StatusNotFound, fmt.Errorf("resource %q has no progress; ask for one such as tfjobs", resource)
	}
	query := r.URL.Query()
	var since time.Time
	if text := query.Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, http.StatusBadRequest, fmt.Errorf("since=%s is no time; give one as 2026-11-25T10:00:00Z", text)
		}
	}
	course, err := store.Find(r.PathValue("namespace"), kind, r.PathValue("name"))
	if errors.Is(err, ErrUnknown) {
		return nil, http.StatusNotFound, err
	}
	if err != nil {
		return nil, http.StatusInternalServerError, err
	}
	wanted := func(parameter, value string) bool {
		return len(query[parameter]) == 0 || slices.Contains(query[parameter], value)
	}
	a := &answer{Kind: kind, Namespace: course.Job.Namespace, Name: course.Job.Name, UID: course.Job.UID, Replicas: []answerReplica{}}
	for _, replica := range course.Replicas() {
		if !wanted("replica", replica.Name) {
			continue
		}
		one := answerReplica{Name: replica.Name, Progress: newWireProgress(replica.Progress), Series: []wireSeries{}}
		for _, s := range replica.Series {
			points := slices.DeleteFunc(s.Points, func(p measure.Point) bool { return !p.Time.After(since) && !since.IsZero() })
			if wanted("name", s.Name) && len(points) > 0 {
				one.Series = append(one.Series, newWireSeries(s.Name, points))
			}
		}
		a.Replicas = append(a.Replicas, one)
	}
	return a, http.StatusOK, nil
}
