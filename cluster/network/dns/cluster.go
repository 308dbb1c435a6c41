package dns

import (
	"context"
	"fmt"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// newCluster is the plugin that answers for the cluster, from its own copy of
// the objects. Answers are good for a second: the replicas of a job look for
// each other as soon as they start, and what is not there yet comes soon.
func newCluster(ctx context.Context, c Config) (*kubernetes.Kubernetes, error) {
	const stanza = "kubernetes %s in-addr.arpa ip6.arpa {\n pods insecure\n ttl 1\n fallthrough in-addr.arpa ip6.arpa\n}"
	k, err := kubernetes.ParseStanza(controller(fmt.Sprintf(stanza, c.Domain)))
	if err != nil {
		return nil, fmt.Errorf("configure the kubernetes plugin: %w", err)
	}
	own := rest.CopyConfig(c.REST)
	own.ContentType, own.QPS = runtime.ContentTypeProtobuf, -1
	k.ClientConfig = given{own}
	// What it returns would start it, and wait until it knows the cluster.
	if _, _, err := k.InitKubeCache(ctx); err != nil {
		return nil, fmt.Errorf("watch the cluster: %w", err)
	}
	return k, nil
}

// controller reads a stanza of a Corefile: the plugin's settings have no other way in.
func controller(stanza string) *caddy.Controller {
	c := caddy.NewTestController("dns", stanza)
	c.Next()
	return c
}

// given is a client's configuration that is known already.
type given struct{ rest *rest.Config }

var _ clientcmd.ClientConfig = given{}

func (g given) ClientConfig() (*rest.Config, error)  { return g.rest, nil }
func (g given) Namespace() (string, bool, error)     { return "", false, nil }
func (g given) ConfigAccess() clientcmd.ConfigAccess { return nil }
func (g given) RawConfig() (raw api.Config, _ error) { return raw, nil }

// handler is what CoreDNS's server does around the plugins: it refuses what is
// no question about the internet, and cuts the answer to what the client takes.
func handler(ctx context.Context, h plugin.Handler) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		if len(question.Question) != 1 || question.Question[0].Qclass != dns.ClassINET {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(question, dns.RcodeRefused))
			return
		}
		if refusal, err := edns.Version(question); err != nil {
			_ = w.WriteMsg(refusal)
			return
		}
		answer(ctx, h, request.NewScrubWriter(question, w), question)
	})
}

// lookup finds where the name of an ExternalName service leads.
type lookup struct{ handler plugin.Handler }

func (l lookup) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, typ)
	w := nonwriter.New(state.W)
	answer(ctx, l.handler, w, question)
	return w.Msg, nil
}
