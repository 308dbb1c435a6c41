package gateway

import (
	"net/http"
	"strings"
)

// saysWho are headers by which proxies tell those behind them who somebody is.
// What a client says in them is not so. A name that ends in - stands for all
// that begin with it.
var saysWho = []string{
	"Impersonate-", "X-Remote-", "X-Forwarded-", "Forwarded", "X-Real-Ip", "X-Auth-", "X-Webauth-",
	"Kubeflow-Userid", "Kubeflow-Groups", "X-Goog-Authenticated-User-", "X-Original-", "X-Rewrite-Url",
}

// strip takes off what only a proxy may say. Names with an underscore are the
// same as those with a hyphen to some servers, so they go as well.
func strip(h http.Header) {
	for name := range h {
		plain := strings.ReplaceAll(name, "_", "-")
		for _, says := range saysWho {
			if len(plain) >= len(says) && strings.EqualFold(plain[:len(says)], says) && (strings.HasSuffix(says, "-") || len(plain) == len(says)) {
				delete(h, name)
				break
			}
		}
	}
}

// pagePolicy lets a page load and reach nothing but this door, and run nothing
// that stands in the page itself.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; " +
	"connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; frame-src 'self'; media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// dataPolicy is for what others have written: shown as a page it may do nothing
// at all, least of all as whoever looks at it.
const dataPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; frame-ancestors 'self'; sandbox"

// protect says what browsers may do with any answer.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// asData marks an answer as something that others have written.
func asData(h http.Header) {
	h.Set("Content-Security-Policy", dataPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
