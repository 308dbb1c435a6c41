package dns

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

// Announce makes the Service kube-system/kube-dns, by which people and programs
// find the name server, and which keeps its address from being given to another.
// The server listens on that address itself, so the label tells service proxies
// to leave it alone.
func Announce(ctx context.Context, client kubernetes.Interface, address netip.Addr) error {
	// It is looked for first: of two that want one address, the second is told
	// that the address is taken, and not that the service exists.
	services := client.CoreV1().Services(metav1.NamespaceSystem)
	_, err := services.Get(ctx, "kube-dns", metav1.GetOptions{})
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("get service kube-system/kube-dns: %w", err)
	}
	port := func(name string, protocol corev1.Protocol) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Protocol: protocol, Port: 53, TargetPort: intstr.FromInt32(53)}
	}
	_, err = services.Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: "kube-dns",
			Labels: map[string]string{
				"k8s-app":                                  "kube-dns",
				"kubernetes.io/cluster-service":            "true",
				"kubernetes.io/name":                       "CoreDNS",
				"service.kubernetes.io/service-proxy-name": "none",
			},
		},
		Spec: corev1.ServiceSpec{
			ClusterIP: address.String(),
			Ports:     []corev1.ServicePort{port("dns", corev1.ProtocolUDP), port("dns-tcp", corev1.ProtocolTCP)},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create service kube-system/kube-dns: %w", err)
	}
	return nil
}
