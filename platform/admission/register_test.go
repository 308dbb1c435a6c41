package admission

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weir-ml/weir/cluster/clustertest"
)

func TestWay(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	cases := map[string]struct {
		why     string
		options Options
		want    admissionregistration.WebhookClientConfig
	}{
		"Loopback": {
			why:  "In the same network, the API server calls where we listen.",
			want: admissionregistration.WebhookClientConfig{URL: new("https://127.0.0.1:" + port + "/s3")},
		},
		"Reach": {
			why:     "Where it sees us under another name, it calls that.",
			options: Options{Reach: "host.weir"},
			want:    admissionregistration.WebhookClientConfig{URL: new("https://host.weir:" + port + "/s3")},
		},
		"Service": {
			why:     "On a cluster, a service leads to us.",
			options: Options{Service: &Service{"weir-system", "weir", 443}},
			want: admissionregistration.WebhookClientConfig{Service: &admissionregistration.ServiceReference{
				Namespace: "weir-system", Name: "weir", Port: new(int32(443)), Path: new("/s3"),
			}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &Server{options: tc.options, listener: listener}
			if diff := cmp.Diff(tc.want, s.way(Rule{name: "s3"}, nil)); diff != "" {
				t.Errorf("%s\nway(): -want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "weir.weir-system.svc"} {
		c, err := newCertificates(host)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.check(host, time.Now()); err != nil {
			t.Errorf("%s does not believe itself: %v", host, err)
		}
		if c.check("elsewhere.svc", time.Now()) == nil {
			t.Errorf("the certificate of %s is good for another host", host)
		}
		if c.check(host, time.Now().Add(2*lifetime)) == nil {
			t.Errorf("the certificate of %s is good for ever", host)
		}
	}
}

// The pods behind a service share one certificate: the first makes it.
func TestCertificatesOfAService(t *testing.T) {
	c, err := client.New(clustertest.REST(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "weir-certificates"}}
		if err := c.Delete(context.Background(), secret); err != nil {
			t.Error(err)
		}
	})
	pod := func() *Server {
		return &Server{options: Options{Service: &Service{"default", "weir", 443}}, client: c, live: c}
	}
	first, err := pod().certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := pod().certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second, cmp.AllowUnexported(certificates{})); diff != "" {
		t.Errorf("the second pod has another: %s", diff)
	}
}
