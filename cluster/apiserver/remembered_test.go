package apiserver

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// A certificate is verified once. Whatever else a request says of who asks is
// looked at each time, and nobody gets in by what was said of another.
func TestRemembered(t *testing.T) {
	now := time.Now()
	bearer := func(name string, from, to time.Duration) *x509.Certificate {
		return &x509.Certificate{Raw: []byte(name), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(from), NotAfter: now.Add(to)}
	}
	ada := bearer("ada", -time.Hour, time.Hour)
	cases := map[string]struct {
		cert   *x509.Certificate
		header http.Header
		said   string
		again  bool
	}{
		"Same":       {ada, nil, "ada", false},
		"NoneAtAll":  {nil, nil, "system:anonymous", true},
		"Stranger":   {bearer("eve", -time.Hour, time.Hour), nil, "system:anonymous", true},
		"Ended":      {bearer("old", -time.Hour, -time.Minute), nil, "old", true},
		"Token":      {ada, http.Header{"Authorization": {"Bearer x"}}, "bob", true},
		"Socket":     {ada, http.Header{"Sec-Websocket-Protocol": {"base64url.bearer.authorization.k8s.io.eA"}}, "bob", true},
		"FrontProxy": {ada, http.Header{"X-Remote-User": {"bob"}}, "bob", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			asked := 0
			a := remember(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
				asked++
				return &authenticator.Response{User: &user.DefaultInfo{Name: c.said}}, true, nil
			}))
			for range 2 {
				r := &http.Request{Header: c.header}
				if c.cert != nil {
					r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.cert}}
				}
				if got, ok, err := a.AuthenticateRequest(r); err != nil || !ok || got.User.GetName() != c.said {
					t.Fatalf("AuthenticateRequest() = %v, %t, %v, want %s", got, ok, err, c.said)
				}
			}
			if again := asked == 2; again != c.again {
				t.Errorf("asked %d times; want it asked again: %t", asked, c.again)
			}
		})
	}
}
