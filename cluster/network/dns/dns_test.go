package dns_test

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	miekg "github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/network/dns"
	"github.com/weir-ml/weir/cluster/network/internal/apart"
)

func TestMain(m *testing.M) { os.Exit(apart.RunWithServer(m)) }

var (
	address = netip.MustParseAddr("10.43.0.10")
	outside = netip.MustParseAddr("127.0.0.53")
)

// start starts a server, beside another that knows the rest of the world.
func start(t *testing.T) kubernetes.Interface {
	t.Helper()
	_, err := network.Start(t.Context(), network.Config{PodCIDR: netip.MustParsePrefix("10.244.0.0/16"), ServiceCIDR: netip.MustParsePrefix("10.43.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	worldwide(t)
	config := clustertest.REST(t)
	s, err := dns.Start(t.Context(), dns.Config{REST: config, Address: address, Domain: "cluster.local", Forward: []string{outside.String() + ":53"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { <-s.Done() })
	begin := time.Now()
	select {
	case <-s.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("DNS does not know the cluster after ten seconds")
	}
	t.Logf("knows the cluster after %v", time.Since(begin))
	return kubernetes.NewForConfigOrDie(config)
}

// worldwide knows one name.
func worldwide(t *testing.T) {
	t.Helper()
	packets, err := net.ListenPacket("udp", outside.String()+":53")
	if err != nil {
		t.Fatal(err)
	}
	s := &miekg.Server{PacketConn: packets, Handler: miekg.HandlerFunc(func(w miekg.ResponseWriter, q *miekg.Msg) {
		m := new(miekg.Msg).SetReply(q)
		m.RecursionAvailable = true
		if q.Question[0].Name != "example.org." {
			m.Rcode = miekg.RcodeNameError
		} else if a, err := miekg.NewRR("example.org. 60 IN A 203.0.113.9"); err == nil && q.Question[0].Qtype == miekg.TypeA {
			m.Answer = []miekg.RR{a}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
}

// ask returns the code of the answer, and its records without their times.
func ask(t *testing.T, network, name string, kind uint16) (code string, records []string) {
	t.Helper()
	client := miekg.Client{Net: network, Timeout: 5 * time.Second}
	answer, _, err := client.Exchange(new(miekg.Msg).SetQuestion(name, kind), address.String()+":53")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range answer.Answer {
		fields := strings.Fields(r.String())
		records = append(records, strings.Join(append([]string{fields[0]}, fields[3:]...), " "))
	}
	slices.Sort(records)
	return miekg.RcodeToString[answer.Rcode], records
}

// eventually asks until the answer is as wanted.
func eventually(t *testing.T, name string, kind uint16, wantCode string, want ...string) {
	t.Helper()
	slices.Sort(want)
	var code string
	var got []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if code, got = ask(t, "udp", name, kind); code == wantCode && slices.Equal(got, want) {
			return
		}
	}
	t.Errorf("%s: %s, records -want +got:\n%s", name, code, cmp.Diff(want, got))
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// replica is a pod that runs, as the kubelet would say.
func replica(t *testing.T, client kubernetes.Interface, namespace, name, ip string, ready bool) {
	t.Helper()
	pods := client.CoreV1().Pods(namespace)
	pod := must[*corev1.Pod](t)(pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"job": "digits"}},
		Spec: corev1.PodSpec{
			Hostname: name, Subdomain: "digits", NodeName: "weir",
			Containers: []corev1.Container{{Name: "tensorflow", Image: "tensorflow"}},
		},
	}, metav1.CreateOptions{}))
	condition := corev1.ConditionFalse
	if ready {
		condition = corev1.ConditionTrue
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: condition}},
	}
	must[*corev1.Pod](t)(pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}))
}

// awaitServiceAccount waits for what every pod needs, and a namespace gets soon.
func awaitServiceAccount(t *testing.T, client kubernetes.Interface, namespace string) {
	t.Helper()
	for {
		_, err := client.CoreV1().ServiceAccounts(namespace).Get(t.Context(), "default", metav1.GetOptions{})
		if err == nil {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestNames(t *testing.T) {
	client := start(t)
	namespace := must[*corev1.Namespace](t)(client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "dns-"}}, metav1.CreateOptions{})).Name
	// A pod counts where its node is known.
	must[*corev1.Node](t)(client.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "weir"}}, metav1.CreateOptions{}))
	awaitServiceAccount(t, client, namespace)
	services := client.CoreV1().Services(namespace)
	create := func(name string, spec corev1.ServiceSpec) {
		t.Helper()
		must[*corev1.Service](t)(services.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{}))
	}
	in := func(name string) string { return name + "." + namespace + ".svc.cluster.local." }

	t.Run("ItsOwnService", func(t *testing.T) {
		for range 2 { // the second time it is there
			if err := dns.Announce(t.Context(), client, address); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "kube-dns.kube-system.svc.cluster.local.", miekg.TypeA, "NOERROR", "kube-dns.kube-system.svc.cluster.local. A 10.43.0.10")
	})
	t.Run("KubernetesItself", func(t *testing.T) {
		eventually(t, "kubernetes.default.svc.cluster.local.", miekg.TypeA, "NOERROR", "kubernetes.default.svc.cluster.local. A 10.43.0.1")
		eventually(t, "1.0.43.10.in-addr.arpa.", miekg.TypePTR, "NOERROR", "1.0.43.10.in-addr.arpa. PTR kubernetes.default.svc.cluster.local.")
	})
	t.Run("Service", func(t *testing.T) {
		create("web", corev1.ServiceSpec{ClusterIP: "10.43.20.1", Ports: []corev1.ServicePort{{Name: "http", Port: 80}}})
		eventually(t, in("web"), miekg.TypeA, "NOERROR", in("web")+" A 10.43.20.1")
		eventually(t, in("web"), miekg.TypeAAAA, "NOERROR")
		eventually(t, "_http._tcp."+in("web"), miekg.TypeSRV, "NOERROR", "_http._tcp."+in("web")+" SRV 0 100 80 "+in("web"))
		if code, records := ask(t, "tcp", in("web"), miekg.TypeA); code != "NOERROR" || len(records) != 1 {
			t.Errorf("over TCP: %s, %v", code, records)
		}
	})
	t.Run("ReplicasOfAJob", func(t *testing.T) {
		replica(t, client, namespace, "chief-0", "10.244.9.1", true)
		replica(t, client, namespace, "worker-0", "10.244.9.2", false)
		create("digits", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"job": "digits"}, Ports: []corev1.ServicePort{{Name: "grpc", Port: 2222}}})
		eventually(t, in("digits"), miekg.TypeA, "NOERROR", in("digits")+" A 10.244.9.1")
		eventually(t, in("chief-0.digits"), miekg.TypeA, "NOERROR", in("chief-0.digits")+" A 10.244.9.1")
		eventually(t, in("worker-0.digits"), miekg.TypeA, "NXDOMAIN")
		eventually(t, "_grpc._tcp."+in("digits"), miekg.TypeSRV, "NOERROR", "_grpc._tcp."+in("digits")+" SRV 0 100 2222 "+in("chief-0.digits"))
		eventually(t, "1.9.244.10.in-addr.arpa.", miekg.TypePTR, "NOERROR", "1.9.244.10.in-addr.arpa. PTR "+in("chief-0.digits"))
	})
	t.Run("ReplicasThatAreNotReady", func(t *testing.T) {
		create("early", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"job": "digits"}, PublishNotReadyAddresses: true, Ports: []corev1.ServicePort{{Port: 2222}}})
		eventually(t, in("early"), miekg.TypeA, "NOERROR", in("early")+" A 10.244.9.1", in("early")+" A 10.244.9.2")
	})
	t.Run("NamesThatDoNotExistYet", func(t *testing.T) {
		// A peer asks, is told no, and finds it as soon as it is there.
		if code, _ := ask(t, "udp", in("late"), miekg.TypeA); code != "NXDOMAIN" {
			t.Errorf("%s before it exists", code)
		}
		create("late", corev1.ServiceSpec{ClusterIP: "10.43.20.2", Ports: []corev1.ServicePort{{Port: 80}}})
		begin := time.Now()
		eventually(t, in("late"), miekg.TypeA, "NOERROR", in("late")+" A 10.43.20.2")
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("found %v after it was created: somebody remembers that it did not exist", took)
		}
		if err := services.Delete(t.Context(), "late", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, in("late"), miekg.TypeA, "NXDOMAIN")
	})
	t.Run("Pod", func(t *testing.T) {
		name := "10-244-9-1." + namespace + ".pod.cluster.local."
		eventually(t, name, miekg.TypeA, "NOERROR", name+" A 10.244.9.1")
	})
	t.Run("ServiceThatIsElsewhere", func(t *testing.T) {
		create("elsewhere", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"})
		eventually(t, in("elsewhere"), miekg.TypeA, "NOERROR", "example.org. A 203.0.113.9", in("elsewhere")+" CNAME example.org.")
	})
	t.Run("WithoutAController", func(t *testing.T) {
		create("byhand", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 80}}})
		must[*discoveryv1.EndpointSlice](t)(client.DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: "byhand", Labels: map[string]string{discoveryv1.LabelServiceName: "byhand"}},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.7"}}},
		}, metav1.CreateOptions{}))
		eventually(t, in("byhand"), miekg.TypeA, "NOERROR", in("byhand")+" A 192.0.2.7")
	})
	t.Run("RestOfTheWorld", func(t *testing.T) {
		eventually(t, "example.org.", miekg.TypeA, "NOERROR", "example.org. A 203.0.113.9")
		eventually(t, "nowhere.example.", miekg.TypeA, "NXDOMAIN")
		eventually(t, "example.org."+namespace+".svc.cluster.local.", miekg.TypeA, "NXDOMAIN")
	})
	t.Run("NoQuestionForUs", func(t *testing.T) {
		q := new(miekg.Msg).SetQuestion("version.bind.", miekg.TypeTXT)
		q.Question[0].Qclass = miekg.ClassCHAOS
		answer, err := miekg.Exchange(q, address.String()+":53")
		if err != nil || answer.Rcode != miekg.RcodeRefused {
			t.Errorf("%v, %v, want that it is refused", answer, err)
		}
	})
}
