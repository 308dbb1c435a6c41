// Package admission looks at objects on their way into a cluster: it refuses
// what an API's own rules refuse, and completes what asks to be completed.
//
//	kubectl ─▶ API server ─(webhook, TLS)─▶ Server ─▶ Rule ─▶ refused, changed or let through
//
// The certificates are made in the process, and the API server is told of them
// when the server starts: nothing need be installed before, or renewed by hand.
package admission

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations;mutatingwebhookconfigurations,verbs=get;list;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;create;patch

// Options say where the API server finds us. The zero value is for an API server
// in the same network: a free port of the loopback.
type Options struct {
	// Listen is the address to listen on: 127.0.0.1:0 if not said, and :9443
	// with a Service.
	Listen string
	// Reach is the host that the API server calls, if it is not the one we
	// listen on.
	Reach string
	// Service is what the API server calls instead, on a cluster where we run
	// as pods. The certificates are then kept in a Secret of the service's name
	// with "-certificates" after it, so that all pods have the same.
	Service *Service
	// Kept is what an earlier run had, and the next will have; it says where to
	// listen. Without it the API server is told at the end to ask no more.
	Kept *Kept
	// Conversions are of the kinds whose versions we turn into one another. The
	// API server is told by their definitions; see Kept.Convert.
	Conversions []Conversion
}

// A Service leads to the pods we run as.
type Service struct {
	Namespace, Name string
	Port            int32
}

// A Server answers the API server's questions.
type Server struct {
	options  Options
	rules    []Rule
	listener net.Listener
	handler  http.Handler
	client   client.Client
	live     client.Reader
	ready    chan struct{}
}

// Setup adds a server to a manager, with the rules it answers by. It listens
// from now on, and answers once the manager starts.
func Setup(mgr ctrl.Manager, o Options, rules ...Rule) (*Server, error) {
	listener, err := o.listen()
	if err != nil {
		return nil, fmt.Errorf("set up admission: %w", err)
	}
	mux := http.NewServeMux()
	for _, r := range rules {
		mux.Handle(r.path(), r.hook(mgr.GetScheme()))
	}
	for _, c := range o.Conversions {
		mux.Handle(c.path(), c)
	}
	s := &Server{
		options: o, rules: rules, listener: listener, handler: mux,
		client: mgr.GetClient(), live: mgr.GetAPIReader(), ready: make(chan struct{}),
	}
	if err := mgr.Add(s); err != nil {
		return nil, fmt.Errorf("set up admission: %w", err)
	}
	return s, nil
}

func (o Options) listen() (net.Listener, error) {
	if o.Kept != nil {
		return o.Kept.listener, nil
	}
	address := o.Listen
	if address == "" {
		address = "127.0.0.1:0"
		if o.Service != nil {
			address = ":9443"
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// Ready is closed once the API server has been told to ask.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// NeedLeaderElection says that all pods answer, not only the one that leads.
func (s *Server) NeedLeaderElection() bool { return false }

// Start answers until the context ends. If nobody will answer after that, the
// API server is told so.
func (s *Server) Start(ctx context.Context) error {
	c, err := s.certificates(ctx)
	if err != nil {
		return fmt.Errorf("start admission: %w", err)
	}
	server := &http.Server{Handler: s.handler, TLSConfig: c.config(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(s.listener, "", "") }()
	defer server.Close()

	if err := s.register(ctx, c.authority); err != nil {
		return fmt.Errorf("start admission: %w", err)
	}
	for _, r := range s.rules {
		if r.begin == nil {
			continue
		}
		if err := r.begin(ctx); err != nil {
			return fmt.Errorf("start admission: %s: %w", r.name, err)
		}
	}
	close(s.ready)

	select {
	case err := <-ended:
		return fmt.Errorf("serve admission on %s: %w", s.listener.Addr(), err)
	case <-ctx.Done():
	}
	if s.options.Service != nil || s.options.Kept != nil {
		return nil
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = Withdraw(last, s.client, s.options.Conversions...) // The API server may be gone already.
	return nil
}
