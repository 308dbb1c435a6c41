package routes

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// A Place is the URL below which a browser sees a program that others have
// written: http://HOST/PATH/.
type Place struct{ scheme, host, path string }

// host is what may stand in a policy without changing it.
var (
	host  = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)
	below = regexp.MustCompile(`^(/[A-Za-z0-9.-]+)+/$`)
)

// PlaceOf is the place below a path, which ends with a slash, at the door that a
// request came to.
func PlaceOf(r *http.Request, path string) (Place, error) {
	if !host.MatchString(r.Host) {
		return Place{}, fmt.Errorf("%q is no host", r.Host)
	}
	if !below.MatchString(path) {
		return Place{}, fmt.Errorf("%q is no path of names", path)
	}
	p := Place{"http", r.Host, path}
	if r.TLS != nil {
		p.scheme = "https"
	}
	return p, nil
}

// Path is below what the browser sees it.
func (p Place) Path() string { return p.path }

// policy lets a page run what scripts it likes, but reach nothing outside its own
// place (%[1]s, and %[2]s for WebSockets). It opens no window, since it could act
// in that as whoever looks at it, and frames none of our pages.
const policy = "default-src 'none'; script-src %[1]s 'unsafe-inline' 'unsafe-eval' blob:; style-src %[1]s 'unsafe-inline'; " +
	"img-src %[1]s data: blob:; font-src %[1]s data:; media-src %[1]s data: blob:; connect-src %[1]s %[2]s data: blob:; worker-src %[1]s blob:; " +
	"frame-src %[1]s; form-action %[1]s; base-uri 'none'; frame-ancestors 'self'; sandbox allow-scripts allow-same-origin allow-forms allow-downloads allow-modals"

// Confine keeps an answer, and the page that it may be, to the place. The error
// is about one that leads elsewhere: a policy does not look at the path that a
// request is sent on to, so it would be made as whoever looks.
func (p Place) Confine(r *http.Response) error {
	h := r.Header
	for _, name := range []string{"Set-Cookie", "Clear-Site-Data", "Service-Worker-Allowed", "Content-Security-Policy-Report-Only", "Refresh", "Link"} {
		h.Del(name)
	}
	if to := h.Get("Location"); to != "" {
		within, err := p.within(to, r.Request.URL.Path)
		if err != nil {
			return err
		}
		h.Set("Location", within)
	}
	url := p.scheme + "://" + p.host + p.path
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, url, "ws"+strings.TrimPrefix(url, "http")))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	return nil
}

// within is the path, with its query, that a program sends on to, as the browser
// sees it. The program may know its place, or take its root for /; asked is the
// path that it was asked for.
func (p Place) within(to, asked string) (string, error) {
	u, err := url.Parse(to)
	if err != nil || u.Opaque != "" || strings.ContainsFunc(u.Path, func(r rune) bool { return r == '\\' || r < ' ' }) {
		return "", fmt.Errorf("it sends on to %q, which is no address", to)
	}
	if u.Host != "" && u.Host != p.host {
		return "", fmt.Errorf("it sends on to %q, which is no place of its own", to)
	}
	at := u.Path
	if !strings.HasPrefix(at, "/") {
		if at != "" {
			asked = asked[:strings.LastIndexByte(asked, '/')+1] + at
		}
		at = asked
	}
	// What is cleaned here no browser cleans in a way of its own.
	clean := path.Clean("/" + at)
	if strings.HasSuffix(at, "/") && clean != "/" {
		clean += "/"
	}
	if !strings.HasPrefix(clean+"/", p.path) {
		clean = p.path + clean[1:]
	}
	return (&url.URL{Path: clean, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery, Fragment: u.Fragment, RawFragment: u.RawFragment}).String(), nil
}

// Anonymous takes off a request what says who asks, before a program of others
// gets it.
func Anonymous(h http.Header) {
	for _, secret := range []string{"Cookie", "Authorization"} {
		h.Del(secret)
	}
	WithoutToken(h)
}

// SocketToken is how a browser's WebSocket carries a token, since it can send
// no headers: Kubernetes has it so.
const SocketToken = "base64url.bearer.authorization.k8s.io."

// WithoutToken takes the token out of a WebSocket's protocols.
func WithoutToken(h http.Header) {
	const name = "Sec-Websocket-Protocol"
	if !strings.Contains(strings.Join(h[name], ","), SocketToken) {
		return
	}
	var kept []string
	for p := range strings.SplitSeq(strings.Join(h[name], ","), ",") {
		if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, SocketToken) {
			kept = append(kept, p)
		}
	}
	h.Del(name)
	if len(kept) > 0 {
		h.Set(name, strings.Join(kept, ", "))
	}
}
