package gateway

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	authorization "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/platform/routes"
)

// A Storage is the S3 behind the door.
type Storage struct {
	URL                          string
	AccessKey, SecretKey, Region string
	TLS                          *tls.Config // how it is reached by https; nil is as usual
	// Dial connects to it where it knows the keys that Identity gives people; nil
	// is an S3 that does not.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Code is the bucket of the code that runs bring: of no namespace, whatever it is
	// called, and read by all pods that know what to ask for.
	Code string
	// Common says whether pods reach the buckets that are of no namespace; nil is yes.
	Common func() bool
}

// A store leads to S3: as it is for those who sign requests themselves, and by
// the keys of the door for people, whose rights are asked for first.
type store struct {
	config         Storage
	target         *url.URL
	signed, people *httputil.ReverseProxy
	keyed          *httputil.ReverseProxy // nil without Dial
}

func newStore(c Storage) (*store, error) {
	target, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("lead to S3: %w", err)
	}
	s := &store{config: c, target: target}
	transport := newTransport(func(t *http.Transport) { t.TLSClientConfig = c.TLS })
	pool := newBuffers()
	s.signed = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			// The signature is of the host, the path and the query as they came.
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = target.Scheme, target.Host, p.In.Host
			p.Out.URL.RawQuery = p.In.URL.RawQuery
		},
		Transport: transport, BufferPool: pool, ErrorHandler: unreachable, ModifyResponse: foreign,
	}
	s.people = &httputil.ReverseProxy{
		Rewrite:   s.rewrite,
		Transport: signing{s, transport}, BufferPool: pool, ErrorHandler: unreachable, ModifyResponse: foreign,
	}
	if c.Dial != nil {
		s.keyed = newKeyed(c, target)
	}
	return s, nil
}

// isSigned says whether a request is S3's own: by its signature, or its host.
func isSigned(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256") ||
		strings.Contains(r.URL.RawQuery, "X-Amz-Signature=") || strings.HasPrefix(r.Host, "s3.")
}

// storagePath is where people find S3.
const storagePath = "/weir/s3"

// What people may ask of S3 through the door. All else could lead around the
// rights that were asked for: to copy names another bucket, in a header.
var (
	storageQueries = []string{
		"list-type", "prefix", "delimiter", "continuation-token", "start-after", "max-keys", "encoding-type",
		"uploads", "uploadId", "partNumber", "part-number-marker", "max-parts", "response-content-disposition",
	}
	storageHeaders = []string{
		"Accept", "Content-Type", "Content-Encoding", "Content-Disposition", "Cache-Control", "Content-Md5", "Range", "Expect",
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "User-Agent",
	}
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// An object is what a path names: a bucket, or something in it.
type object struct{ bucket, key string }

func objectOf(r *http.Request) object { return objectAt(strings.TrimPrefix(r.URL.Path, storagePath)) }

func objectAt(path string) object {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return object{bucket, key}
}

// check says what is wrong with a request, if anything.
func (o object) check(r *http.Request) error {
	if err := o.checkNames(); err != nil {
		return err
	}
	for name := range r.URL.Query() {
		if !slices.Contains(storageQueries, name) {
			return fmt.Errorf("%s: people do not ask this of S3 here; sign the request with its keys", name)
		}
	}
	if err := checkParts(r.URL.Query()); err != nil {
		return err
	}
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete}, r.Method) {
		return fmt.Errorf("S3 knows no %s", r.Method)
	}
	return nil
}

// checkNames says what is wrong with the names of a bucket and a key, if anything.
func (o object) checkNames() error {
	if !bucketName.MatchString(o.bucket) || strings.Contains(o.bucket, "..") {
		return fmt.Errorf("%q is no name of a bucket: 3 to 63 small letters, digits, hyphens and dots", o.bucket)
	}
	for part := range strings.SplitSeq(o.key, "/") {
		if part == "." || part == ".." {
			return fmt.Errorf("key %q: parts that are . or .. are not allowed", o.key)
		}
	}
	return nil
}

// mayStore is the rule for people at S3. A bucket belongs to the namespace by
// whose name it begins, followed by a hyphen or nothing more; one that belongs
// to none is for those who may do it everywhere.
func (g *Gateway) mayStore(r *http.Request) authorization.SubjectAccessReviewSpec {
	o := objectOf(r)
	return g.overBucket(r, verbOf(r.Method, o.key), o.bucket)
}

// verbOf is the right to a bucket that a method needs, at a key or at the bucket.
func verbOf(method, key string) string {
	reads := method == http.MethodGet || method == http.MethodHead
	switch {
	case reads && key == "":
		return "list"
	case reads:
		return "get"
	case key == "" && method == http.MethodPut:
		return "create"
	case key == "" && method == http.MethodDelete:
		return "delete"
	}
	return "update"
}

func (g *Gateway) overBucket(r *http.Request, verb, bucket string) authorization.SubjectAccessReviewSpec {
	of, err := g.namespaceOf(r, bucket)
	if err != nil {
		of = &corev1.Namespace{} // none, which is for those who may do it everywhere
	}
	return overBucketOf(of, verb, bucket)
}

func overBucketOf(of *corev1.Namespace, verb, bucket string) authorization.SubjectAccessReviewSpec {
	return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
		Verb: verb, Group: "weir-ml.github.io", Resource: "buckets", Namespace: of.Name, Name: bucket,
	}}
}

// namespaceOf is the namespace that a bucket is of; one without a name is none.
func (g *Gateway) namespaceOf(r *http.Request, bucket string) (*corev1.Namespace, error) {
	if !bucketName.MatchString(bucket) || bucket == g.store.config.Code {
		return &corev1.Namespace{}, nil
	}
	for name := bucket; name != ""; {
		of, err := g.core.CoreV1().Namespaces().Get(r.Context(), name, metav1.GetOptions{})
		if err == nil {
			return of, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("find the namespace of bucket %s: %w", bucket, err)
		}
		name = name[:max(strings.LastIndexByte(name, '-'), 0)]
	}
	return &corev1.Namespace{}, nil
}

// serveStorage is S3 for people.
func (g *Gateway) serveStorage(w http.ResponseWriter, r *http.Request) {
	if err := objectOf(r).check(r); err != nil {
		routes.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.config.Audit.Info("storage", "user", visitorOf(r).Name, "method", r.Method, "path", r.URL.Path)
	}
	routes.Lead(w, r, g.store.people)
}

// rewrite makes a person's request one of S3's.
func (s *store) rewrite(p *httputil.ProxyRequest) {
	o := objectOf(p.In)
	path := "/" + o.bucket
	if o.key != "" {
		path += "/" + o.key
	}
	p.Out.URL = &url.URL{Scheme: s.target.Scheme, Host: s.target.Host, Path: path, RawPath: escape(path), RawQuery: p.In.URL.Query().Encode()}
	p.Out.Host = s.target.Host
	for name := range p.Out.Header {
		if !slices.Contains(storageHeaders, name) && !strings.HasPrefix(name, "X-Amz-Meta-") {
			delete(p.Out.Header, name)
		}
	}
}

// escape writes a path as signatures have it.
func escape(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unsigned is what a signature says of a body that it is not of.
const unsigned = "UNSIGNED-PAYLOAD"

// signing signs what it sends with the keys of the door.
type signing struct {
	store *store
	next  http.RoundTripper
}

// RoundTrip signs and sends a request.
func (s signing) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Amz-Content-Sha256", unsigned)
	c := s.store.config
	err := signer.NewSigner(func(o *signer.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(
		r.Context(), aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey}, r, unsigned, "s3", c.Region, time.Now())
	if err != nil {
		return nil, fmt.Errorf("sign a request to S3: %w", err)
	}
	return s.next.RoundTrip(r)
}

// A bucketList is S3's list of buckets.
type bucketList struct {
	XMLName xml.Name `xml:"ListAllMyBucketsResult"`
	Buckets []bucket `xml:"Buckets>Bucket"`
}

type bucket struct{ Name, CreationDate string }

// listBuckets lists those that the caller may look into, as S3 does.
func (g *Gateway) listBuckets(w http.ResponseWriter, r *http.Request) {
	all, err := g.store.buckets(r.Context())
	if err != nil {
		routes.Refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	var problem error
	all.Buckets = slices.DeleteFunc(all.Buckets, func(b bucket) bool {
		err := g.allowed(r, g.overBucket(r, "list", b.Name), visitorOf(r))
		if err != nil && !isForbidden(err) {
			problem = err
		}
		return err != nil
	})
	if problem != nil {
		fail(w, problem)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Cache-Control", "no-store")
	_ = xml.NewEncoder(w).Encode(all) // Who has gone needs no answer.
}

func (s *store) buckets(ctx context.Context) (*bucketList, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.target.String()+"/", nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.people.Transport.RoundTrip(q)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list buckets: S3 says %s", answer.Status)
	}
	var all bucketList
	if err := xml.NewDecoder(answer.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}
	return &all, nil
}

// showKeys shows the keys of S3, which open every bucket.
func (g *Gateway) showKeys(w http.ResponseWriter, r *http.Request) {
	if len(visitorOf(r).Scopes) > 0 {
		routes.Refuse(w, http.StatusForbidden, "the keys of S3 change every bucket: a token that is good for some things only does not get them")
		return
	}
	c := g.store.config
	g.config.Audit.Info("keys of S3 shown", "user", visitorOf(r).Name)
	routes.Respond(w, http.StatusOK, map[string]string{
		"endpoint": schemeOf(r) + "://" + r.Host, "accessKey": c.AccessKey, "secretKey": c.SecretKey, "region": c.Region,
	})
}

// StorageHealth says why S3 does not answer, where there is one.
func (g *Gateway) StorageHealth(ctx context.Context) error {
	_, err := g.store.buckets(ctx)
	return err
}
