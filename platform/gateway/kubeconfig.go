package gateway

import (
	"net/http"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig is what leads kubectl through the door by a token. It speaks TLS:
// kubectl sends no token without.
func (g *Gateway) kubeconfig(r *http.Request, user, token string) string {
	c := clientcmdapi.NewConfig()
	there := &clientcmdapi.Cluster{Server: "https://" + r.Host, CertificateAuthorityData: g.authority(r)}
	c.Clusters["weir"] = there
	c.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	c.Contexts["weir"] = &clientcmdapi.Context{Cluster: "weir", AuthInfo: user}
	c.CurrentContext = "weir"
	text, err := clientcmd.Write(*c)
	if err != nil {
		return "" // It has been put together above, and can be written.
	}
	return string(text)
}
