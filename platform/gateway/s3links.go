package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	authorization "k8s.io/api/authorization/v1"

	"github.com/weir-ml/weir/platform/routes"
)

// linksPath is where people get links to files, to give to others.
const linksPath = "/weir/s3-links"

// longestLink is how long a link can be good for: signatures of S3 know no longer.
const longestLink = 7 * 24 * time.Hour

func linked(r *http.Request) object { return objectAt(strings.TrimPrefix(r.URL.Path, linksPath)) }

// mayLink is the rule for links: who may read a file may let others read it.
func (g *Gateway) mayLink(r *http.Request) authorization.SubjectAccessReviewSpec {
	return g.overBucket(r, "get", linked(r).bucket)
}

// makeLink makes a link by which anyone reads a file, for ?expires= seconds. It is
// signed by the caller's keys for the bucket's namespace: it is good for no longer
// than these are, and than the caller may read the file.
func (g *Gateway) makeLink(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		routes.Refuse(w, http.StatusMethodNotAllowed, "a link is made by POST")
		return
	}
	o := linked(r)
	lasts, err := lastsOf(r.URL.Query().Get("expires"))
	if err == nil {
		err = o.checkNames()
	}
	if err == nil && (o.key == "" || strings.HasSuffix(o.key, "/")) {
		err = fmt.Errorf("%s/%s: links are to files", o.bucket, o.key)
	}
	if err != nil {
		routes.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	of, err := g.namespaceOf(r, o.bucket)
	if err != nil {
		fail(w, err)
		return
	}
	k, ok := g.keysFor(w, r, of.Name)
	if !ok {
		return
	}
	path := "/" + o.bucket + "/" + o.key
	to := &url.URL{Scheme: schemeOf(r), Host: r.Host, Path: path, RawPath: escape(path), RawQuery: url.Values{"X-Amz-Expires": {strconv.Itoa(int(lasts.Seconds()))}}.Encode()}
	q := (&http.Request{Method: http.MethodGet, URL: to, Host: r.Host, Header: http.Header{}}).WithContext(r.Context())
	now := time.Now()
	link, _, err := signer.NewSigner(func(o *signer.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(
		r.Context(), aws.Credentials{AccessKeyID: k.Access, SecretAccessKey: k.Secret}, q, unsigned, "s3", g.store.config.Region, now)
	if err != nil {
		fail(w, fmt.Errorf("sign a link to %s: %w", path, err))
		return
	}
	g.config.Audit.Info("link to a file made", "user", visitorOf(r).Name, "path", path, "seconds", int(lasts.Seconds()), "access", k.Access)
	routes.Respond(w, http.StatusOK, map[string]any{"url": link, "expires": now.Add(lasts).UTC().Truncate(time.Second)})
}

// lastsOf reads how long a link shall be good for: a day if nobody says.
func lastsOf(seconds string) (time.Duration, error) {
	if seconds == "" {
		return 24 * time.Hour, nil
	}
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 1 || n > int(longestLink.Seconds()) {
		return 0, fmt.Errorf("expires %q: say how many seconds, up to %d, which are seven days", seconds, int(longestLink.Seconds()))
	}
	return time.Duration(n) * time.Second, nil
}
