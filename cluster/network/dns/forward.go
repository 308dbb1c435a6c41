package dns

import (
	"context"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/plugin/forward"
	"github.com/coredns/coredns/plugin/pkg/proxy"
	"github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/miekg/dns"
)

// upstream answers everything that is not the cluster's.
type upstream struct {
	handler plugin.Handler
	stop    func()
}

// newForward passes questions on to these name servers, and remembers the answers.
func newForward(servers []string) upstream {
	if len(servers) == 0 {
		return upstream{handler: plugin.HandlerFunc(nowhere), stop: func() {}}
	}
	f := forward.New()
	for _, s := range servers {
		p := proxy.NewProxy("forward", s, transport.DNS)
		p.SetReadTimeout(5 * time.Second)
		f.SetProxy(p)
	}
	c := cache.New()
	c.Next = f
	return upstream{handler: c, stop: func() { _ = f.OnShutdown() }}
}

// nowhere says that there is nothing but the cluster.
func nowhere(_ context.Context, w dns.ResponseWriter, question *dns.Msg) (int, error) {
	return dns.RcodeNameError, w.WriteMsg(new(dns.Msg).SetRcode(question, dns.RcodeNameError))
}
