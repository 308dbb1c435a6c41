package outside

import (
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gvisor "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A resolver passes questions on to the machine's name servers, as they are.
type resolver struct {
	servers []*dns.Server
}

func startResolver(s *gvisor.Stack, resolvConf string) (*resolver, error) {
	at := tcpip.FullAddress{NIC: nic, Addr: toStack(far), Port: 53}
	packets, err := gonet.DialUDP(s, &at, nil, ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("listen for DNS: %w", err)
	}
	connections, err := gonet.ListenTCP(s, at, ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("listen for DNS: %w", err)
	}
	r := &resolver{servers: []*dns.Server{
		{PacketConn: packets, Handler: passOn("udp", resolvConf)},
		{Listener: connections, Handler: passOn("tcp", resolvConf)},
	}}
	for _, server := range r.servers {
		// It ends when the stack is closed, and has nothing to say then.
		go func() { _ = server.ActivateAndServe() }()
	}
	return r, nil
}

func (r *resolver) close() {
	for _, s := range r.servers {
		_ = s.Shutdown()
	}
}

// passOn asks the machine's name servers in turn. They are read anew each time:
// a laptop changes its networks, and every question has its answer cached.
func passOn(network, resolvConf string) dns.Handler {
	client := dns.Client{Net: network, Timeout: 5 * time.Second, UDPSize: dns.MaxMsgSize}
	return dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		config, err := dns.ClientConfigFromFile(resolvConf)
		if err == nil {
			for _, server := range config.Servers {
				answer, _, err := client.Exchange(question, net.JoinHostPort(server, config.Port))
				if err == nil {
					_ = w.WriteMsg(answer)
					return
				}
			}
		}
		failure := new(dns.Msg)
		failure.SetRcode(question, dns.RcodeServerFailure)
		_ = w.WriteMsg(failure)
	})
}
