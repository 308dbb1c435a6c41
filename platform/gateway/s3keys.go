package gateway

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/platform/gateway/identity"
	"github.com/weir-ml/weir/platform/routes"
)

// foreignKeysLast is how long keys of S3 last of somebody whom we do not keep, from
// when they were last asked for: nobody tells us that they have left.
const foreignKeysLast = 30 * 24 * time.Hour

// overKeys is for those who may look into the buckets of a namespace.
func overKeys() *routes.Rule {
	return routes.May(func(r *http.Request) authorization.SubjectAccessReviewSpec {
		return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
			Verb: "list", Group: "weir-ml.github.io", Resource: "buckets", Namespace: r.PathValue("namespace"),
		}}
	})
}

// keysFor are the caller's keys for the buckets of a namespace, which are made when
// they are first asked for. Whoever gets none is told why.
func (g *Gateway) keysFor(w http.ResponseWriter, r *http.Request, namespace string) (*identity.S3Key, bool) {
	v := visitorOf(r)
	if len(v.Scopes) > 0 || v.Via == "account" {
		routes.Refuse(w, http.StatusForbidden, "a token that is good for some things only, or is a service account's, gets no keys of S3")
		return nil, false
	}
	if g.store.config.Dial == nil {
		routes.Refuse(w, http.StatusNotImplemented, "this S3 is not weir's own, and does not ask weir whose keys are whose: make keys there")
		return nil, false
	}
	var lasts time.Duration
	if v.Subject.Foreign {
		lasts = foreignKeysLast
	}
	k, err := g.config.Identity.S3KeyFor(r.Context(), v.Subject, namespace, lasts)
	if err != nil {
		fail(w, err)
		return nil, false
	}
	return k, true
}

// makeKeys shows the caller their keys for the buckets of a namespace.
func (g *Gateway) makeKeys(w http.ResponseWriter, r *http.Request) {
	k, ok := g.keysFor(w, r, r.PathValue("namespace"))
	if !ok {
		return
	}
	g.config.Audit.Info("keys of S3 shown", "user", visitorOf(r).Name, "namespace", k.Namespace, "access", k.Access)
	answer := map[string]any{
		"endpoint": schemeOf(r) + "://" + r.Host, "region": g.store.config.Region,
		"accessKey": k.Access, "secretKey": k.Secret, "namespace": k.Namespace,
	}
	if !k.Expires.IsZero() {
		answer["expires"] = k.Expires
	}
	routes.Respond(w, http.StatusOK, answer)
}

// revokeKeys takes back the caller's keys for a namespace.
func (g *Gateway) revokeKeys(w http.ResponseWriter, r *http.Request) {
	v := visitorOf(r)
	if len(v.Scopes) > 0 || v.Via == "account" {
		routes.Refuse(w, http.StatusForbidden, "a token that is good for some things only, or is a service account's, takes back no keys of S3")
		return
	}
	if err := g.config.Identity.RevokeS3Key(r.Context(), v.Subject, r.PathValue("namespace")); err != nil {
		fail(w, err)
		return
	}
	g.config.Audit.Info("keys of S3 taken back", "user", v.Name, "namespace", r.PathValue("namespace"))
	w.WriteHeader(http.StatusNoContent)
}

// newKeyed leads to S3 whoever signs with keys of their own, who has been found to
// be allowed: S3 looks at the signature, which the door need not understand.
func newKeyed(c Storage, target *url.URL) *httputil.ReverseProxy {
	transport := newTransport(func(t *http.Transport) { t.DialContext = c.Dial })
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", target.Host, p.In.Host
			p.Out.URL.RawQuery = p.In.URL.RawQuery
		},
		Transport: transport, BufferPool: newBuffers(), ErrorHandler: unreachable,
		ModifyResponse: func(a *http.Response) error {
			if err := onlyListed(a); err != nil {
				return err
			}
			return foreign(a)
		},
	}
}

// serveSigned leads to S3 whoever signs what they ask.
func (g *Gateway) serveSigned(w *counted, r *http.Request) {
	access, err := accessKey(r)
	if err != nil {
		refuseS3(w, http.StatusBadRequest, "InvalidRequest", err)
		return
	}
	who, key, err := g.config.Identity.S3Key(r.Context(), access)
	if p, counts := g.signer(r, access, who, key); counts {
		slow := func(code int, why string) { refuseS3(w, code, "SlowDown", errors.New(why)) }
		if g.tooFast(w, p, slow) {
			return
		}
	}
	switch {
	case g.store.keyed == nil || errors.Is(err, identity.ErrUnknown):
		routes.Lead(w, r, g.store.signed) // S3 knows its own keys, and that others are none.
		return
	case err != nil:
		refuseS3(w, http.StatusServiceUnavailable, "ServiceUnavailable", err)
		return
	}
	v := &visitor{Pass: *who}
	needs, err := needsOf(r)
	if err != nil {
		refuseS3(w, http.StatusForbidden, "AccessDenied", err)
		return
	}
	for _, n := range needs {
		if err := g.mayByKey(r, n, key, v); err != nil {
			if !isForbidden(err) {
				refuseS3(w, http.StatusServiceUnavailable, "ServiceUnavailable", err)
				return
			}
			refuseS3(w, http.StatusForbidden, "AccessDenied", err)
			return
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.config.Audit.Info("storage", "user", v.Name, "method", r.Method, "path", r.URL.Path, "access", access)
	}
	ctx, cancel := while(r.Context(), who)
	defer cancel()
	if len(needs) == 0 { // the list of buckets, of which some are shown
		ctx = context.WithValue(ctx, listedKey{}, func(bucket string) bool {
			return g.mayByKey(r, need{"list", bucket}, key, v) == nil
		})
	}
	routes.Lead(w, r.WithContext(ctx), g.store.keyed)
}

// signer is whose requests those signed by a pair of keys are counted with. Their
// address is part of it, since the signature has not been looked at: links tell
// the access key to others. What pods read by their own pair, and the owners by
// theirs, is not counted: it is a training's data.
func (g *Gateway) signer(r *http.Request, access string, who *identity.Pass, key *identity.S3Key) (party, bool) {
	switch {
	case access == g.store.config.AccessKey:
		return party{}, false
	case who == nil || key == nil:
		return party{kind: "requests", address: from(r)}, true
	}
	return party{kind: "requests", name: who.Name, address: from(r)}, key.UID == ""
}

// mayByKey says whether a pair of keys, and whose it is, opens a bucket for what is
// asked.
func (g *Gateway) mayByKey(r *http.Request, n need, key *identity.S3Key, v *visitor) error {
	of, err := g.namespaceOf(r, n.bucket)
	if err != nil {
		return err
	}
	if key.UID != "" {
		return g.mayPods(r, n, of, key)
	}
	if of.Name != key.Namespace {
		return forbidden(fmt.Sprintf("these keys are for the buckets of namespace %s, as %[1]s-data", key.Namespace))
	}
	return g.allowed(r, overBucketOf(of, n.verb, n.bucket), v)
}

// mayPods says whether the pods of a namespace may do something to a bucket, which
// is of another, or of none. Whoever makes pods run has a role by which they may
// do as much.
func (g *Gateway) mayPods(r *http.Request, n need, of *corev1.Namespace, key *identity.S3Key) error {
	if of.Name != "" && of.Name != key.Namespace {
		return forbidden(fmt.Sprintf("pods of namespace %s do not reach bucket %s, which is namespace %s's", key.Namespace, n.bucket, of.Name))
	}
	home := of
	if of.Name == "" {
		var err error
		if home, err = g.core.CoreV1().Namespaces().Get(r.Context(), key.Namespace, metav1.GetOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("look for namespace %s: %w", key.Namespace, err)
		}
	}
	switch {
	case home.UID != key.UID:
		return forbidden(fmt.Sprintf("these keys were for the pods of a namespace %s that is gone", key.Namespace))
	case of.Name != "":
		return nil
	case n.bucket == g.store.config.Code:
		if n.verb == "get" {
			return nil // by its name, which nobody guesses
		}
		return forbidden(fmt.Sprintf("pods only read single objects of bucket %s", n.bucket))
	case g.store.config.Common != nil && !g.store.config.Common():
		return forbidden(fmt.Sprintf("bucket %s is of no namespace, and weir.yaml keeps those from pods: take one whose name begins with %s-", n.bucket, key.Namespace))
	}
	return nil
}

// A need is a right to a bucket.
type need struct{ verb, bucket string }

var (
	signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 +Credential=([A-Za-z0-9-]+)/[^ ,]+, *SignedHeaders=[^ ,]+, *Signature=[0-9a-f]+$`)
	signedBy  = regexp.MustCompile(`^([A-Za-z0-9-]+)/`)
	// Objects lie in files, and these name files beside them.
	partOfPath = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)
)

// accessKey is the one by which a request is signed; none if it is not. What could
// be read in two ways is refused.
func accessKey(r *http.Request) (string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", fmt.Errorf("the query cannot be read: %w", err)
	}
	var credentials []string
	inQuery := false
	for name, values := range query {
		switch strings.ToLower(name) {
		case "x-amz-credential":
			credentials = append(credentials, values...)
			inQuery = true
		case "x-amz-signature", "x-amz-algorithm":
			inQuery = true
		}
	}
	inHeader := r.Header["Authorization"]
	if inQuery && len(inHeader) > 0 || len(credentials) > 1 || len(inHeader) > 1 {
		return "", errors.New("the request is signed twice: sign it once, in a header or in the query")
	}
	if inQuery {
		if m := signedBy.FindStringSubmatch(strings.Join(credentials, "")); m != nil {
			return m[1], nil
		}
		return "", nil
	}
	if m := signature.FindStringSubmatch(strings.Join(inHeader, "")); m != nil {
		return m[1], nil
	}
	return "", nil
}

// What changes a bucket or an object besides itself, and comes by keys all the
// same. All else, as a policy, could open it to others.
var (
	bucketParts = []string{"tagging", "versioning", "lifecycle"}
	objectParts = []string{"tagging", "retention", "legal-hold", "uploads"}
)

// needsOf are the rights that a signed request needs; none is the list of buckets.
func needsOf(r *http.Request) ([]need, error) {
	o := objectAt(r.URL.Path)
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if r.URL.Path == "/" && reads {
		return nil, nil
	}
	if err := o.checkNames(); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if err := checkParts(query); err != nil {
		return nil, err
	}
	if err := checkGrants(r.Header); err != nil {
		return nil, err
	}
	source, err := copied(r)
	if err != nil {
		return nil, err
	}
	n := need{verbOf(r.Method, o.key), o.bucket}
	switch part := partOf(query); {
	case reads:
	case !slices.Contains([]string{http.MethodPut, http.MethodPost, http.MethodDelete}, r.Method):
		return nil, fmt.Errorf("S3 knows no %s", r.Method)
	case o.key == "" && r.Method == http.MethodPost && part == "delete":
	case o.key == "" && r.Method == http.MethodPost:
		return nil, errors.New("forms are not taken here: send the object by PUT")
	case o.key == "" && part != "" && !slices.Contains(bucketParts, part), o.key != "" && part != "" && !slices.Contains(objectParts, part):
		return nil, fmt.Errorf("%s cannot be changed by keys of a namespace: only the owner's keys do", part)
	case o.key == "" && part != "":
		n.verb = "update"
	}
	if source != nil {
		return []need{n, {"get", source.bucket}}, nil
	}
	return []need{n}, nil
}

// plainQueries say nothing of what is done, but how.
var plainQueries = []string{"x-id", "uploadId", "partNumber", "versionId", "append"}

// partOf is what of a bucket or object a query is about; empty is itself.
func partOf(query url.Values) string {
	var parts []string
	for name := range query {
		if !slices.Contains(plainQueries, name) && !strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// checkParts refuses what would lead to other files than an object's own.
func checkParts(query url.Values) error {
	for name, values := range query {
		for _, v := range values {
			if (strings.EqualFold(name, "uploadId") || strings.EqualFold(name, "versionId")) && !partOfPath.MatchString(v) {
				return fmt.Errorf("%s %q: it is one that S3 gave, of letters and digits", name, v)
			}
			if strings.EqualFold(name, "partNumber") {
				if _, err := strconv.Atoi(v); err != nil {
					return fmt.Errorf("partNumber %q is no number", v)
				}
			}
		}
	}
	return nil
}

// checkGrants refuses to open an object to others by a header.
func checkGrants(h http.Header) error {
	for name, values := range h {
		switch name := strings.ToLower(name); {
		case strings.HasPrefix(name, "x-amz-grant-"):
			return fmt.Errorf("%s: who may what is said by roles of the namespace", name)
		case name == "x-amz-acl":
			for _, v := range values {
				if v != "private" && v != "bucket-owner-full-control" {
					return fmt.Errorf("x-amz-acl %q: who may what is said by roles of the namespace", v)
				}
			}
		}
	}
	return nil
}

// copied is the object that a request copies; nil if it copies none.
func copied(r *http.Request) (*object, error) {
	said := r.Header["X-Amz-Copy-Source"]
	if len(said) == 0 {
		return nil, nil
	}
	path, err := url.QueryUnescape(strings.TrimPrefix(said[0], "/"))
	if err != nil || len(said) > 1 {
		return nil, fmt.Errorf("x-amz-copy-source %q cannot be read: say BUCKET/KEY", said)
	}
	path, version, _ := strings.Cut(path, "?versionId=")
	bucket, key, _ := strings.Cut(path, "/")
	o := &object{bucket, key}
	if !partOfPath.MatchString(version) || key == "" {
		return nil, fmt.Errorf("x-amz-copy-source %q cannot be read: say BUCKET/KEY", said)
	}
	return o, o.checkNames()
}

type listedKey struct{}

// onlyListed leaves in a list of buckets those that its reader may look into.
func onlyListed(a *http.Response) error {
	may, ok := a.Request.Context().Value(listedKey{}).(func(string) bool)
	if !ok || a.StatusCode != http.StatusOK {
		return nil
	}
	var all bucketList
	if err := xml.NewDecoder(a.Body).Decode(&all); err != nil {
		return fmt.Errorf("read the list of buckets: %w", err)
	}
	_ = a.Body.Close()
	all.Buckets = slices.DeleteFunc(all.Buckets, func(b bucket) bool { return !may(b.Name) })
	text, err := xml.Marshal(all)
	if err != nil {
		return fmt.Errorf("write the list of buckets: %w", err)
	}
	a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	a.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return nil
}

// refuseS3 refuses as S3 does.
func refuseS3(w http.ResponseWriter, code int, name string, err error) {
	text, _ := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: name, Message: err.Error()})
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(text) // Who has gone needs no answer.
}
