package apiserver

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
)

// A remembered authenticator verifies a certificate once, not with each request
// that it comes with, which is the dearest part of most. It stays so until the
// certificate ends: the authority that signed it stays the same while the server
// runs, and takes none back.
type remembered struct {
	next authenticator.Request

	mu    sync.Mutex
	known map[[sha256.Size]byte]*authenticator.Response
}

// mostRemembered bounds how many certificates are remembered. Few more than the
// components have one.
const mostRemembered = 1000

func remember(next authenticator.Request) authenticator.Request {
	return &remembered{next: next, known: map[[sha256.Size]byte]*authenticator.Response{}}
}

// AuthenticateRequest says who asks. A request that names its user by anything
// beside the certificate is none that it answers from memory.
func (a *remembered) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return a.next.AuthenticateRequest(r)
	}
	for _, header := range []string{"Authorization", "Sec-Websocket-Protocol", "X-Remote-User", "X-Remote-Uid"} {
		if _, is := r.Header[header]; is {
			return a.next.AuthenticateRequest(r)
		}
	}
	cert := r.TLS.PeerCertificates[0]
	key := sha256.Sum256(cert.Raw)
	a.mu.Lock()
	said := a.known[key]
	a.mu.Unlock()
	if now := time.Now(); said != nil && now.After(cert.NotBefore) && now.Before(cert.NotAfter) {
		return said, true, nil
	}
	said, ok, err := a.next.AuthenticateRequest(r)
	// Nobody is taken for the certificate's who came in without it, as anonymous.
	if ok && err == nil && said.User.GetName() == cert.Subject.CommonName {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.known) >= mostRemembered {
			clear(a.known)
		}
		a.known[key] = said
	}
	return said, ok, err
}
