package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/weir-ml/weir/cluster/podlogs"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// A logShelf shows the logs that are kept, also those of pods that are gone.
type logShelf struct {
	store      *podlogs.Store
	namespaces core.NamespacesGetter
}

// routes lead to it, for those who may read the logs of pods in the namespace:
//
//	GET /weir/logs/NAMESPACE?labelSelector=…   or ?pod=NAME
//	GET /weir/logs/NAMESPACE/POD/UID/CONTAINER/ATTEMPT
func (s logShelf) routes() []gateway.Route {
	rule := routes.MayWithPod("get", "log")
	return []gateway.Route{
		{Owner: "weir", Pattern: "GET /weir/logs/{namespace}", Rule: rule, Handler: http.HandlerFunc(s.list)},
		{Owner: "weir", Pattern: "GET /weir/logs/{namespace}/{pod}/{uid}/{container}/{attempt}", Rule: rule, Handler: http.HandlerFunc(s.read)},
	}
}

// A keptPod is a pod of which logs are kept, as it is told.
type keptPod struct {
	Name       string          `json:"name"`
	UID        string          `json:"uid"`
	Created    time.Time       `json:"created"`
	Containers []keptContainer `json:"containers"`
}

type keptContainer struct {
	Name     string   `json:"name"`
	Attempts []uint32 `json:"attempts"`
}

// list tells of which pods logs are kept, the newest first.
func (s logShelf) list(w http.ResponseWriter, r *http.Request) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		routes.Refuse(w, http.StatusBadRequest, fmt.Sprintf("labelSelector=%s: %v", r.URL.Query().Get("labelSelector"), err))
		return
	}
	namespace := r.PathValue("namespace")
	var pods []podlogs.Pod
	if name := r.URL.Query().Get("pod"); name != "" {
		pods, err = s.store.FindNamed(namespace, name)
	} else {
		pods, err = s.store.Find(namespace, selector)
	}
	if err == nil {
		pods, err = s.ofNow(r.Context(), namespace, pods)
	}
	if err != nil {
		routes.Fail(w, err)
		return
	}
	items := []keptPod{}
	for _, p := range pods {
		logs, err := s.store.Logs(p)
		if err != nil {
			routes.Fail(w, err)
			return
		}
		item := keptPod{Name: p.Name, UID: p.UID, Created: p.Created, Containers: []keptContainer{}}
		for _, l := range logs {
			if n := len(item.Containers); n == 0 || item.Containers[n-1].Name != l.Container {
				item.Containers = append(item.Containers, keptContainer{Name: l.Container})
			}
			last := &item.Containers[len(item.Containers)-1]
			last.Attempts = append(last.Attempts, l.Attempt)
		}
		items = append(items, item)
	}
	routes.Respond(w, http.StatusOK, map[string]any{"items": items})
}

// read answers with one log: its lines after their times, as the API server has
// them.
func (s logShelf) read(w http.ResponseWriter, r *http.Request) {
	log, err := s.find(r)
	if err != nil {
		routes.Fail(w, err)
		return
	}
	if log == nil {
		routes.Refuse(w, http.StatusNotFound, fmt.Sprintf("no log of container %s of pod %s/%s is kept by that number", r.PathValue("container"), r.PathValue("namespace"), r.PathValue("pod")))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	lines := log.Read()
	defer lines.Close()
	out := bufio.NewWriter(w)
	for {
		line, ok, err := lines.Next()
		if err != nil {
			panic(http.ErrAbortHandler) // So that nobody takes it for the whole.
		}
		if !ok {
			break
		}
		tell(out, line)
	}
	for _, line := range lines.Rest() {
		tell(out, line)
	}
	_ = out.Flush() // Who has gone needs no answer.
}

func tell(out *bufio.Writer, l podlogs.Line) {
	_, _ = out.Write(l.Time.UTC().AppendFormat(out.AvailableBuffer(), time.RFC3339Nano))
	_ = out.WriteByte(' ')
	_, _ = out.WriteString(l.Text)
	_ = out.WriteByte('\n')
}

// find is the log that is asked for; nil if it is not kept.
func (s logShelf) find(r *http.Request) (*podlogs.Log, error) {
	namespace := r.PathValue("namespace")
	attempt, err := strconv.ParseUint(r.PathValue("attempt"), 10, 32)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("attempt %q is no number", r.PathValue("attempt")))
	}
	pods, err := s.store.FindNamed(namespace, r.PathValue("pod"))
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(pods, func(p podlogs.Pod) bool { return p.UID != r.PathValue("uid") })
	if pods, err = s.ofNow(r.Context(), namespace, pods); err != nil || len(pods) == 0 {
		return nil, err
	}
	logs, err := s.store.Logs(pods[0])
	for _, l := range logs {
		if l.Container == r.PathValue("container") && uint64(l.Attempt) == attempt {
			return &l, err
		}
	}
	return nil, err
}

// ofNow leaves out pods of a namespace that was of the same name before: its
// people were others. Where there is none now, only who may read the logs of all
// namespaces comes here.
func (s logShelf) ofNow(ctx context.Context, namespace string, pods []podlogs.Pod) ([]podlogs.Pod, error) {
	if len(pods) == 0 {
		return nil, nil
	}
	n, err := s.namespaces.Namespaces().Get(ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return pods, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods, func(p podlogs.Pod) bool { return p.Created.Before(n.CreationTimestamp.Time) }), nil
}
