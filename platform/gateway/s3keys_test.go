package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/cluster/clustertest"
)

// s3Keys are somebody's for a namespace.
type s3Keys struct{ Endpoint, Region, AccessKey, SecretKey, Namespace string }

func (d *door) keysOf(t *testing.T, who person, namespace string) s3Keys {
	t.Helper()
	a := d.ask(t, who, "PUT", "/weir/s3-keys/"+namespace, "")
	var k s3Keys
	if err := json.Unmarshal([]byte(a.body), &k); err != nil || a.code != http.StatusOK || k.AccessKey == "" || k.SecretKey == "" {
		t.Fatalf("keys of %s: %d %s", who.name, a.code, a.body)
	}
	return k
}

// client is S3's own, at an address, by keys.
func (k s3Keys) client(at string) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(at), Region: k.Region, UsePathStyle: true, RetryMaxAttempts: 1, Credentials: k.credentials(),
	})
}

func (k s3Keys) credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: k.AccessKey, SecretAccessKey: k.SecretKey}, nil
	})
}

// codeOf is how S3 calls what did not work.
func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// Keys of S3 do in the buckets of their namespace what their user may, and nothing
// elsewhere.
func TestKeysOfS3(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	owner := d.signIn(t, "owner")
	if a := d.ask(t, owner, "PUT", "/weir/s3/"+others+"-data/there", "of others"); a.code != 200 {
		t.Fatalf("%d %s", a.code, a.body)
	}
	in, out := aws.String(theirs+"-data"), aws.String(others+"-data")
	body := func() io.Reader { return strings.NewReader("x") }
	reads := map[string]func(*awss3.Client, *string) error{
		"List": func(c *awss3.Client, bucket *string) error {
			_, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: bucket})
			return err
		},
		"Get": func(c *awss3.Client, bucket *string) error {
			_, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: aws.String("there")})
			return err
		},
		"Presigned": func(c *awss3.Client, bucket *string) error {
			link, err := awss3.NewPresignClient(c).PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: aws.String("there")})
			if err != nil {
				return err
			}
			if a := d.ask(t, person{}, "GET", strings.TrimPrefix(link.URL, d.url), ""); a.code != 200 {
				return &smithy.GenericAPIError{Code: strings.Join([]string{"AccessDenied"}[:strings.Count(a.body, "<Code>AccessDenied</Code>")], "")}
			}
			return nil
		},
	}
	writes := map[string]func(*awss3.Client, *string) error{
		"Put": func(c *awss3.Client, bucket *string) error {
			_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("a b+ü"), Body: body()})
			return err
		},
		"Delete": func(c *awss3.Client, bucket *string) error {
			_, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: bucket, Key: aws.String("a b+ü")})
			return err
		},
		"DeleteMany": func(c *awss3.Client, bucket *string) error {
			_, err := c.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("none")}}}})
			return err
		},
		"Parts": func(c *awss3.Client, bucket *string) error {
			made, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("parts")})
			if err != nil {
				return err
			}
			part, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: bucket, Key: aws.String("parts"), UploadId: made.UploadId, PartNumber: aws.Int32(1), Body: body()})
			if err != nil {
				return err
			}
			_, err = c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
				Bucket: bucket, Key: aws.String("parts"), UploadId: made.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}},
			})
			return err
		},
		"Tag": func(c *awss3.Client, bucket *string) error {
			_, err := c.PutObjectTagging(t.Context(), &awss3.PutObjectTaggingInput{Bucket: bucket, Key: aws.String("there"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}})
			return err
		},
		"Copy": func(c *awss3.Client, bucket *string) error {
			_, err := c.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String(*bucket + "/there")})
			return err
		},
		"Bucket": func(c *awss3.Client, bucket *string) error {
			made := aws.String(strings.TrimSuffix(*bucket, "data") + "made")
			if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: made}); err != nil {
				return err
			}
			_, err := c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: made})
			return err
		},
	}
	// Whose keys have made a bucket makes no difference to others who may.
	writes["BucketAgain"] = func(c *awss3.Client, bucket *string) error {
		_, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket})
		return err
	}
	never := map[string]func(*awss3.Client, *string) error{
		"CopyOfOthers": func(c *awss3.Client, bucket *string) error {
			_, err := c.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: in, Key: aws.String("taken"), CopySource: aws.String("other-data/there")})
			return err
		},
		"CopyAround": func(c *awss3.Client, bucket *string) error {
			_, err := c.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: in, Key: aws.String("taken"), CopySource: aws.String("team-data/../other-data/there")})
			return err
		},
		"CopyAroundEscaped": func(c *awss3.Client, bucket *string) error {
			_, err := c.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: in, Key: aws.String("taken"), CopySource: aws.String("team-data/%2e%2e%2Fother-data/there")})
			return err
		},
		"PartOfOthers": func(c *awss3.Client, bucket *string) error {
			_, err := c.UploadPartCopy(t.Context(), &awss3.UploadPartCopyInput{Bucket: in, Key: aws.String("taken"), UploadId: aws.String("x"), PartNumber: aws.Int32(1), CopySource: aws.String("other-data/there")})
			return err
		},
		"Policy": func(c *awss3.Client, bucket *string) error {
			_, err := c.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: in, Policy: aws.String(`{"Version":"2012-10-17","Statement":[]}`)})
			return err
		},
		"Grants": func(c *awss3.Client, bucket *string) error {
			_, err := c.PutBucketAcl(t.Context(), &awss3.PutBucketAclInput{Bucket: in, ACL: types.BucketCannedACLPublicReadWrite})
			return err
		},
		"GrantsOfObject": func(c *awss3.Client, bucket *string) error {
			_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: in, Key: aws.String("open"), Body: body(), ACL: types.ObjectCannedACLPublicRead})
			return err
		},
		"Ownership": func(c *awss3.Client, bucket *string) error {
			_, err := c.PutBucketOwnershipControls(t.Context(), &awss3.PutBucketOwnershipControlsInput{Bucket: in, OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipObjectWriter}}}})
			return err
		},
		"AbortAround": func(c *awss3.Client, bucket *string) error {
			_, err := c.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: in, Key: aws.String("x"), UploadId: aws.String("../../../../" + *out)})
			return err
		},
		"VersionAround": func(c *awss3.Client, bucket *string) error {
			_, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: in, Key: aws.String("there"), VersionId: aws.String("../../" + *out + "/there")})
			return err
		},
	}
	writers := []string{"editor", "admin", "owner", "pods"}
	for _, name := range append([]string{"viewer"}, writers...) {
		ask := func() s3Keys { return d.keysOf(t, d.signIn(t, name), theirs) }
		if name == "pods" {
			ask = func() s3Keys { return d.keysOfPods(t, theirs) }
		}
		keys := ask()
		if again := ask(); again != keys {
			t.Errorf("%s: asked again the keys are others", name)
		}
		c := keys.client(d.url)
		try := func(what string, do func(*awss3.Client, *string) error, bucket *string, may bool) {
			t.Run(name+"/"+what+"/"+*bucket, func(t *testing.T) {
				err := do(c, bucket)
				if may && err != nil {
					t.Errorf("it is refused: %v", err)
				}
				if !may && codeOf(err) != "AccessDenied" {
					t.Errorf("it is answered %v, want to be refused", err)
				}
			})
		}
		for what, do := range reads {
			try(what, do, in, true)
			try(what, do, out, false)
		}
		for what, do := range writes {
			try(what, do, in, slices.Contains(writers, name))
			try(what, do, out, false)
		}
		for what, do := range never {
			try(what, do, in, false)
		}
		list, err := c.ListBuckets(t.Context(), &awss3.ListBucketsInput{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range list.Buckets {
			if !strings.HasPrefix(*b.Name, theirs+"-") && (name != "pods" || strings.HasPrefix(*b.Name, others+"-")) {
				t.Errorf("%s sees the bucket %s", name, *b.Name)
			}
		}
		if len(list.Buckets) == 0 {
			t.Errorf("%s sees no bucket", name)
		}
		// The door alone has found out what they may: where S3 is by itself they are
		// nobody's.
		if _, err := keys.client(d.keys.URL).ListBuckets(t.Context(), &awss3.ListBucketsInput{}); codeOf(err) != "InvalidAccessKeyId" {
			t.Errorf("%s: S3 itself answers %v", name, err)
		}
	}
	if got := d.ask(t, owner, "GET", "/weir/s3/"+others+"-data/there", ""); got.body != "of others" {
		t.Errorf("what others have is %q now", got.body)
	}
	if log := d.audit.String(); strings.Contains(log, d.keysOf(t, owner, theirs).SecretKey) || !strings.Contains(log, `"keys of S3 shown","user":"viewer","namespace":"team"`) {
		t.Errorf("the audit says:\n%s", log)
	}
}

func (d *door) keysOfPods(t *testing.T, namespace string) s3Keys {
	t.Helper()
	n, err := d.core.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := d.users.PodsS3Key(t.Context(), namespace, n.UID)
	if err != nil {
		t.Fatal(err)
	}
	return s3Keys{Region: d.keys.Region, AccessKey: k.Access, SecretKey: k.Secret, Namespace: namespace}
}

// fill makes a bucket with an object.
func (d *door) fill(t *testing.T, bucket string) {
	t.Helper()
	for _, path := range []string{bucket, bucket + "/there"} {
		if a := d.ask(t, d.signIn(t, "owner"), "PUT", "/weir/s3/"+path, ""); a.code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, a.code, a.body)
		}
	}
}

// Pods reach the buckets of no namespace, unless the settings say no, and of the code
// that runs bring what they know the name of.
func TestPodsAtBucketsOfNobody(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	for _, bucket := range []string{"nobodys", codeBucket} {
		d.fill(t, bucket)
	}
	c := d.keysOfPods(t, theirs).client(d.url)
	do := func(bucket string) map[string]string {
		_, list := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &bucket})
		_, get := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: aws.String("there")})
		_, put := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: aws.String("new"), Body: strings.NewReader("x")})
		_, remove := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("new")})
		return map[string]string{"list": codeOf(list), "get": codeOf(get), "put": codeOf(put), "delete": codeOf(remove)}
	}
	const yes, no = "<nil>", "AccessDenied"
	for name, tc := range map[string]struct {
		bucket string
		closed bool
		want   map[string]string
	}{
		"Common": {"nobodys", false, map[string]string{"list": yes, "get": yes, "put": yes, "delete": yes}},
		"Closed": {"nobodys", true, map[string]string{"list": no, "get": no, "put": no, "delete": no}},
		"Code":   {codeBucket, false, map[string]string{"list": no, "get": yes, "put": no, "delete": no}},
	} {
		d.closed.Store(tc.closed)
		if diff := cmp.Diff(tc.want, do(tc.bucket)); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}
}

// The pair of a namespace's pods opens nothing once the namespace is gone, and not
// what a later one of its name has.
func TestKeysOfPodsEndWithTheirNamespace(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	name := fmt.Sprintf("short-%d", time.Now().UnixNano())
	spaces := d.core.CoreV1().Namespaces()
	made := func() {
		if _, err := spaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	list := func(k s3Keys) string {
		_, err := k.client(d.url).ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(name + "-data")})
		return codeOf(err)
	}
	made()
	d.fill(t, name+"-data")
	first := d.keysOfPods(t, name)
	if got := list(first); got != "<nil>" {
		t.Fatalf("while the namespace is there: %s", got)
	}
	if err := spaces.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "the keys open nothing", func() bool { return list(first) == "AccessDenied" })
	made()
	if got := list(first); got != "AccessDenied" {
		t.Errorf("at a namespace of the same name: %s", got)
	}
	second := d.keysOfPods(t, name)
	if got := list(second); got != "<nil>" {
		t.Errorf("the pods of the second: %s", got)
	}
	if got := list(first); got != "InvalidAccessKeyId" {
		t.Errorf("the keys of the first: %s", got)
	}
}

// Keys are of nobody who takes them from others, and of nobody at all once their
// user is gone, or has no role, or has taken them back.
func TestKeysOfS3AreOfTheirUser(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	list := func(k s3Keys) string {
		_, err := k.client(d.url).ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(theirs + "-data")})
		return codeOf(err)
	}
	editor := d.keysOf(t, d.signIn(t, "editor"), theirs)
	for name, k := range map[string]s3Keys{
		"OtherSecret": {Region: editor.Region, AccessKey: editor.AccessKey, SecretKey: d.keysOf(t, d.signIn(t, "viewer"), theirs).SecretKey},
		"NoSecret":    {Region: editor.Region, AccessKey: editor.AccessKey, SecretKey: "guessed"},
	} {
		if got := list(k); got != "SignatureDoesNotMatch" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, access := range map[string]string{"Part": editor.AccessKey[:20], "Guess": editor.AccessKey[:20] + "AAAAAAAAAA", "Nobody": "WEIR"} {
		if got := list(s3Keys{Region: editor.Region, AccessKey: access, SecretKey: editor.SecretKey}); got != "InvalidAccessKeyId" {
			t.Errorf("%s: %s", name, got)
		}
	}

	for name, c := range map[string]struct {
		end  func(name string)
		want string
	}{
		"UserRemoved": {func(name string) { there(t, d.users.RemoveUser(t.Context(), name)) }, "InvalidAccessKeyId"},
		"TakenBack": {func(name string) {
			if a := d.ask(t, d.signIn(t, name), "DELETE", "/weir/s3-keys/"+theirs, ""); a.code != http.StatusNoContent {
				t.Errorf("take back: %d %s", a.code, a.body)
			}
		}, "InvalidAccessKeyId"},
		"NoRole": {func(name string) {
			if err := d.core.RbacV1().RoleBindings(theirs).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			user := fmt.Sprintf("short-%s-%d", strings.ToLower(name), time.Now().UnixNano())
			d.user(t, user)
			_, err := d.core.RbacV1().RoleBindings(theirs).Create(t.Context(), &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: user},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
			}, metav1.CreateOptions{})
			there(t, err)
			who := d.signIn(t, user)
			clustertest.Until(t, "the user may have keys", func() bool { return d.ask(t, who, "PUT", "/weir/s3-keys/"+theirs, "").code == http.StatusOK })
			keys := d.keysOf(t, who, theirs)
			clustertest.Until(t, "the keys list", func() bool { return list(keys) == "<nil>" })
			c.end(user)
			clustertest.Until(t, "the keys are "+c.want, func() bool { return list(keys) == c.want })
		})
	}

	for _, who := range []person{d.withToken(t, "editor", "s3"), d.withToken(t, "editor", "read"), {token: account(t, d.core, theirs)}} {
		if a := d.ask(t, who, "PUT", "/weir/s3-keys/"+theirs, ""); a.code != http.StatusForbidden {
			t.Errorf("a token that is good for some things gets keys: %d %s", a.code, a.body)
		}
	}
}

// What could be read in two ways, by the door and by S3, goes to neither.
func TestSignedRequestsThatAreTwo(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	owner := d.signIn(t, "owner")
	d.ask(t, owner, "PUT", "/weir/s3/"+others+"-data/there", "of others")
	keys := d.keysOf(t, d.signIn(t, "editor"), theirs)
	victim := d.keysOf(t, owner, others)
	signed := func(method, path string, change func(*http.Request)) answer {
		r, err := http.NewRequestWithContext(t.Context(), method, d.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		credentials, _ := keys.credentials().Retrieve(t.Context())
		if err := signer.NewSigner(func(o *signer.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(t.Context(), credentials, r, "UNSIGNED-PAYLOAD", "s3", keys.Region, time.Now()); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(r)
		}
		return d.send(t, person{}, r)
	}
	if a := signed("GET", "/team-data/there", nil); a.code != 200 {
		t.Fatalf("as it should be: %d %s", a.code, a.body)
	}
	asVictim := strings.NewReplacer(keys.AccessKey, victim.AccessKey)
	for name, c := range map[string]struct {
		method, path string
		change       func(*http.Request)
	}{
		"OtherBucket":   {"GET", "/other-data/there", nil},
		"OtherKeyNamed": {"GET", "/other-data/there", func(r *http.Request) { r.Header.Set("Authorization", asVictim.Replace(r.Header.Get("Authorization"))) }},
		"TwoHeaders":    {"GET", "/other-data/there", func(r *http.Request) { r.Header.Add("Authorization", asVictim.Replace(r.Header.Get("Authorization"))) }},
		"TwoCredentials": {"GET", "/other-data/there", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential=", "Credential="+victim.AccessKey+"/20260101/us-east-1/s3/aws4_request, Credential=", 1))
		}},
		"InQueryToo":   {"GET", "/other-data/there?X-Amz-Credential=" + victim.AccessKey + "%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0", nil},
		"InQueryLower": {"GET", "/other-data/there?x-amz-credential=" + victim.AccessKey + "%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&x-amz-signature=0", nil},
		"Dots":         {"GET", "/team-data/../other-data/there", nil},
		"EscapedDots":  {"GET", "/team-data/%2e%2e/other-data/there", nil},
		"EscapedSlash": {"GET", "/team-data%2F..%2Fother-data/there", nil},
		"EscapedTwice": {"GET", "/team-data/%252e%252e/other-data/there", nil},
		"TwoSlashes":   {"GET", "//other-data/there", nil},
		"Dot":          {"GET", "/./other-data/there", nil},
		"Semicolon":    {"DELETE", "/team-data/x", func(r *http.Request) { r.URL.RawQuery = "uploadId=../../../../other-data;" }},
		"Prefix":       {"GET", "/team-data?list-type=2&prefix=../other-data/", nil},
		"Marker":       {"GET", "/team-data?prefix=..%2Fother-data%2F&delimiter=%2F", nil},
		"CreateUser":   {"PATCH", "/create-user", nil},
		"ListUsers":    {"PATCH", "/list-users", nil},
		"AllBuckets":   {"PATCH", "/list-buckets", nil},
		"Trace":        {"TRACE", "/team-data/there", nil},
		"BucketAsHost": {"GET", "/there", func(r *http.Request) { r.Host = "other-data.s3.example.com" }},
	} {
		t.Run(name, func(t *testing.T) {
			a := signed(c.method, c.path, c.change)
			if strings.Contains(a.body, "of others") || strings.Contains(a.body, "<Key>") || a.code < 300 && a.code != 200 {
				t.Errorf("answer %d %s", a.code, a.body)
			}
			if a.code == 200 && !strings.Contains(a.body, "<ListBucketResult") {
				t.Errorf("answer %d %s", a.code, a.body)
			}
		})
	}
	// A list of names in a body, which the door does not read.
	many := &types.Delete{}
	for _, key := range []string{"../other-data/there", "x/../../other-data/there", "./../other-data/there", "/../other-data/there"} {
		many.Objects = append(many.Objects, types.ObjectIdentifier{Key: aws.String(key)})
	}
	_, _ = keys.client(d.url).DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String(theirs + "-data"), Delete: many})
	if got := d.ask(t, owner, "GET", "/weir/s3/"+others+"-data/there", ""); got.body != "of others" {
		t.Errorf("what others have is %d %q after the names of many", got.code, got.body)
	}
	for _, around := range []string{"..%2F..%2F..%2F..%2Fother-data", "..%2F..%2F..%2Fother-data", "..%2Fother-data"} {
		d.ask(t, d.signIn(t, "editor"), "DELETE", "/weir/s3/team-data/x?uploadId="+around, "")
		signed("DELETE", "/team-data/x?uploadId="+around, nil)
	}
	if got := d.ask(t, owner, "GET", "/weir/s3/"+others+"-data/there", ""); got.body != "of others" {
		t.Errorf("what others have is %d %q now", got.code, got.body)
	}
}
