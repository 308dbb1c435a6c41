package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
)

const (
	service   = "metrics-server"
	namespace = metav1.NamespaceSystem
	// Host is what Serving must be a certificate for.
	Host = service + "." + namespace + ".svc"
)

// announce tells the API server where metrics are served: by a Service without
// pods, an EndpointSlice that names this process, and an APIService.
func announce(ctx context.Context, c Config, at netip.AddrPort) error {
	core, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return err
	}
	groups, err := aggregator.NewForConfig(withJSON(c.REST))
	if err != nil {
		return err
	}
	if err := apply(ctx, core.CoreV1().RESTClient(), "services", &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service, Labels: map[string]string{"k8s-app": service}},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 443, Protocol: corev1.ProtocolTCP}}},
	}); err != nil {
		return err
	}
	https, port, tcp, ready := "https", int32(at.Port()), corev1.ProtocolTCP, true
	if err := apply(ctx, core.DiscoveryV1().RESTClient(), "endpointslices", &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "weir"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{at.Addr().String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
		Ports:       []discoveryv1.EndpointPort{{Name: &https, Port: &port, Protocol: &tcp}},
	}); err != nil {
		return err
	}
	want := &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: "v1beta1.metrics.k8s.io"},
		Spec: apiregistrationv1.APIServiceSpec{
			Group: "metrics.k8s.io", Version: "v1beta1", GroupPriorityMinimum: 100, VersionPriority: 100,
			Service:  &apiregistrationv1.ServiceReference{Namespace: namespace, Name: service},
			CABundle: c.Authority.CertPEM(),
		},
	}
	_, err = groups.ApiregistrationV1().APIServices().Create(ctx, want, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("announce metrics.k8s.io: %w", err)
	}
	return nil
}

// withJSON is the same way to the API server, in the one format that every
// client of it knows.
func withJSON(c *rest.Config) *rest.Config {
	c = rest.CopyConfig(c)
	c.ContentType, c.AcceptContentTypes = "application/json", "application/json"
	return c
}

// apply makes an object of the system's namespace what it should be; the port
// differs from one start to the next.
func apply(ctx context.Context, client rest.Interface, resource string, object metav1.Object) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	err = client.Patch(types.ApplyPatchType).Namespace(object.GetNamespace()).Resource(resource).Name(object.GetName()).
		Param("fieldManager", "weir").Param("force", "true").Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("announce metrics: %s %s: %w", resource, object.GetName(), err)
	}
	return nil
}
