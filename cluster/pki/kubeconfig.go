package pki

import (
	"fmt"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes to file how the bearer of pair reaches the API server at
// url. The certificates stand in the file itself, so that it can be carried away.
func (a *Authority) Kubeconfig(file, url string, pair Pair) error {
	cert, err := os.ReadFile(pair.CertFile)
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", file, err)
	}
	key, err := os.ReadFile(pair.KeyFile)
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", file, err)
	}
	const name = "weir"
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: url, CertificateAuthorityData: a.CertPEM()}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {ClientCertificateData: cert, ClientKeyData: key}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: "default"}},
		CurrentContext: name,
	}
	data, err := clientcmd.Write(config)
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", file, err)
	}
	return writeFile(file, data)
}

// REST is how the bearer of pair reaches the API server at url from this process.
func (a *Authority) REST(url string, pair Pair) *rest.Config {
	return &rest.Config{
		Host: url,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: a.CertFile(), CertFile: pair.CertFile, KeyFile: pair.KeyFile,
		},
		ContentConfig: rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"},
		// In one process there is nobody to protect the server from: its own
		// limits on requests in flight hold.
		QPS: -1,
	}
}
