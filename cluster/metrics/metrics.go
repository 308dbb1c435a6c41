// Package metrics serves metrics.k8s.io: how much cpu and memory pods and the
// node use. kubectl top and autoscalers ask for it.
//
//	kubectl top ─▶ API server ─▶ this server ─▶ runtime (pods), kernel (node)
//
// Use is a rate, so it takes two looks. They are taken when somebody asks. Only what
// the whole node uses is looked at by itself, once a minute, for its last hour.
package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/weir-ml/weir/cluster/pki"
)

// Stats are what the container runtime measures.
type Stats interface {
	ListPodSandboxStats(ctx context.Context, filter *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error)
}

// A Config says what to measure and how the API server finds the server.
type Config struct {
	REST     *rest.Config
	Stats    Stats
	NodeName string
	// Address is one that the API server reaches; the port is any free one.
	Address netip.Addr
	Serving pki.Pair
	// Authority has signed Serving; FrontProxy signs who may ask: the API
	// server, which has looked before whether its user may.
	Authority, FrontProxy *pki.Authority
	// History is filled while the server runs; nil is for nobody.
	History *History
}

// Start serves until ctx ends.
func Start(ctx context.Context, c Config) error {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(c.Address, 0).String())
	if err != nil {
		return fmt.Errorf("start metrics: %w", err)
	}
	certificate, err := tls.LoadX509KeyPair(c.Serving.CertFile, c.Serving.KeyFile)
	if err != nil {
		return fmt.Errorf("start metrics: %w", err)
	}
	askers := x509.NewCertPool()
	askers.AppendCertsFromPEM(c.FrontProxy.CertPEM())

	s := &server{meter: newMeter(c.Stats, time.Now), node: c.NodeName}
	http := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			ClientCAs:    askers, ClientAuth: tls.RequireAndVerifyClientCert,
			MinVersion: tls.VersionTLS12,
		},
	}
	go func() { _ = http.ServeTLS(listener, "", "") }() // ends when it is closed
	context.AfterFunc(ctx, func() { _ = http.Close() })
	if err := announce(ctx, c, listener.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		return fmt.Errorf("start metrics: %w", err)
	}
	if c.History != nil {
		go c.History.follow(ctx)
	}
	return nil
}

// A server answers questions about one node.
type server struct {
	meter *meter
	node  string
}

const root = "/apis/metrics.k8s.io/v1beta1"

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root, s.resources)
	mux.HandleFunc("GET "+root+"/nodes", s.nodes)
	mux.HandleFunc("GET "+root+"/nodes/{name}", s.oneNode)
	mux.HandleFunc("GET "+root+"/pods", s.pods)
	mux.HandleFunc("GET "+root+"/namespaces/{namespace}/pods", s.pods)
	mux.HandleFunc("GET "+root+"/namespaces/{namespace}/pods/{name}", s.onePod)
	return mux
}

func (s *server) resources(w http.ResponseWriter, _ *http.Request) {
	answer(w, &metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: "metrics.k8s.io/v1beta1",
		APIResources: []metav1.APIResource{
			{Name: "nodes", Kind: "NodeMetrics", Verbs: metav1.Verbs{"get", "list"}},
			{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: metav1.Verbs{"get", "list"}},
		},
	})
}

func (s *server) nodes(w http.ResponseWriter, r *http.Request) {
	use, err := s.nodeUse(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, &metricsv1beta1.NodeMetricsList{TypeMeta: kind("NodeMetricsList"), Items: []metricsv1beta1.NodeMetrics{*use}})
}

func (s *server) oneNode(w http.ResponseWriter, r *http.Request) {
	if name := r.PathValue("name"); name != s.node {
		refuse(w, apierrors.NewNotFound(schema.GroupResource{Group: "metrics.k8s.io", Resource: "nodes"}, name))
		return
	}
	use, err := s.nodeUse(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, use)
}

func (s *server) nodeUse(ctx context.Context) (*metricsv1beta1.NodeMetrics, error) {
	u, err := s.meter.use(ctx)
	if err != nil {
		return nil, err
	}
	return &metricsv1beta1.NodeMetrics{
		TypeMeta:   kind("NodeMetrics"),
		ObjectMeta: metav1.ObjectMeta{Name: s.node, Labels: map[string]string{"kubernetes.io/hostname": s.node}},
		Timestamp:  metav1.NewTime(u.at), Window: metav1.Duration{Duration: u.window}, Usage: u.node.resources(),
	}, nil
}

func (s *server) pods(w http.ResponseWriter, r *http.Request) {
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		refuse(w, apierrors.NewBadRequest(fmt.Sprintf("labelSelector: %v", err)))
		return
	}
	u, err := s.meter.use(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	list := &metricsv1beta1.PodMetricsList{TypeMeta: kind("PodMetricsList"), Items: []metricsv1beta1.PodMetrics{}}
	for _, p := range u.pods {
		if namespace := r.PathValue("namespace"); (namespace == "" || namespace == p.namespace) && selector.Matches(labels.Set(p.labels)) {
			list.Items = append(list.Items, p.metrics(u))
		}
	}
	answer(w, list)
}

func (s *server) onePod(w http.ResponseWriter, r *http.Request) {
	u, err := s.meter.use(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	for _, p := range u.pods {
		if p.namespace == r.PathValue("namespace") && p.name == r.PathValue("name") {
			one := p.metrics(u)
			answer(w, &one)
			return
		}
	}
	refuse(w, apierrors.NewNotFound(schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}, r.PathValue("name")))
}

func kind(name string) metav1.TypeMeta {
	return metav1.TypeMeta{Kind: name, APIVersion: metricsv1beta1.SchemeGroupVersion.String()}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // who has hung up needs no answer
}

func refuse(w http.ResponseWriter, err error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		status = apierrors.NewInternalError(err)
	}
	body := status.Status()
	body.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(body.Code))
	_ = json.NewEncoder(w).Encode(body)
}
