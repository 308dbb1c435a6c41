package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/network/internal/apart"
	"github.com/weir-ml/weir/cluster/network/netns"
	"github.com/weir-ml/weir/cluster/network/relay"
)

func TestMain(m *testing.M) { os.Exit(apart.Run(m.Run)) }

func start(t *testing.T) *Network {
	t.Helper()
	n, err := Start(t.Context(), Config{
		PodCIDR:     netip.MustParsePrefix("10.244.0.0/16"),
		ServiceCIDR: netip.MustParsePrefix("10.43.0.0/16"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func attach(t *testing.T, n *Network, id string, ports ...PortMapping) *Attachment {
	t.Helper()
	a, err := n.Attach(t.Context(), id, ports)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Detach(id); err != nil {
			t.Error(err)
		}
	})
	return a
}

// serve answers every connection to this port of the pod with greeting and the
// caller's address, over TCP and UDP.
func serve(t *testing.T, a *Attachment, port int, greeting string) {
	t.Helper()
	at := fmt.Sprintf("0.0.0.0:%d", port)
	err := netns.In(a.Namespace, func() error {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		p, err := net.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _, _ = l.Close(), p.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				_, _ = io.WriteString(c, greeting+" to "+host)
				_ = c.Close()
			}
		}()
		go func() {
			for buffer := make([]byte, 100); ; {
				_, from, err := p.ReadFrom(buffer)
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(from.String())
				_, _ = p.WriteTo([]byte(greeting+" to "+host), from)
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ask returns what is said at an address; from is the pod that asks, or nil for
// the node.
func ask(from *Attachment, network, address string) (answer string, err error) {
	dial := func() error {
		c, err := net.DialTimeout(network, address, 2*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err := c.Write([]byte("?")); err != nil {
			return err
		}
		buffer := make([]byte, 100)
		k, err := c.Read(buffer)
		answer = string(buffer[:k])
		return err
	}
	if from == nil {
		return answer, dial()
	}
	err = netns.In(from.Namespace, dial)
	return answer, err
}

// Two pods that listen on the same port are two hosts to each other, to
// themselves and to the node.
func TestPodsReachEachOther(t *testing.T) {
	n := start(t)
	a, b := attach(t, n, "a"), attach(t, n, "b")
	serve(t, a, 2222, "a")
	serve(t, b, 2222, "b")

	for name, c := range map[string]struct {
		from *Attachment
		to   netip.Addr
		want string
	}{
		"OneToOther":  {from: a, to: b.IP, want: "b to " + a.IP.String()},
		"OtherToOne":  {from: b, to: a.IP, want: "a to " + b.IP.String()},
		"ToItself":    {from: a, to: a.IP, want: "a to " + a.IP.String()},
		"ToLoopback":  {from: b, to: netip.MustParseAddr("127.0.0.1"), want: "b to 127.0.0.1"},
		"NodeToPod":   {to: a.IP, want: "a to " + n.Gateway().String()},
		"NodeToOther": {to: b.IP, want: "b to " + n.Gateway().String()},
	} {
		t.Run(name, func(t *testing.T) {
			for _, network := range []string{"tcp", "udp"} {
				got, err := ask(c.from, network, netip.AddrPortFrom(c.to, 2222).String())
				if err != nil || got != c.want {
					t.Errorf("%s: answer %q, %v, want %q", network, got, err, c.want)
				}
			}
		})
	}
}

func TestPodReachesNode(t *testing.T) {
	n := start(t)
	a := attach(t, n, "a")
	l, err := net.Listen("tcp", netip.AddrPortFrom(n.Gateway(), 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.WriteString(c, "node to "+c.RemoteAddr().(*net.TCPAddr).IP.String())
			_ = c.Close()
		}
	}()
	got, err := ask(a, "tcp", l.Addr().String())
	if want := "node to " + a.IP.String(); err != nil || got != want {
		t.Errorf("answer %q, %v, want %q", got, err, want)
	}
}

// What a pod's first look at its network finds.
func TestPodNetworkIsFurnished(t *testing.T) {
	n := start(t)
	a := attach(t, n, "a")
	err := netns.In(a.Namespace, func() error {
		interfaces, err := net.Interfaces()
		if err != nil {
			return err
		}
		up := map[string]bool{}
		for _, i := range interfaces {
			if i.Flags&net.FlagUp != 0 {
				up[i.Name] = true
			}
		}
		if diff := cmp.Diff(map[string]bool{"lo": true, "eth0": true}, up); diff != "" {
			t.Errorf("interfaces that are up, -want +got:\n%s", diff)
		}
		start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
		if got := strings.TrimSpace(string(start)); got != "0" {
			t.Errorf("ports below %s are root's alone, %v: a user could not serve on port 80", got, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A service's address that nobody serves is refused at once.
func TestUnknownServiceIsRefused(t *testing.T) {
	n := start(t)
	a := attach(t, n, "a")
	if _, err := ask(a, "tcp", "10.43.7.7:80"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial: %v, want that nobody listens", err)
	}
}

// A pod that is gone cannot be reached, though a process may have its namespace
// open still.
func TestDetachedPodIsGone(t *testing.T) {
	n := start(t)
	a, b := attach(t, n, "a"), attach(t, n, "b")
	serve(t, a, 2222, "a")
	if err := n.Detach("a"); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(b, "tcp", netip.AddrPortFrom(a.IP, 2222).String()); err == nil {
		t.Errorf("a pod that was detached answers %q", got)
	}
	if err := n.Detach("a"); err != nil {
		t.Errorf("detach a second time: %v", err)
	}
}

func TestHostPorts(t *testing.T) {
	n := start(t)
	a := attach(t, n, "a", PortMapping{HostPort: 8080, ContainerPort: 2222, Protocol: "TCP"}, PortMapping{HostPort: 8080, ContainerPort: 2222, Protocol: "UDP"})
	b := attach(t, n, "b", PortMapping{HostIP: "127.0.0.1", HostPort: 8081, ContainerPort: 2222, Protocol: "TCP"})
	c := attach(t, n, "c", PortMapping{HostIP: n.Gateway().String(), HostPort: 8081, ContainerPort: 2222, Protocol: "TCP"})
	serve(t, a, 2222, "a")
	serve(t, b, 2222, "b")
	serve(t, c, 2222, "c")

	for name, tc := range map[string]struct {
		why              string
		from             *Attachment
		network, address string
		want             string
	}{
		"NodeTCP":       {why: "a port without an address is on all of them", network: "tcp", address: "127.0.0.1:8080", want: "a"},
		"NodeUDP":       {why: "TCP and UDP are two ports", network: "udp", address: "127.0.0.1:8080", want: "a"},
		"PodTCP":        {why: "pods reach the node by its address", from: b, network: "tcp", address: n.Gateway().String() + ":8080", want: "a"},
		"PodUDP":        {why: "pods reach the node by its address", from: b, network: "udp", address: n.Gateway().String() + ":8080", want: "a"},
		"SameOnOneIP":   {why: "two pods may have one port on two addresses", network: "tcp", address: "127.0.0.1:8081", want: "b"},
		"SameOnOtherIP": {why: "two pods may have one port on two addresses", network: "tcp", address: n.Gateway().String() + ":8081", want: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ask(tc.from, tc.network, tc.address)
			if who, _, _ := strings.Cut(got, " "); err != nil || who != tc.want {
				t.Errorf("answer %q, %v, want it from %q: %s", got, err, tc.want, tc.why)
			}
		})
	}

	if _, err := n.Attach(t.Context(), "d", []PortMapping{{HostPort: 8080, ContainerPort: 1, Protocol: "TCP"}}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("attach with a port that is taken: %v, want that it says so", err)
	}
	if err := n.Detach("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(nil, "tcp", "127.0.0.1:8080"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("the port of a pod that has gone: %v, want that nobody listens", err)
	}
}

// Ports are open on the machine too, except those that pods want at an address
// of the node alone.
func TestHostPortsOnTheMachine(t *testing.T) {
	n := start(t)
	machine := netip.MustParseAddr("127.9.9.9") // the same namespace here, at an address that no other uses
	n.OpenPortsOn(relay.Here{}, machine)
	pods := map[string]*Attachment{
		"loopback": attach(t, n, "loopback", PortMapping{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 2222, Protocol: "TCP"}),
		"node":     attach(t, n, "node", PortMapping{HostIP: n.Gateway().String(), HostPort: 8080, ContainerPort: 2222, Protocol: "TCP"}),
	}
	for name, p := range pods {
		serve(t, p, 2222, name)
	}
	got, err := ask(nil, "tcp", netip.AddrPortFrom(machine, 8080).String())
	if who, _, _ := strings.Cut(got, " "); err != nil || who != "loopback" {
		t.Errorf("answer %q, %v, want it from the pod that wants the loopback", got, err)
	}
	_, err = n.Attach(t.Context(), "third", []PortMapping{{HostIP: "127.0.0.2", HostPort: 8080, ContainerPort: 1, Protocol: "TCP"}})
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "on the machine") {
		t.Errorf("attach with a port that is taken on the machine: %v", err)
	}
	if l, err := net.Listen("tcp", "127.0.0.2:8080"); err != nil {
		t.Errorf("what was opened for a pod that failed is open still: %v", err)
	} else {
		_ = l.Close()
	}
}

// Hundreds of pods come and go, many at once; none gets an address that
// another has, nor one that was just given back.
func TestManyPods(t *testing.T) {
	n := start(t)
	var mu sync.Mutex
	seen := map[netip.Addr]bool{}
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf("%d-%d", worker, i)
				a, err := n.Attach(t.Context(), id, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seen[a.IP] {
					t.Errorf("address %s was given out twice", a.IP)
				}
				seen[a.IP] = true
				mu.Unlock()
				if err := n.Detach(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestAttachStopsWithItsContext(t *testing.T) {
	n := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // some find one ready all the same
		a, err := n.Attach(ctx, "a", nil)
		if err == nil && !a.IP.IsValid() {
			t.Fatal("attached without an address")
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("attach: %v, want that it was cancelled", err)
		}
	}
	_ = n.Detach("a")
}

func BenchmarkAttach(b *testing.B) {
	n, err := Start(b.Context(), Config{PodCIDR: netip.MustParsePrefix("10.244.0.0/16")})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprint(i)
		if _, err := n.Attach(b.Context(), id, nil); err != nil {
			b.Fatal(err)
		}
		if err := n.Detach(id); err != nil {
			b.Fatal(err)
		}
	}
}
