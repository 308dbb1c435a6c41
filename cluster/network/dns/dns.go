// Package dns is the cluster's name server: it answers for services and pods,
// and passes everything else on.
//
//	question ──▶ cluster.local, reverse ──▶ CoreDNS's kubernetes plugin (watches the API server)
//	     └─────▶ everything else ─────────▶ CoreDNS's cache ──▶ forward ──▶ upstream
//
// It uses CoreDNS's plugins without CoreDNS's server, which keeps its settings
// in the process and would take the whole process's log for its own.
package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// A Config says what to answer, and where.
type Config struct {
	// REST reaches the API server.
	REST *rest.Config
	// Address is where to listen, on port 53; it must be one of this network
	// namespace. Pods have it in their resolv.conf.
	Address netip.Addr
	// Domain is the cluster's, such as cluster.local.
	Domain string
	// Forward are the name servers that know the rest of the world, with their
	// ports. Without any, there is no rest of the world.
	Forward []string
}

// A Server answers until its context ends.
type Server struct {
	ready chan struct{}
	done  chan struct{}
}

// Start listens, and answers from then on: about the cluster once it knows it,
// which Ready says. It fails when the address cannot be listened on.
func Start(ctx context.Context, c Config) (*Server, error) {
	cluster, err := newCluster(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start DNS: %w", err)
	}
	forward := newForward(c.Forward)
	cluster.Next, cluster.Upstream = forward.handler, lookup{cluster}

	servers, err := listen(netip.AddrPortFrom(c.Address, 53).String(), handler(ctx, cluster))
	if err != nil {
		forward.stop()
		return nil, fmt.Errorf("start DNS: %w", err)
	}
	for _, s := range servers {
		go func() {
			if err := s.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				klog.FromContext(ctx).Error(err, "DNS stopped", "address", c.Address)
			}
		}()
	}

	s := &Server{ready: make(chan struct{}), done: make(chan struct{})}
	go cluster.APIConn.Run()
	go func() {
		defer close(s.done)
		if poll(ctx, cluster.APIConn.HasSynced) {
			close(s.ready)
		}
		<-ctx.Done()
		for _, server := range servers {
			_ = server.Shutdown()
		}
		forward.stop()
		_ = cluster.APIConn.Stop()
	}()
	return s, nil
}

// Ready is closed once the server knows the cluster.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Done is closed once the server has stopped, some time after its context ended.
func (s *Server) Done() <-chan struct{} { return s.done }

func poll(ctx context.Context, fact func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// listen opens both, TCP and UDP.
func listen(address string, h dns.Handler) ([]*dns.Server, error) {
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	connections, err := net.Listen("tcp", address)
	if err != nil {
		_ = packets.Close()
		return nil, err
	}
	return []*dns.Server{{PacketConn: packets, Handler: h}, {Listener: connections, Handler: h}}, nil
}

// answer asks the plugins, and says so in their place when they have failed.
func answer(ctx context.Context, h plugin.Handler, w dns.ResponseWriter, question *dns.Msg) {
	rcode, err := h.ServeDNS(ctx, w, question)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("DNS question failed", "name", question.Question[0].Name, "err", err)
	}
	if !plugin.ClientWrite(rcode) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(question, rcode))
	}
}
