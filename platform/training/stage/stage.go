// Package stage is where the stories of training's tests are played: a namespace
// on a real API server, in which a test runs controllers. There is no node: pods
// do what the test says.
package stage

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/weir-ml/weir/platform/apply"
)

// A Setting is what a stage is made of.
type Setting struct {
	// Config reaches the API server.
	Config *rest.Config
	// Kinds are the definitions of kinds that it should serve, in YAML.
	Kinds [][]byte
	// Schemes add the types that the test reads and writes, besides Kubernetes'
	// own.
	Schemes []func(*runtime.Scheme) error
	// Namespace is how the namespace's name begins. If Named, it is the name, and
	// it may be there already.
	Namespace string
	Named     bool
}

// A Stage is a namespace, and whoever uses it.
type Stage struct {
	*testing.T
	Client    client.Client
	Config    *rest.Config
	Namespace string
	setting   Setting
}

func (s Setting) scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range append([]func(*runtime.Scheme) error{clientgoscheme.AddToScheme}, s.Schemes...) {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// New makes a namespace in which pods are admitted.
func New(t *testing.T, s Setting) *Stage {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	if err := apply.Kinds(t.Context(), s.Config, s.Kinds...); err != nil {
		t.Fatal(err)
	}
	scheme, err := s.scheme()
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(s.Config)
	config.ContentType = "" // Clients choose by kind.
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: s.Namespace + "-"}}
	if s.Named {
		ns.ObjectMeta = metav1.ObjectMeta{Name: s.Namespace}
	}
	if err := c.Create(t.Context(), ns); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	st := &Stage{T: t, Client: c, Config: config, Namespace: ns.Name, setting: s}
	st.Until("the service account", func() bool { return st.Get("default", &corev1.ServiceAccount{}) == nil })
	return st
}

// In is the same stage, on which another test plays.
func (s *Stage) In(t *testing.T) *Stage {
	other := *s
	other.T = t
	return &other
}

// Manager is a manager of controllers, which serves no metrics. Each has its own
// scheme: while one is set up it is written.
func (s *Stage) Manager(o ctrl.Options) (ctrl.Manager, error) {
	scheme, err := s.setting.scheme()
	if err != nil {
		return nil, err
	}
	o.Scheme, o.Metrics = scheme, metricsserver.Options{BindAddress: "0"}
	return ctrl.NewManager(s.Config, o)
}

// Play runs the controllers that setUp adds to a manager, until the test ends or
// stop is called.
func (s *Stage) Play(setUp func(ctrl.Manager) error) (stop func()) {
	s.Helper()
	mgr, err := s.Manager(ctrl.Options{})
	if err != nil {
		s.Fatal(err)
	}
	if err := setUp(mgr); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.Context())) // The test's own ends before its clean-up.
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("manager: %v", err)
		}
	}
	s.Cleanup(stop)
	return stop
}

// Until waits for a fact.
func (s *Stage) Until(what string, fact func() bool) {
	s.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !fact(); <-tick.C {
		if time.Now().After(deadline) {
			s.Fatalf("waited two minutes for %s", what)
		}
	}
}

// Create makes an object in the namespace.
func (s *Stage) Create(o client.Object) {
	s.Helper()
	o.SetNamespace(s.Namespace)
	if err := s.Client.Create(s.Context(), o); err != nil {
		s.Fatal(err)
	}
}

// Get reads an object of the namespace.
func (s *Stage) Get(name string, o client.Object) error {
	return s.Client.Get(s.Context(), client.ObjectKey{Namespace: s.Namespace, Name: name}, o)
}

// Pod reads a pod once it is there.
func (s *Stage) Pod(name string) *corev1.Pod {
	s.Helper()
	p := &corev1.Pod{}
	s.Until("pod "+name, func() bool { return s.Get(name, p) == nil })
	return p
}

// SetPod changes what a pod, once it is there, says of itself.
func (s *Stage) SetPod(name string, edit func(*corev1.PodStatus)) {
	s.Helper()
	p := s.Pod(name)
	before := p.DeepCopy()
	edit(&p.Status)
	if err := s.Client.Status().Patch(s.Context(), p, client.MergeFrom(before)); err != nil {
		s.Fatal(err)
	}
}

// PodsOf are the pods of the namespace with labels.
func (s *Stage) PodsOf(labels map[string]string) []corev1.Pod {
	s.Helper()
	var list corev1.PodList
	if err := s.Client.List(s.Context(), &list, client.InNamespace(s.Namespace), client.MatchingLabels(labels)); err != nil {
		s.Fatal(err)
	}
	return list.Items
}

// An Occurrence is an event as users see it.
type Occurrence struct{ Type, Reason, Message string }

// Normal is an event that tells of something that should happen.
func Normal(reason, message string) Occurrence {
	return Occurrence{Type: corev1.EventTypeNormal, Reason: reason, Message: message}
}

// Warning is an event that tells of something that should not.
func Warning(reason, message string) Occurrence {
	return Occurrence{Type: corev1.EventTypeWarning, Reason: reason, Message: message}
}

// Events are those of an object, said once however often they happened. What the
// scheduler says of having no node is left out.
func (s *Stage) Events(kind, name string) map[Occurrence]bool {
	s.Helper()
	var list corev1.EventList
	if err := s.Client.List(s.Context(), &list, client.InNamespace(s.Namespace)); err != nil {
		s.Fatal(err)
	}
	all := map[Occurrence]bool{}
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name && e.Reason != "Unschedulable" {
			all[Occurrence{Type: e.Type, Reason: e.Reason, Message: e.Message}] = true
		}
	}
	return all
}
