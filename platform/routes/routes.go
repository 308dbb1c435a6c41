// Package routes serves what may be asked of the controllers over HTTP: one
// listener for all routes, and for each of them who may use it.
//
//	Prometheus ─▶ listener ─▶ who is it? (TokenReview) ─▶ may they? (SubjectAccessReview) ─▶ Route
//
// Callers say who they are by a token of the cluster, so whoever may give out
// rights in the cluster gives them out here.
package routes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// A Route is one thing that may be asked.
type Route struct {
	// Owner is the area that it belongs to.
	Owner string
	// Pattern is what http.ServeMux matches, such as "GET /metrics".
	Pattern string
	// Tree says that the pattern is one or two folders, as /api, and that what
	// lies below comes here with its path as it was sent.
	Tree bool
	// Rule says who may use it.
	Rule    *Rule
	Handler http.Handler
	// Refuse answers at the front door whom the rule does not let through, where
	// clients know other answers than the API server's; nil answers as that does.
	Refuse func(w http.ResponseWriter, r *http.Request, code int, message string)
}

// Metrics is the route where Prometheus finds the controllers' metrics. It is
// for those who may get the path /metrics, as the role system:monitoring may.
func Metrics() Route {
	return Route{
		Owner:   "weir",
		Pattern: "GET /metrics",
		Rule: May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
			return authorization.SubjectAccessReviewSpec{
				NonResourceAttributes: &authorization.NonResourceAttributes{Path: r.URL.Path, Verb: "get"},
			}
		}),
		Handler: promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{}),
	}
}

// Setup has a manager serve the routes on a listener, which it closes at its end.
func Setup(mgr ctrl.Manager, listener net.Listener, routes ...Route) error {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.Pattern, guard{r, mgr.GetClient()})
	}
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if err := mgr.Add(Server("the controllers' routes", listener, h)); err != nil {
		return fmt.Errorf("serve the controllers' routes: %w", err)
	}
	return nil
}

// Server is what a manager runs to have h serve on a listener, which it closes at
// its end. All pods answer, not only the one that leads. Errors call it what.
func Server(what string, listener net.Listener, h *http.Server) manager.Runnable {
	return &server{what, listener, h}
}

// A server serves while its manager runs.
type server struct {
	what     string
	listener net.Listener
	http     *http.Server
}

var _ manager.LeaderElectionRunnable = (*server)(nil)

// NeedLeaderElection says that all pods answer, not only the one that leads.
func (s *server) NeedLeaderElection() bool { return false }

// Start serves until the context ends.
func (s *server) Start(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s on %s: %w", s.what, s.listener.Addr(), err)
	case <-ctx.Done():
		return s.http.Close()
	}
}

// A guard lets those pass to a route who may use it.
type guard struct {
	route  Route
	client client.Client
}

func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who := &authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token}}
	if ok {
		if err := g.client.Create(ctx, who); err != nil {
			http.Error(w, fmt.Sprintf("ask the cluster whose token this is: %v", err), http.StatusServiceUnavailable)
			return
		}
	}
	if !who.Status.Authenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "no token that the cluster knows; get one with kubectl create token, and send it as Authorization: Bearer TOKEN", http.StatusUnauthorized)
		return
	}

	caller := CallerFrom(who.Status.User, token)
	if spec, ok := g.route.Rule.Review(r); ok {
		may := &authorization.SubjectAccessReview{Spec: spec}
		caller.Review(&may.Spec)
		if err := g.client.Create(ctx, may); err != nil {
			http.Error(w, fmt.Sprintf("ask the cluster what %s may: %v", caller.Name, err), http.StatusServiceUnavailable)
			return
		}
		if !may.Status.Allowed {
			http.Error(w, fmt.Sprintf("%s may not %s; a role of the cluster can allow it", caller.Name, Asked(may.Spec)), http.StatusForbidden)
			return
		}
	}
	g.route.Handler.ServeHTTP(w, r.WithContext(WithCaller(ctx, caller)))
}

// Asked is what a caller asked to do, in words.
func Asked(s authorization.SubjectAccessReviewSpec) string {
	if a := s.NonResourceAttributes; a != nil {
		return a.Verb + " " + a.Path
	}
	if a := s.ResourceAttributes; a != nil {
		return fmt.Sprintf("%s %s %s/%s", a.Verb, a.Resource, a.Namespace, a.Name)
	}
	return "do that"
}
