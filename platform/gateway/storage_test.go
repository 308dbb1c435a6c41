package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// account is a token of a namespace's default account.
func account(t *testing.T, core kubernetes.Interface, namespace string) string {
	t.Helper()
	accounts := core.CoreV1().ServiceAccounts(namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	there(t, err)
	token, err := accounts.CreateToken(t.Context(), "default", &authentication.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

// The names of objects that have been trouble to proxies.
var keys = []string{"plain", "a b", "a+b", "ä/ö", "a%2Fb", "q?x=1", "h#y", "(a)!'*", "x/y/z.txt", "=&;", "semi;colon"}

// S3's own clients sign the host and the path, and find both as they sent them.
func TestSignedRequestsComeThroughUnchanged(t *testing.T) {
	d := newDoor(t)
	client := awss3.New(awss3.Options{
		BaseEndpoint: aws.String(d.url), Region: d.keys.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: d.keys.AccessKey, SecretAccessKey: d.keys.SecretKey}, nil
		}),
	})
	ctx := t.Context()
	if _, err := client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("signed")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := client.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String("signed"), Key: aws.String(key), Body: strings.NewReader(key)}); err != nil {
			t.Errorf("put %q: %v", key, err)
			continue
		}
		got, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("signed"), Key: aws.String(key)})
		if err != nil {
			t.Errorf("get %q: %v", key, err)
			continue
		}
		if data, _ := io.ReadAll(got.Body); string(data) != key {
			t.Errorf("%q holds %q", key, data)
		}
		got.Body.Close()
	}
	link, err := awss3.NewPresignClient(client).PresignGetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("signed"), Key: aws.String("a b")})
	if err != nil {
		t.Fatal(err)
	}
	if a := d.ask(t, person{}, "GET", strings.TrimPrefix(link.URL, d.url), ""); a.code != 200 || a.body != "a b" {
		t.Errorf("a signed link is answered %d %s", a.code, a.body)
	}
	if a := d.ask(t, person{}, "GET", strings.Replace(strings.TrimPrefix(link.URL, d.url), "X-Amz-Signature=", "X-Amz-Signature=0", 1), ""); a.code != 403 {
		t.Errorf("a link that is signed wrongly is answered %d", a.code)
	}
	if a := d.ask(t, person{}, "GET", "/signed/plain", "", "Authorization", "AWS4-HMAC-SHA256 Credential=access/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"); a.code != 403 && a.code != 400 {
		t.Errorf("a wrong signature is answered %d", a.code)
	}
}

// People put and get objects of any name in their namespace's bucket.
func TestPeopleAtStorage(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	editor := d.signIn(t, "editor")
	for _, key := range keys {
		path := "/weir/s3/team-data/" + escaped(key)
		if a := d.ask(t, editor, "PUT", path, key, "Content-Type", "text/html", "X-Amz-Meta-By", "test"); a.code != 200 {
			t.Errorf("put %q: %d %s", key, a.code, a.body)
			continue
		}
		a := d.ask(t, editor, "GET", path, "")
		if a.code != 200 || a.body != key || a.header.Get("X-Amz-Meta-By") != "test" {
			t.Errorf("get %q: %d %q", key, a.code, a.body)
		}
	}
	if a := d.ask(t, editor, "PUT", "/weir/s3/team-data/copied", "", "X-Amz-Copy-Source", "/other-data/there"); a.code == 200 {
		if got := d.ask(t, editor, "GET", "/weir/s3/team-data/copied", ""); got.body != "" {
			t.Errorf("an object of another namespace was copied: %q", got.body)
		}
	}
	for _, query := range []string{"?policy", "?acl", "?delete", "?X-Amz-Security-Token=x", "?versioning"} {
		if a := d.ask(t, editor, "GET", "/weir/s3/team-data"+query, ""); a.code != http.StatusBadRequest {
			t.Errorf("%s is answered %d, want 400", query, a.code)
		}
	}
	if a := d.ask(t, editor, "GET", "/weir/s3", ""); !strings.Contains(a.body, "team-data") || strings.Contains(a.body, "other-data") {
		t.Errorf("buckets of the editor: %s", a.body)
	}
	if a := d.ask(t, d.signIn(t, "stranger"), "GET", "/weir/s3/", ""); a.code != 200 || strings.Contains(a.body, "<Name>") {
		t.Errorf("buckets of a stranger: %s", a.body)
	}
	if log := d.audit.String(); !strings.Contains(log, `"user":"editor","method":"PUT","path":"/weir/s3/team-data/plain"`) {
		t.Errorf("the audit says:\n%s", log)
	}
}

func escaped(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		if c == '/' || c >= 'a' && c <= 'z' {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
		}
	}
	return b.String()
}
