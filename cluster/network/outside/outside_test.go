package outside_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster/network"
	"github.com/weir-ml/weir/cluster/network/internal/apart"
	"github.com/weir-ml/weir/cluster/network/netns"
	"github.com/weir-ml/weir/cluster/network/outside"
)

func TestMain(m *testing.M) { os.Exit(apart.Run(m.Run)) }

// The tests' own namespace is the machine's here, with one address besides its
// loopback; the inner process is this program again, in a namespace further in.
const machine = "198.51.100.1"

const innerVariable = "WEIR_TEST_INNER"

// prepareMachine gives the machine its address, and returns the file that names
// its name servers.
func prepareMachine(t testing.TB) string {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	address, err := netlink.ParseAddr(machine + "/32")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.LinkSetUp(lo), netlink.AddrReplace(lo, address)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// inside runs the named test in the inner process, and returns when that ends.
func inside(t testing.TB, test string, resolvConf string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	outer, inner, err := outside.Pair()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- outside.Serve(ctx, outer, outside.Config{ResolvConf: resolvConf}) }()

	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), innerVariable+"=1")
	cmd.ExtraFiles = []*os.File{inner}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the inner process: %v\n%s", err, out)
	}
	if b, ok := t.(*testing.B); ok {
		b.Logf("%s", out)
	}
	_ = inner.Close()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// gateway is the inner process's way out, and a pod.
func gateway(t *testing.T) (*outside.Gateway, *network.Attachment) {
	t.Helper()
	if os.Getenv(innerVariable) == "" {
		t.Skip("run by another test, in the inner process")
	}
	n, err := network.Start(t.Context(), network.Config{PodCIDR: netip.MustParsePrefix("10.244.0.0/16"), ServiceCIDR: netip.MustParsePrefix("10.43.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	g, err := outside.Connect(t.Context(), os.NewFile(3, "inner"), n.Gateway())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	pod, err := n.Attach(t.Context(), "pod", nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, pod
}

// echo answers on port 7 of the machine, TCP and UDP, with what it hears.
func echo(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", machine+":7")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", machine+":7")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = l.Close(), p.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	go func() {
		for b := make([]byte, 64<<10); ; {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = p.WriteTo(b[:n], from)
		}
	}()
}

// nameServer is the machine's own, on its loopback.
func nameServer(t testing.TB) {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	connections, err := net.Listen("tcp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name != "example.org." {
			m.Rcode = dns.RcodeNameError
		} else if a, err := dns.NewRR("example.org. 60 IN A 203.0.113.9"); err == nil {
			m.Answer = []dns.RR{a}
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: answer}, {Listener: connections, Handler: answer}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
}

func TestWayOut(t *testing.T) {
	if os.Getenv(innerVariable) != "" {
		t.Skip("the outer process's part")
	}
	resolvConf := prepareMachine(t)
	echo(t)
	nameServer(t)
	for _, test := range []string{"TestInside", "TestInsideResolves", "TestInsideListensOutside", "TestInsideManyAtOnce"} {
		t.Run(test, func(t *testing.T) { inside(t, test, resolvConf) })
	}
}

func TestInside(t *testing.T) {
	g, pod := gateway(t)

	const longest = 60_000
	for name, c := range map[string]struct {
		why              string
		network, address string
		say              string
		refused          bool
	}{
		"TCP":          {why: "the way out", network: "tcp", address: machine + ":7", say: "hello"},
		"LargeTCP":     {why: "much at once comes through whole", network: "tcp", address: machine + ":7", say: strings.Repeat("hello, ", 1<<19)},
		"UDP":          {why: "the way out", network: "udp", address: machine + ":7", say: "hello"},
		"LongUDP":      {why: "a datagram may be long", network: "udp", address: machine + ":7", say: strings.Repeat("x", longest)},
		"NobodyThere":  {why: "what is refused outside is refused here, at once", network: "tcp", address: machine + ":9", refused: true},
		"CloudsSecret": {why: "a cloud machine's credentials are not for pods", network: "tcp", address: "169.254.169.254:80", refused: true},
		"TheFarEnd":    {why: "the stack's own address offers DNS, and not the machine's loopback", network: "tcp", address: g.DNS.String() + ":7", refused: true},
	} {
		for who, from := range map[string]*network.Attachment{"Pod": pod, "Node": nil} {
			t.Run(name+"From"+who, func(t *testing.T) {
				heard, err := ask(from, c.network, c.address, c.say)
				if c.refused {
					if !errors.Is(err, unix.ECONNREFUSED) {
						t.Errorf("%v, want that it is refused: %s", err, c.why)
					}
					return
				}
				if err != nil || heard != c.say {
					t.Errorf("heard %d bytes, %v, want %d: %s", len(heard), err, len(c.say), c.why)
				}
			})
		}
	}
}

// ask says something and returns the answer; from is the pod that asks, or nil
// for the node.
func ask(from *network.Attachment, network, address, say string) (heard string, err error) {
	dial := func() error {
		c, err := net.DialTimeout(network, address, 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if network == "udp" {
			if _, err := io.WriteString(c, say); err != nil {
				return err
			}
			b := make([]byte, 64<<10)
			n, err := c.Read(b)
			heard = string(b[:n])
			return err
		}
		go func() {
			_, _ = io.WriteString(c, say)
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		b, err := io.ReadAll(c)
		heard = string(b)
		return err
	}
	if from == nil {
		return heard, dial()
	}
	err = netns.In(from.Namespace, dial)
	return heard, err
}

func TestInsideResolves(t *testing.T) {
	g, pod := gateway(t)
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]int{"example.org.": dns.RcodeSuccess, "nowhere.example.": dns.RcodeNameError} {
			client := dns.Client{Net: network, Timeout: 5 * time.Second}
			question := new(dns.Msg).SetQuestion(name, dns.TypeA)
			err := netns.In(pod.Namespace, func() error {
				c, err := client.Dial(g.DNS.String() + ":53")
				if err != nil {
					return err
				}
				answer, _, err := client.ExchangeWithConn(question, c)
				if err != nil {
					return err
				}
				if answer.Rcode != want || (len(answer.Answer) == 1) != (want == dns.RcodeSuccess) {
					t.Errorf("%s %s: the machine's name server says otherwise than:\n%s", network, name, answer)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s %s: %v", network, name, err)
			}
		}
	}
}

// A listener in the machine's namespace accepts for the inner process.
func TestInsideListensOutside(t *testing.T) {
	g, _ := gateway(t)
	l, err := g.Listen(t.Context(), machine+":0")
	if err != nil {
		t.Fatal(err)
	}
	here, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	both := outside.MultiListener(l, here)
	for _, at := range []string{l.Addr().String(), here.Addr().String()} {
		c, err := net.DialTimeout("tcp", at, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		a, err := both.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := a.LocalAddr().String(); got != at {
			t.Errorf("accepted at %s what was dialled at %s", got, at)
		}
		_, _ = c.Close(), a.Close()
	}
	if got, want := both.Addr(), l.Addr(); got.String() != want.String() {
		t.Errorf("address %s, want the first's, %s", got, want)
	}
	if err := both.Close(); err != nil {
		t.Error(err)
	}
	if _, err := both.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}

	if _, err := g.Listen(t.Context(), machine+":7"); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("listen on a port of the machine that is taken: %v", err)
	}
	p, err := g.ListenPacket(t.Context(), machine+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if heard, err := net.Dial("udp", p.LocalAddr().String()); err != nil {
		t.Error(err)
	} else {
		_, _ = io.WriteString(heard, "hello")
		b := make([]byte, 10)
		_ = p.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, _, err := p.ReadFrom(b); err != nil || string(b[:n]) != "hello" {
			t.Errorf("heard %q, %v", b[:n], err)
		}
	}
}

// Many connections at once, as a build that downloads has them.
func TestInsideManyAtOnce(t *testing.T) {
	_, pod := gateway(t)
	errs := make(chan error, 200)
	for range cap(errs) {
		go func() {
			heard, err := ask(pod, "tcp", machine+":7", "hello")
			if err == nil && heard != "hello" {
				err = fmt.Errorf("heard %q", heard)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkWayOut says how fast a pod's data goes out and comes back.
func BenchmarkWayOut(b *testing.B) {
	resolvConf := prepareMachine(b)
	echo(b)
	inside(b, "TestInsideSpeed", resolvConf)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			b.Logf("memory of the outer process, at most: %s", line)
		}
	}
}

func TestInsideSpeed(t *testing.T) {
	_, pod := gateway(t)
	const size = 1 << 30
	err := netns.In(pod.Namespace, func() error {
		begin := time.Now()
		for range 200 {
			c, err := net.Dial("tcp", machine+":7")
			if err != nil {
				return err
			}
			_, _ = c.Write([]byte("x"))
			_, _ = c.Read(make([]byte, 1))
			_ = c.Close()
		}
		t.Logf("dial, one byte there and back: %v", time.Since(begin)/200)

		c, err := net.Dial("tcp", machine+":7")
		if err != nil {
			return err
		}
		begin = time.Now()
		for range 1000 {
			_, _ = c.Write([]byte("x"))
			_, _ = c.Read(make([]byte, 1))
		}
		t.Logf("one byte there and back: %v", time.Since(begin)/1000)
		begin = time.Now()
		go func() {
			chunk := make([]byte, 1<<20)
			for sent := 0; sent < size; sent += len(chunk) {
				_, _ = c.Write(chunk)
			}
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		n, err := io.Copy(io.Discard, c)
		t.Logf("%d MB there and back: %.0f MB/s each way", n>>20, float64(n)/1e6/time.Since(begin).Seconds())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
