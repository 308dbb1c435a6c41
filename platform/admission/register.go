package admission

import (
	"context"
	"fmt"
	"net"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/platform/apply"
)

// domain is what the names of our webhooks end in.
const domain = ".weir-ml.github.io"

// patience is how many seconds the API server waits for an answer: the most that
// it can be told, since on a busy machine we may take long to start.
const patience = 30

// registrations are what the API server knows of us.
var registrations = apply.Set{Name: "admission", Kinds: []schema.GroupVersionKind{
	admissionregistration.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"),
	admissionregistration.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"),
}}

// register tells the API server what to ask, where, and by whose word to
// believe that it is us.
func (s *Server) register(ctx context.Context, authority []byte) error {
	var validating []admissionregistration.ValidatingWebhook
	var mutating []admissionregistration.MutatingWebhook
	for _, r := range s.rules {
		if r.changes {
			mutating = append(mutating, s.mutating(r, authority))
		} else {
			validating = append(validating, s.validating(r, authority))
		}
	}
	var objects []client.Object
	meta := metav1.ObjectMeta{Name: "weir"}
	if len(validating) > 0 {
		objects = append(objects, &admissionregistration.ValidatingWebhookConfiguration{
			TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistration.SchemeGroupVersion.String(), Kind: "ValidatingWebhookConfiguration"},
			ObjectMeta: meta, Webhooks: validating,
		})
	}
	if len(mutating) > 0 {
		objects = append(objects, &admissionregistration.MutatingWebhookConfiguration{
			TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistration.SchemeGroupVersion.String(), Kind: "MutatingWebhookConfiguration"},
			ObjectMeta: meta, Webhooks: mutating,
		})
	}
	return registrations.Apply(ctx, s.client, objects...)
}

// Withdraw tells the API server to ask no one any more. It is for a cluster
// that goes on without us: as long as it asks, it refuses what it gets no
// answer on. Objects that were to be converted are then read as they are stored.
func Withdraw(ctx context.Context, c client.Client, conversions ...Conversion) error {
	if err := registrations.Apply(ctx, c); err != nil {
		return fmt.Errorf("withdraw admission: %w", err)
	}
	for _, conversion := range conversions {
		if err := conversion.withdraw(ctx, c); err != nil {
			return fmt.Errorf("withdraw admission: %w", err)
		}
	}
	return nil
}

func (s *Server) validating(r Rule, authority []byte) admissionregistration.ValidatingWebhook {
	return admissionregistration.ValidatingWebhook{
		Name: r.name + domain, ClientConfig: s.way(r, authority), Rules: r.matches(), ObjectSelector: r.only,
		FailurePolicy: new(admissionregistration.Fail), TimeoutSeconds: new(int32(patience)),
		SideEffects: new(admissionregistration.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
	}
}

func (s *Server) mutating(r Rule, authority []byte) admissionregistration.MutatingWebhook {
	return admissionregistration.MutatingWebhook{
		Name: r.name + domain, ClientConfig: s.way(r, authority), Rules: r.matches(), ObjectSelector: r.only,
		FailurePolicy: new(admissionregistration.Fail), TimeoutSeconds: new(int32(patience)),
		SideEffects: new(admissionregistration.SideEffectClassNoneOnDryRun), AdmissionReviewVersions: []string{"v1"},
	}
}

// matches are the requests that a rule is asked about.
func (r Rule) matches() []admissionregistration.RuleWithOperations {
	return []admissionregistration.RuleWithOperations{{
		Operations: r.operations,
		Rule: admissionregistration.Rule{
			APIGroups: []string{r.resource.Group}, APIVersions: []string{r.resource.Version}, Resources: []string{r.resource.Resource},
		},
	}}
}

// way is how the API server reaches a rule.
func (s *Server) way(r Rule, authority []byte) admissionregistration.WebhookClientConfig {
	path := r.path()
	if service := s.options.Service; service != nil {
		return admissionregistration.WebhookClientConfig{CABundle: authority, Service: &admissionregistration.ServiceReference{
			Namespace: service.Namespace, Name: service.Name, Port: &service.Port, Path: &path,
		}}
	}
	url := "https://" + s.address() + path
	return admissionregistration.WebhookClientConfig{CABundle: authority, URL: &url}
}

// address is where the API server finds us without a Service.
func (s *Server) address() string {
	if s.options.Kept != nil {
		return s.options.Kept.address()
	}
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return s.listener.Addr().String()
	}
	if s.options.Reach != "" {
		host = s.options.Reach
	}
	return net.JoinHostPort(host, port)
}
