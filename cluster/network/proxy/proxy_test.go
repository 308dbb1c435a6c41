package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/network/internal/apart"
	"github.com/weir-ml/weir/cluster/network/netns"
	"github.com/weir-ml/weir/cluster/network/proxy"
	"github.com/weir-ml/weir/cluster/network/relay"
)

func TestMain(m *testing.M) { os.Exit(apart.RunWithServer(m)) }

// The kernel's rules stay when a test ends, so the relay is tested before.
func TestRelay(t *testing.T) { suite(t, proxy.Relay) }

func TestKernel(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("program nft is missing: install the package nftables")
	}
	suite(t, proxy.Kernel)
}

// A world is a proxy with three pods. Each pod says its name on port 8080, over
// TCP and UDP.
type world struct {
	*testing.T
	client    kubernetes.Interface
	namespace string
	node      netip.Addr
	pods      []*network.Attachment
}

func newWorld(t *testing.T, mode proxy.Mode) *world {
	n, err := network.Start(t.Context(), network.Config{PodCIDR: netip.MustParsePrefix("10.244.0.0/16"), ServiceCIDR: netip.MustParsePrefix("10.43.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	config := clustertest.REST(t)
	w := &world{T: t, client: kubernetes.NewForConfigOrDie(config), node: n.Gateway()}
	w.serveAPI(config)
	for i, name := range []string{"a", "b", "c"} {
		a, err := n.Attach(t.Context(), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.pods = append(w.pods, a)
		w.serve(i, name)
	}

	begin := time.Now()
	p, err := proxy.Start(t.Context(), proxy.Config{
		REST: config, NodeName: "weir", NodeIP: n.Gateway(), PodCIDR: netip.MustParsePrefix("10.244.0.0/16"), Mode: mode,
		Machine: relay.Here{}, MachineIP: netip.MustParseAddr("127.9.9.9"),
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Ready():
		t.Logf("ready after %v", time.Since(begin))
	case <-time.After(20 * time.Second):
		t.Fatal("not ready after twenty seconds")
	}
	if got, err := p.Mode(); got != mode || err != nil {
		t.Fatalf("mode %s, %v, want %s", got, err, mode)
	}
	namespace, err := w.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "proxy-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.namespace = namespace.Name
	return w
}

// serveAPI makes the API server's endpoint be where it says it is: in the tests
// it listens on the loopback alone.
func (w *world) serveAPI(config *rest.Config) {
	w.Helper()
	at := netip.MustParseAddrPort(strings.TrimPrefix(config.Host, "https://"))
	l, err := net.Listen("tcp", netip.AddrPortFrom(w.node, at.Port()).String())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = l.Close() })
	go func() { _ = relay.TCP(l, relay.To(at)) }()
}

func (w *world) dialAPI() error {
	return netns.In(w.pods[0].Namespace, func() error {
		c, err := tls.Dial("tcp", "10.43.0.1:443", &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func (w *world) serve(pod int, name string) {
	w.Helper()
	err := netns.In(w.pods[pod].Namespace, func() error {
		l, err := net.Listen("tcp", ":8080")
		if err != nil {
			return err
		}
		p, err := net.ListenPacket("udp", ":8080")
		if err != nil {
			return err
		}
		w.Cleanup(func() { _, _ = l.Close(), p.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, name)
				_ = c.Close()
			}
		}()
		go func() {
			for b := make([]byte, 10); ; {
				_, from, err := p.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = p.WriteTo([]byte(name), from)
			}
		}()
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

// node is who asks when no pod does.
const node = -1

// ask returns who answers at an address.
func (w *world) ask(from int, network, address string) (who string, err error) {
	dial := func() error {
		c, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if network == "udp" {
			if _, err := c.Write([]byte("?")); err != nil {
				return err
			}
		}
		b := make([]byte, 10)
		n, err := c.Read(b)
		who = string(b[:n])
		return err
	}
	if from == node {
		return who, dial()
	}
	err = netns.In(w.pods[from].Namespace, dial)
	return who, err
}

// eventually asks until everyone of want has answered, and nobody else does.
func (w *world) eventually(from int, network, address, want string) {
	w.Helper()
	var seen string
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		missing := want
		seen = ""
		for range 40 {
			var who string
			who, err = w.ask(from, network, address)
			seen += who
			if err != nil || !strings.Contains(want, who) {
				break
			}
			missing = strings.ReplaceAll(missing, who, "")
			if missing == "" && len(seen) >= 4*len(want) {
				return
			}
		}
	}
	w.Errorf("%s %s answered by %q, %v, want by each of %q", network, address, seen, err, want)
}

// refused asks until nobody listens.
func (w *world) refused(from int, network, address string) {
	w.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err = w.ask(from, network, address); err != nil && strings.Contains(err.Error(), "connection refused") {
			return
		}
	}
	w.Errorf("%s %s: %v, want that it is refused", network, address, err)
}

func (w *world) service(name, ip string, change func(*corev1.ServiceSpec)) {
	w.Helper()
	spec := corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{
		{Name: "tcp", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(8080)},
		{Name: "udp", Protocol: corev1.ProtocolUDP, Port: 80, TargetPort: intstr.FromInt32(8080)},
	}}
	if change != nil {
		change(&spec)
	}
	w.create(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
}

func (w *world) create(s *corev1.Service) {
	w.Helper()
	services := w.client.CoreV1().Services(w.namespace)
	if _, err := services.Create(w.Context(), s, metav1.CreateOptions{}); err != nil {
		w.Fatal(err)
	}
	// Its address is wanted again when the other mode is tested.
	w.Cleanup(func() { _ = services.Delete(context.Background(), s.Name, metav1.DeleteOptions{}) })
}

// endpoints says which pods are behind a service: "a-c" is the first and the
// third, and the second is not ready.
func (w *world) endpoints(service, pods string) {
	w.Helper()
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{
			{Name: ptr.To("tcp"), Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To[int32](8080)},
			{Name: ptr.To("udp"), Protocol: ptr.To(corev1.ProtocolUDP), Port: ptr.To[int32](8080)},
		},
	}
	for i, p := range pods {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{w.pods[i].IP.String()}, NodeName: ptr.To("weir"),
			Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(p != '-'), Serving: ptr.To(p != '-')},
		})
	}
	slices := w.client.DiscoveryV1().EndpointSlices(w.namespace)
	_, err := slices.Update(w.Context(), slice, metav1.UpdateOptions{})
	if err != nil {
		_, err = slices.Create(w.Context(), slice, metav1.CreateOptions{})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// suite is what both ways of leading services to pods must do.
func suite(t *testing.T, mode proxy.Mode) {
	w := newWorld(t, mode)
	run := func(name string, test func(w *world)) {
		t.Run(name, func(t *testing.T) {
			inner := *w
			inner.T = t
			test(&inner)
		})
	}

	run("KubernetesFromAPod", func(w *world) {
		// Its endpoint is written some time after the API server is ready.
		var err error
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if err = w.dialAPI(); err == nil {
				return
			}
		}
		w.Error(err)
	})
	run("ServiceIsSpreadOverItsPods", func(w *world) {
		w.service("web", "10.43.30.1", nil)
		w.endpoints("web", "abc")
		for _, network := range []string{"tcp", "udp"} {
			w.eventually(0, network, "10.43.30.1:80", "abc")
			w.eventually(node, network, "10.43.30.1:80", "abc")
		}
		w.refused(0, "tcp", "10.43.30.1:81")
	})
	run("OnlyPodsThatAreReady", func(w *world) {
		w.service("some", "10.43.30.2", nil)
		w.endpoints("some", "a-c")
		w.eventually(1, "tcp", "10.43.30.2:80", "ac")
		w.endpoints("some", "--c")
		w.eventually(1, "tcp", "10.43.30.2:80", "c")
		w.eventually(1, "udp", "10.43.30.2:80", "c")
	})
	run("PodReachesItselfThroughItsService", func(w *world) {
		w.service("self", "10.43.30.3", nil)
		w.endpoints("self", "a")
		w.eventually(0, "tcp", "10.43.30.3:80", "a")
		w.eventually(0, "udp", "10.43.30.3:80", "a")
	})
	run("ServiceWithoutPodsRefuses", func(w *world) {
		w.service("none", "10.43.30.4", nil)
		w.endpoints("none", "---")
		w.refused(0, "tcp", "10.43.30.4:80")
		w.refused(node, "tcp", "10.43.30.4:80")
		w.endpoints("none", "-b")
		w.eventually(0, "tcp", "10.43.30.4:80", "b")
		w.endpoints("none", "--")
		w.refused(0, "tcp", "10.43.30.4:80")
	})
	run("AddressWithoutServiceRefuses", func(w *world) {
		w.refused(0, "tcp", "10.43.30.99:80")
		w.refused(node, "tcp", "10.43.30.99:80")
	})
	run("ClientStaysWithItsPod", func(w *world) {
		w.service("sticky", "10.43.30.5", func(s *corev1.ServiceSpec) { s.SessionAffinity = corev1.ServiceAffinityClientIP })
		w.endpoints("sticky", "abc")
		var first string
		for deadline := time.Now().Add(10 * time.Second); first == "" && time.Now().Before(deadline); {
			first, _ = w.ask(1, "tcp", "10.43.30.5:80")
		}
		for range 20 {
			if who, err := w.ask(1, "tcp", "10.43.30.5:80"); err != nil || who != first {
				w.Fatalf("answered by %q, %v, and by %q before", who, err, first)
			}
		}
	})
	run("PortOfTheNode", func(w *world) {
		w.service("outward", "10.43.30.6", func(s *corev1.ServiceSpec) {
			s.Type = corev1.ServiceTypeNodePort
			s.Ports[0].NodePort, s.Ports[1].NodePort = 30080, 30080
		})
		w.endpoints("outward", "ab")
		for _, network := range []string{"tcp", "udp"} {
			w.eventually(2, network, w.node.String()+":30080", "ab")
			w.eventually(node, network, w.node.String()+":30080", "ab")
			w.eventually(2, network, "10.43.30.6:80", "ab")
		}
		// And of the machine, from where people call.
		w.eventually(node, "tcp", "127.9.9.9:30080", "ab")
		w.eventually(node, "udp", "127.9.9.9:30080", "ab")
	})
	run("FlowOfDatagramsMovesOn", func(w *world) {
		w.service("flow", "10.43.30.7", nil)
		w.endpoints("flow", "a")
		w.eventually(1, "udp", "10.43.30.7:80", "a")
		err := netns.In(w.pods[1].Namespace, func() error {
			c, err := net.Dial("udp", "10.43.30.7:80")
			if err != nil {
				return err
			}
			defer c.Close()
			say := func() string {
				_, _ = c.Write([]byte("?"))
				_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				b := make([]byte, 10)
				n, _ := c.Read(b)
				return string(b[:n])
			}
			if who := say(); who != "a" {
				return fmt.Errorf("answered by %q, want by a", who)
			}
			w.endpoints("flow", "-b")
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				if say() == "b" {
					return nil
				}
			}
			return errors.New("the flow still goes to a pod that is not ready")
		})
		if err != nil {
			w.Error(err)
		}
	})
	run("ServiceThatIsDeletedRefuses", func(w *world) {
		w.service("short", "10.43.30.8", nil)
		w.endpoints("short", "a")
		w.eventually(1, "tcp", "10.43.30.8:80", "a")
		if err := w.client.CoreV1().Services(w.namespace).Delete(w.Context(), "short", metav1.DeleteOptions{}); err != nil {
			w.Fatal(err)
		}
		w.refused(1, "tcp", "10.43.30.8:80")
	})
	run("ServiceOfAnotherProxy", func(w *world) {
		w.create(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "theirs", Labels: map[string]string{"service.kubernetes.io/service-proxy-name": "none"}},
			Spec:       corev1.ServiceSpec{ClusterIP: "10.43.30.9", Ports: []corev1.ServicePort{{Port: 80}}},
		})
		// Who listens at the address itself is reached, as DNS is.
		l, err := net.Listen("tcp", "10.43.30.9:80")
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "n")
				_ = c.Close()
			}
		}()
		w.eventually(0, "tcp", "10.43.30.9:80", "n")
		w.eventually(node, "tcp", "10.43.30.9:80", "n")
	})
}
